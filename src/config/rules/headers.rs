//! Names of headers.

use http::HeaderName;

use crate::config::problem::At;
use crate::headers::{ADDED, HOP_BY_HOP, NEVER_BELIEVED, is_mimic, meaning};

/// A header name, lower-cased.
pub fn name(at: &At<'_>, text: &str) -> Option<HeaderName> {
    if text.contains('*') {
        return at.refuse(format!("{text:?} names no header, and there are no wildcards; name each"));
    }
    text.parse().ok().or_else(|| {
        // A header's whole line, which somebody put here, may hold a credential.
        let shown = if text.contains([' ', ':', '=']) { "this".to_owned() } else { format!("{text:?}") };
        at.refuse(format!("{shown} is not a header name; allowed: letters, digits and !#$%&'*+-.^_`|~"))
    })
}

/// Header names, each once.
pub fn names(at: &At<'_>, texts: &[String]) -> Option<Vec<HeaderName>> {
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

/// The header that carries the key: none that HTTP, proxies or the gateway give a meaning to.
pub fn key(at: &At<'_>, text: &str) -> Option<HeaderName> {
    let name = name(at, text)?;
    match meaning(&name) {
        Some(means) => at.refuse(format!(
            "{text:?} {means}; allowed: a header of its own, like \"Idempotency-Key\" or \"X-Request-Id\""
        )),
        None => Some(name),
    }
}

/// Refuses, among the headers that tell callers or requests apart, that of the key, which would make every
/// key its own caller or its two spellings two requests, and those that do not reach the upstream: all
/// callers would look the same.
pub fn telling(at: &At<'_>, names: &[HeaderName], key: Option<&HeaderName>) -> Option<()> {
    names.iter().enumerate().try_for_each(|(index, name)| tells(&at.item(index), name, key))
}

/// The same of one header.
pub fn tells(at: &At<'_>, name: &HeaderName, key: Option<&HeaderName>) -> Option<()> {
    if Some(name) == key {
        at.refuse("is the header of the key; allowed: other headers")
    } else if HOP_BY_HOP.contains(name)
        || NEVER_BELIEVED.contains(name)
        || is_mimic(name, key.map(HeaderName::as_str).into_iter())
    {
        at.refuse("is not passed on to the upstream; allowed: headers that are")
    } else if ADDED.contains(name) {
        at.refuse("differs from one attempt to the next; allowed: headers that a retry repeats")
    } else {
        Some(())
    }
}
