//! The effect of a route's key settings.

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
        page.row("key in the body", &in_body(config));
        page.row("same key", SAME_KEY);
    }
}

const SAME_KEY: &str = "the same members name the same operation for as long as its key is remembered. If they name a \
                        business object, such as an order, a second payment of it gets the first answer, or 422, \
                        after a decline too";

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

fn in_body(config: &Config) -> String {
    format!(
        "each body is read whole to find it. With or without a key, one of more than {} is answered 413 \
         request-too-large, and one that is neither JSON nor a form, or that has a content coding, 400 key-invalid",
        Size(config.server.request_body_limit as u64)
    )
}
