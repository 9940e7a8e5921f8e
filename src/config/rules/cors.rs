//! Rules for pages of other origins.

use http::Uri;

use super::limits;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{Cors, Origins};

/// Checks the origins that may read answers. `Some(None)` is a gateway without them.
pub fn cors(at: &KeyCursor<'_>, file: Option<&file::Cors>) -> Option<Option<Cors>> {
    let Some(file) = file else {
        return Some(None);
    };
    let origins = origins(&at.key("origins"), file);
    let max_age = limits::span(&at.key("max_age"), &file.max_age, &limits::PREFLIGHT_AGE);
    Some(Some(Cors { origins: origins?, credentials: file.credentials, max_age: max_age? }))
}

fn origins(at: &KeyCursor<'_>, file: &file::Cors) -> Option<Origins> {
    match file.origins.as_slice() {
        [] => at.refuse("names no origin; write those of the pages, like [\"https://shop.example\"]"),
        [any] if any == "*" && file.credentials => at.refuse(
            "\"*\" beside credentials = true would let every page act as its visitor; name each origin, or leave \
             credentials out",
        ),
        [any] if any == "*" => Some(Origins::Any),
        texts => {
            let checked = texts.iter().enumerate().map(|(index, text)| {
                let at = at.item(index);
                if texts[..index].contains(text) {
                    return at.refuse(format!("{text:?} is named twice"));
                }
                origin(&at, text)
            });
            let listed = checked.collect::<Vec<Option<String>>>().into_iter().collect::<Option<_>>()?;
            Some(Origins::Listed(listed))
        }
    }
}

/// Checks that an origin is written as browsers write it, because it is compared byte by byte.
fn origin(at: &KeyCursor<'_>, text: &str) -> Option<String> {
    match text {
        "*" => return at.refuse("\"*\" stands for every origin; write it alone, or name each origin"),
        "null" => {
            return at.refuse(
                "\"null\" is the origin of every sandboxed page and local file, so it would allow anyone's page",
            );
        }
        _ if text.contains('*') => {
            return at.refuse(format!("{text:?}: there are no wildcards inside an origin; name each"));
        }
        _ => {}
    }
    // A URL with a user name may hold a password.
    let usual =
        "an origin is a scheme, a host and, if it is not the usual one, a port: \"https://shop.example\"";
    let uri = text.parse::<Uri>().ok().filter(|_| !text.contains('@'));
    let Some((uri, scheme, host)) = uri.as_ref().and_then(|uri| Some((uri, uri.scheme_str()?, uri.host()?)))
    else {
        return at.refuse(format!("is no origin; {usual}"));
    };
    let (scheme, host) = (scheme.to_ascii_lowercase(), host.to_ascii_lowercase());
    let default = match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    let port = uri.port_u16().filter(|port| Some(*port) != default);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let written = format!("{scheme}://{host}{port}");
    if written == text {
        return Some(written);
    }
    at.refuse(format!("{text:?} is not as browsers write it; write {written:?}"))
}
