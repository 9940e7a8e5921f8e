//! The effect of a route's key settings.

use http::HeaderName;

use crate::cli::page::Page;
use crate::config::units::Size;
use crate::config::{Config, KeyForwarding, Route};
use crate::problem::Slug;
use crate::protocol::{KeyForm, KeyPlace};

use super::problems::told;

/// Writes where the key of a route is, how it is sent to the upstream, and what a key in the body implies.
pub(super) fn write(page: &mut Page, config: &Config, route: &Route) {
    page.row("key", &place(route));
    if let Some(text) = forwarded(route) {
        page.row("key upstream", &text);
    }
    if route.key.source.reads_body() {
        page.row("key in the body", &in_body(config, route));
        page.row("same key", &same_key(route));
    }
}

fn same_key(route: &Route) -> String {
    format!(
        "the same members name the same operation for as long as its key is remembered. If they name a business \
         object, such as an order, a second payment of it gets the first answer, or {}, after a decline too",
        told(route, Slug::PayloadMismatch)
    )
}

fn place(route: &Route) -> String {
    let place = match route.key.source.places() {
        [KeyPlace::Header(name)] => name.to_string(),
        _ => route.key.source.in_words(),
    };
    let absent = if route.key.required {
        format!("required: a request without it is answered {}", told(route, Slug::KeyMissing))
    } else {
        "optional: a request without it passes UNPROTECTED".to_owned()
    };
    format!("{place}, {absent}; its keys belong to namespace {:?}", &*route.namespace)
}

/// Describes the way of the key to the upstream, unless it is the usual one: bare, in the header that it came in.
fn forwarded(route: &Route) -> Option<String> {
    let Some(KeyForwarding { form, name }) = &route.key.forward else {
        return Some("no header is sent with it".into());
    };
    if let ([KeyPlace::Header(only)], KeyForm::Bare) = (route.key.source.places(), form)
        && only == name
    {
        return None;
    }
    let form = match form {
        KeyForm::Bare => "bare",
        KeyForm::AsSent => "as it was sent",
        KeyForm::Quoted => "quoted",
    };
    Some(format!("sent {form} in {name}, in place of a header of this name that the client sent"))
}

fn in_body(config: &Config, route: &Route) -> String {
    let headers = route.key.source.places().iter().map_while(KeyPlace::as_header);
    let headers: Vec<&str> = headers.map(HeaderName::as_str).collect();
    let (which, with_or_without) = match headers.is_empty() {
        true => ("each body".to_owned(), "With or without a key, one"),
        false => (format!("without a key in {}, each body", headers.join(" or ")), "One"),
    };
    format!(
        "{which} is read whole to find it. {with_or_without} of more than {} is answered {}, and one that is neither \
         JSON nor a form, or that has a content coding, {}",
        Size(config.server.request_body_limit as u64),
        told(route, Slug::RequestTooLarge),
        told(route, Slug::KeyInvalid)
    )
}
