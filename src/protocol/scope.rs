//! Who the caller is: the same key from two callers names two operations.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The caller, as the request headers a route names tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct Scope(Vec<u8>);

impl Scope {
    /// The scope of requests that carry none of the scope headers.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(Vec::new())
    }

    /// The scope that these headers give: each with its lower-case name and all its values in
    /// order. A header without values adds nothing, so a request with none is anonymous.
    #[must_use]
    pub fn of<'a, V>(headers: impl IntoIterator<Item = (&'a str, V)>) -> Self
    where
        V: IntoIterator<Item = &'a [u8]>,
    {
        let mut scope = Vec::new();
        for (name, values) in headers {
            for value in values {
                for part in [name.as_bytes(), value] {
                    scope.extend((part.len() as u64).to_be_bytes());
                    scope.extend(part);
                }
            }
        }
        Self(scope)
    }

    /// The scope of a request with these headers, where `names` tell callers apart.
    #[must_use]
    pub fn from_headers(names: &[HeaderName], headers: &HeaderMap) -> Self {
        let values = |name| headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
        Self::of(names.iter().map(|name| (name.as_str(), values(name))))
    }

    /// The bytes that go into the record id.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Scope {
    /// Scopes hold credentials and are never printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "Scope(anonymous)" } else { "Scope(…)" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_kept_apart() {
        let one = Scope::of([("authorization", vec![&b"Bearer a"[..]])]);
        let other = Scope::of([("authorization", vec![&b"Bearer b"[..]])]);
        let twice = Scope::of([("authorization", vec![&b"Bearer a"[..], &b"Bearer a"[..]])]);
        assert!(one != other && one != twice);
        assert_eq!(Scope::of([("authorization", Vec::<&[u8]>::new())]), Scope::anonymous());
    }

    #[test]
    fn only_the_named_headers_tell_callers_apart() {
        let names = [http::header::AUTHORIZATION, HeaderName::from_static("x-tenant")];
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static("*/*"));
        assert_eq!(Scope::from_headers(&names, &headers), Scope::anonymous());
        headers.append("x-tenant", HeaderValue::from_static("b"));
        headers.append("authorization", HeaderValue::from_static("Bearer a"));
        headers.append("x-tenant", HeaderValue::from_static("c"));
        let expected =
            Scope::of([("authorization", vec![&b"Bearer a"[..]]), ("x-tenant", vec![&b"b"[..], &b"c"[..]])]);
        assert_eq!(Scope::from_headers(&names, &headers), expected);
    }
}
