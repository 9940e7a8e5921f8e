//! What makes a request the same as another one under a route's settings.

use super::problems::status;
use crate::config::Route;
use crate::headers::METHOD_OVERRIDES;
use crate::problem::Slug;
use crate::protocol::{BodyScheme, MemberChoice};

/// Returns the explanation of a route's fingerprint.
pub(super) fn same_request(route: &Route) -> String {
    let scheme = &*route.fingerprint;
    let headers = scheme.headers.iter().map(String::as_str);
    let headers = headers.filter(|name| !METHOD_OVERRIDES.iter().any(|always| *always == *name));
    let headers: String = headers.map(|name| format!(", {name}{}", without(name, &scheme.body))).collect();
    let refused = format!("a key with any other is answered {}", status(route, Slug::PayloadMismatch));
    let parts = format!("method and its overrides, path, query{headers}");
    match &scheme.body {
        BodyScheme::Raw => format!("{parts} and every byte of the body; {refused}"),
        BodyScheme::None => format!(
            "{parts}; {refused}. The body does NOT count: a request with another one, such as another amount, is \
             answered with the first one's response"
        ),
        BodyScheme::Json { ignore } => {
            format!(
                "{parts} and {}; {refused}",
                meaning("JSON body", &MemberChoice::except(ignore.clone(), false))
            )
        }
        BodyScheme::JsonMembers { members, .. } => {
            format!("{parts} and {}; {refused}{}", meaning("JSON body", members), beside(members))
        }
        BodyScheme::Form { members } => format!(
            "{parts} and {}, in which the order of members does not count; {refused}{}",
            meaning("form", members),
            beside(members)
        ),
        BodyScheme::Multipart => format!(
            "{parts} and the parts of the multipart body (names, filenames, part headers, content), but not the \
             order of different fields; {refused}"
        ),
    }
}

/// Returns what of a header does not count.
fn without(header: &str, body: &BodyScheme) -> &'static str {
    match body {
        BodyScheme::JsonMembers { .. } | BodyScheme::Form { .. } if header == "content-type" => {
            " without its parameters"
        }
        BodyScheme::Multipart if header == "content-type" => " without its boundary",
        _ => "",
    }
}

fn meaning(body: &str, members: &MemberChoice) -> String {
    let pointers = members.pointers().join(", ");
    match (members.is_only(), pointers.is_empty()) {
        (true, _) => format!("of the {body} ONLY {pointers}"),
        (false, true) => format!("the meaning of the {body}"),
        (false, false) => format!("the meaning of the {body} without {pointers}"),
    }
}

/// Returns what it means that only some members count.
fn beside(members: &MemberChoice) -> &'static str {
    match members.is_only() {
        true => {
            ". A request in which any other member has changed is answered with the first one's response. One \
             that has none of the named members counts whole"
        }
        false => "",
    }
}
