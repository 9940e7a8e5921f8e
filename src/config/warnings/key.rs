//! Warnings about the members of a body that are the key of a route.

use crate::config::{Route, Settling};
use crate::problem::Slug;
use crate::protocol::{BodyScheme, KeyPlace, Pointer};

/// Names of members that usually say something of an operation, and do not tell it from others.
const SHARED: [&str; 24] = [
    "account",
    "account_id",
    "amount",
    "currency",
    "customer",
    "customer_id",
    "description",
    "email",
    "event",
    "kind",
    "merchant",
    "merchant_id",
    "metadata",
    "method",
    "name",
    "payment_method",
    "source",
    "status",
    "store",
    "store_id",
    "tenant",
    "type",
    "user",
    "user_id",
];

/// Returns the warnings about the key of a route.
pub fn warnings(route: &Route) -> Vec<String> {
    [shared(route), unseen(route), several(route), multipart(route)].into_iter().flatten().collect()
}

/// Returns the status and the slug of a problem on a route.
fn told(route: &Route, slug: Slug) -> String {
    let status = route.problems.own_status(slug).unwrap_or_else(|| slug.status());
    format!("{} {}", status.as_u16(), slug.name())
}

/// Warns of places among which the attempts of one operation may differ.
fn several(route: &Route) -> Option<String> {
    let text = "key.first has several places, and an attempt that lacks the first of them is another operation if the \
                next one has another text: the payment runs again. Every attempt has to carry the same place, or the \
                same text in all of them";
    (route.key.source.places().len() > 1).then(|| text.into())
}

/// Warns of multipart bodies on a route that reads keys from bodies, too.
fn multipart(route: &Route) -> Option<String> {
    let is_multipart = route.fingerprint.body == BodyScheme::Multipart;
    let text = format!(
        "fingerprint.body is \"multipart\", and no key is read from such a body: without a key in a header, it is \
         answered {}",
        told(route, Slug::KeyInvalid)
    );
    (is_multipart && route.key.source.reads_body()).then_some(text)
}

/// Warns of a probe that asks by a text that the upstream never gets.
fn unseen(route: &Route) -> Option<String> {
    let Settling::Probe(probe) = &route.settling else { return None };
    let is_joined = |place: &KeyPlace| !matches!(place, KeyPlace::Members(pointers) if pointers.len() == 1);
    let asks = probe.template.placeholders().iter().any(|name| name == "key");
    let text = "the probe asks by {key}, and key.forward is \"none\": the upstream never gets this text, and may say \
                that it does not know it. Let it be forwarded, or ask by members, like {body:/order}";
    let is_unseen = route.key.forward.is_none() && route.key.source.places().iter().any(is_joined);
    (asks && is_unseen).then(|| text.into())
}

/// Warns of members that do not tell operations apart.
fn shared(route: &Route) -> Option<String> {
    let places = route.key.source.places().iter();
    let shared: Vec<String> = places.filter(|place| is_shared(place)).map(ToString::to_string).collect();
    let text = format!(
        "the key is {}, which usual requests share: a second operation with the same value gets the first one's \
         answer, or {}. Add a member that each operation has for itself",
        shared.join(" or "),
        told(route, Slug::PayloadMismatch)
    );
    (!shared.is_empty()).then_some(text)
}

/// Tells whether requests of different operations usually have the same value at a place.
fn is_shared(place: &KeyPlace) -> bool {
    let last = |pointer: &Pointer| pointer.as_str().rsplit('/').next().unwrap_or_default().to_lowercase();
    match place {
        KeyPlace::Header(_) => false,
        KeyPlace::Members(pointers) => {
            pointers.iter().all(|pointer| SHARED.contains(&last(pointer).replace('-', "_").as_str()))
        }
    }
}
