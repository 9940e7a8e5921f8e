//! Who the caller is: the same key from two callers names two operations.

use std::fmt;

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
}
