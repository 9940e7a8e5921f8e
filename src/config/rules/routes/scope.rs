//! The scope of a route: the parts of a request that tell callers apart.

use http::HeaderName;

use crate::config::file::{self, ScopeText};
use crate::config::mistakes::KeyCursor;
use crate::config::rules::headers;
use crate::protocol::ScopePart;

/// Checks the parts of a scope. If clients present a certificate, it counts, named in the scope or not.
pub fn scope(
    at: &KeyCursor<'_>,
    file: &file::Route,
    key_headers: &[HeaderName],
    certificates: bool,
) -> Option<Vec<ScopePart>> {
    let scope = at.key("scope");
    let mut parts: Vec<Option<ScopePart>> = Vec::new();
    for (index, text) in file.scope.iter().enumerate() {
        let part = self::part(&scope.item(index), text, key_headers, certificates);
        let twice = part.is_some() && parts.contains(&part);
        parts.push(if twice { scope.item(index).refuse("is named twice") } else { part });
    }
    let mut parts: Vec<ScopePart> = parts.into_iter().collect::<Option<_>>()?;
    if certificates && !parts.contains(&ScopePart::ClientCertificate) {
        parts.push(ScopePart::ClientCertificate);
    }
    let tells = parts.iter().any(|part| *part != ScopePart::Path);
    if !tells && file.anonymous == file::Anonymous::Refuse {
        return scope.refuse(
            "tells no caller apart; name a header that does, like \"authorization\", or say that all callers \
             count as the same one with anonymous = \"one\"",
        );
    }
    Some(parts)
}

fn part(
    at: &KeyCursor<'_>,
    text: &ScopeText,
    key_headers: &[HeaderName],
    certificates: bool,
) -> Option<ScopePart> {
    match text {
        ScopeText::Header(name) => {
            let name = headers::name(at, name)?;
            headers::distinguishes(at, &name, key_headers)?;
            Some(ScopePart::Header(name))
        }
        ScopeText::Path => Some(ScopePart::Path),
        ScopeText::ClientCertificate if certificates => Some(ScopePart::ClientCertificate),
        ScopeText::ClientCertificate => at.refuse("needs [server] tls with client_ca: clients show no other"),
    }
}
