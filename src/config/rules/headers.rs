//! Checks of header names.

use http::HeaderName;

use crate::config::mistakes::KeyCursor;
use crate::headers::{ADDED, HOP_BY_HOP, NEVER_BELIEVED, is_mimic, meaning, steers_clients};
use crate::protocol::credential;

/// Checks a header name and converts it to lower case.
pub fn name(at: &KeyCursor<'_>, text: &str) -> Option<HeaderName> {
    if text.contains('*') {
        return at.refuse(format!("{text:?} names no header, and there are no wildcards; name each"));
    }
    text.parse().ok().or_else(|| {
        // The text may be a whole header line, put here by mistake, with a credential in it.
        let shown = if text.contains([' ', ':', '=']) { "this".to_owned() } else { format!("{text:?}") };
        at.refuse(format!("{shown} is not a header name; allowed: letters, digits and !#$%&'*+-.^_`|~"))
    })
}

/// Checks a list of header names, and refuses a name that occurs twice.
pub fn names(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<HeaderName>> {
    let mut found: Vec<Option<HeaderName>> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let at = at.item(index);
        let name = name(&at, text).and_then(|name| {
            let twice = found.contains(&Some(name.clone()));
            if twice { at.refuse(format!("{text:?} is named twice")) } else { Some(name) }
        });
        found.push(name);
    }
    found.into_iter().collect()
}

/// Checks the name of the header that carries the key. HTTP, proxies and the gateway must give it no meaning.
pub fn key(at: &KeyCursor<'_>, text: &str) -> Option<HeaderName> {
    let name = name(at, text)?;
    match meaning(&name) {
        Some(means) => at.refuse(format!(
            "{text:?} {means}; allowed: a header of its own, like \"Idempotency-Key\" or \"X-Request-Id\""
        )),
        None => Some(name),
    }
}

/// Checks the headers that tell callers or requests apart.
///
/// The header of the key is refused: it would make every key its own caller, or make the two spellings of a
/// key two requests. A header that does not reach the upstream is refused too: all callers would look the
/// same.
pub fn distinguishing(at: &KeyCursor<'_>, names: &[HeaderName], keys: &[HeaderName]) -> Option<()> {
    names.iter().enumerate().try_for_each(|(index, name)| distinguishes(&at.item(index), name, keys))
}

/// Checks one header as [`distinguishing`] does.
pub fn distinguishes(at: &KeyCursor<'_>, name: &HeaderName, keys: &[HeaderName]) -> Option<()> {
    if keys.contains(name) {
        at.refuse("is the header of the key; allowed: other headers")
    } else if HOP_BY_HOP.contains(name)
        || NEVER_BELIEVED.contains(name)
        || is_mimic(name, keys.iter().map(HeaderName::as_str))
    {
        at.refuse("is not passed on to the upstream; allowed: headers that are")
    } else if ADDED.contains(name) {
        at.refuse("differs from one attempt to the next; allowed: headers that a retry repeats")
    } else {
        Some(())
    }
}

/// Checks a header of the request that an answer repeats. It must mean nothing in an answer, and must not be a
/// credential or a key.
pub fn repeated(at: &KeyCursor<'_>, name: &HeaderName) -> Option<()> {
    let allowed = "allowed: headers that name a request, like \"request-id\" or \"x-correlation-id\"";
    means_nothing(at, name, "what a request said", allowed)
}

/// Checks a header with a fixed value in an answer. It must mean nothing to clients of HTTP and to proxies, and
/// must not be one of the gateway's own.
pub fn fixed(at: &KeyCursor<'_>, name: &HeaderName) -> Option<()> {
    let allowed = "allowed: headers of an API's own, like \"transient-error\"";
    means_nothing(at, name, "it, whatever the answer is about", allowed)
}

fn means_nothing(at: &KeyCursor<'_>, name: &HeaderName, obeyed: &str, allowed: &str) -> Option<()> {
    let dashed = name.as_str().replace('_', "-");
    if ["idempotency-", "idempotent-"].iter().any(|first| dashed.starts_with(first))
        || dashed.contains("should-retry")
    {
        at.refuse(format!("{name} carries a key or the gateway's own words; {allowed}"))
    } else if credential::may_be_credential(name) {
        at.refuse(format!("{name} may prove who asks, and an answer must not show it; {allowed}"))
    } else if let Some(means) = meaning(name) {
        at.refuse(format!("{name} {means}; {allowed}"))
    } else if steers_clients(name) {
        at.refuse(format!("{name} means something in an answer, and clients would obey {obeyed}; {allowed}"))
    } else {
        Some(())
    }
}
