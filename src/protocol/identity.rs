//! What names the operations of a route, and what a store remembers of it.
//!
//! Under another identity the same request is another operation, and a retry of it runs again. So a store
//! keeps an [`Entry`] for each method and pattern, for as long as a record that was made under it can live.
//! The name of a route, its fingerprint and its times are no part of an identity.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::{HeaderName, Method};
use sha2::{Digest, Sha256};

use super::pattern::Pattern;
use super::{ScopePart, hex};
use crate::clock::Timestamp;

/// How the id of a record is made of namespace, scope and key.
const SCHEME: &str = "v1";

/// What names the operations of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// What groups the keys.
    pub namespace: String,
    /// The parts of the scope in their order, each as the configuration writes it.
    pub scope: Vec<String>,
    /// Where the key is, as the configuration writes it.
    pub key: String,
    /// How a record's id is made of these.
    pub scheme: String,
}

impl Identity {
    /// The identity of a route.
    #[must_use]
    pub fn new(namespace: &str, scope: &[ScopePart], key_header: &HeaderName) -> Self {
        let part = |part: &ScopePart| match part {
            ScopePart::Header(name) => format!("\"{name}\""),
            other => other.to_string(),
        };
        Self {
            namespace: namespace.to_owned(),
            scope: scope.iter().map(part).collect(),
            key: format!("{{ header = \"{key_header}\" }}"),
            scheme: SCHEME.to_owned(),
        }
    }

    /// Six hexadecimal digits that tell it from others.
    #[must_use]
    pub fn digits(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(b"oncegate identity");
        let parts = [&self.namespace, &self.key, &self.scheme].into_iter().chain(&self.scope);
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        hex::encode(&digest.finalize()[..3], &mut [0; 6]).to_owned()
    }

    /// The lines of a route that make up this identity.
    #[must_use]
    pub fn lines(&self) -> [String; 3] {
        [
            format!("namespace = \"{}\"", self.namespace),
            format!("scope = [{}]", self.scope.join(", ")),
            format!("key = {}", self.key),
        ]
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join(", "))?;
        if self.scheme == SCHEME { Ok(()) } else { write!(f, ", digests {}", self.scheme) }
    }
}

/// What a store remembers of how operations were named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Their method.
    pub method: Method,
    /// Their paths.
    pub pattern: Pattern,
    /// The path template as it was last written, for people.
    pub template: String,
    /// What names them.
    pub identity: Identity,
    /// How long a record made under it can live.
    pub life: Duration,
    /// Until when such a record can be there, by the store's clock.
    pub until: Timestamp,
    /// Whether only gateways without a configuration file made such records.
    pub quick_start: bool,
    /// What may name the same operations otherwise, because an operator accepted it: for each the pattern of a
    /// route, `#` and its [`Identity::digits`].
    pub accepted: Vec<String>,
    /// Whether an operator accepted that no route covers its paths.
    pub retired: bool,
}

impl Entry {
    /// Whether both are about the same operations under the same names.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.method == other.method && self.pattern == other.pattern && self.identity == other.identity
    }

    /// Whether an operator accepted that these operations, as far as `pattern` covers them, are named by
    /// `identity` from now on.
    #[must_use]
    pub fn yields_to(&self, pattern: &Pattern, identity: &Identity) -> bool {
        let digits = identity.digits();
        let accepted = self.accepted.iter().filter_map(|accepted| accepted.rsplit_once('#'));
        accepted.into_iter().any(|(like, named)| named == digits && Pattern::of(like).is_like(pattern))
    }

    /// Notes that an operator accepted that. Nothing later is accepted by it.
    pub fn accept(&mut self, pattern: &Pattern, identity: &Identity) {
        self.accepted.push(format!("{pattern}#{}", identity.digits()));
        self.accepted.sort();
        self.accepted.dedup();
    }

    /// How the change to a route with this path is named to an operator: by the entry, and once a change of that
    /// was accepted, by the route's path and the entry's digits.
    #[must_use]
    pub fn change(&self, path: &str) -> EntryName {
        let template = if self.accepted.is_empty() { &self.template } else { path };
        EntryName { template: template.to_owned(), ..self.name() }
    }

    /// How it is named to an operator.
    #[must_use]
    pub fn name(&self) -> EntryName {
        EntryName {
            method: self.method.clone(),
            template: self.template.clone(),
            digits: self.identity.digits(),
        }
    }

    /// Whether an operator named it so. The spelling of the path does not count.
    #[must_use]
    pub fn is_named(&self, name: &EntryName) -> bool {
        self.name().is_like(name)
    }
}

/// The name of an entry, such as `POST /v1/charges#1f3a9c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryName {
    method: Method,
    template: String,
    digits: String,
}

impl EntryName {
    /// Whether both name the same. The spelling of the path does not count.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.method == other.method
            && self.digits == other.digits
            && Pattern::of(&self.template).is_like(&Pattern::of(&other.template))
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}#{}", self.method, self.template, self.digits)
    }
}

/// The text names no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEntryName;

impl FromStr for EntryName {
    type Err = InvalidEntryName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (method, rest) = text.split_once(' ').ok_or(InvalidEntryName)?;
        let (template, digits) = rest.rsplit_once('#').ok_or(InvalidEntryName)?;
        let six = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !six || !template.starts_with('/') {
            return Err(InvalidEntryName);
        }
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| InvalidEntryName)?;
        Ok(Self { method, template: template.to_owned(), digits: digits.to_ascii_lowercase() })
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    fn usual() -> Identity {
        let scope = [ScopePart::Header(AUTHORIZATION), ScopePart::Path];
        Identity::new("default", &scope, &HeaderName::from_static("idempotency-key"))
    }

    #[test]
    fn everything_that_names_an_operation_counts() {
        let mut digits = vec![usual().digits()];
        let changes: [fn(&mut Identity); 5] = [
            |identity| identity.namespace.push('x'),
            |identity| identity.scope.reverse(),
            |identity| identity.scope.truncate(1),
            |identity| identity.key = "{ header = \"x-key\" }".into(),
            |identity| identity.scheme = "v2".into(),
        ];
        for change in changes {
            let mut other = usual();
            change(&mut other);
            assert_ne!(other, usual());
            digits.push(other.digits());
        }
        digits.sort();
        digits.dedup();
        assert_eq!(digits.len(), 6);
    }

    /// Stores hold entries of earlier versions, and configurations their names.
    #[test]
    fn the_digits_of_an_identity_never_change() {
        let [namespace, scope, key] = usual().lines();
        assert_eq!(namespace, "namespace = \"default\"");
        assert_eq!(scope, "scope = [\"authorization\", { path = true }]");
        assert_eq!(key, "key = { header = \"idempotency-key\" }");
        assert_eq!(usual().digits(), "0e67bd");
    }

    #[test]
    fn a_name_is_read_as_it_is_printed() {
        let entry = Entry {
            method: Method::POST,
            pattern: Pattern::equivalent("/v1/{id}"),
            template: "/v1/{id}".into(),
            identity: usual(),
            life: Duration::ZERO,
            until: Timestamp(0),
            quick_start: false,
            accepted: Vec::new(),
            retired: false,
        };
        let name = entry.name().to_string();
        assert_eq!(name, format!("POST /v1/{{id}}#{}", usual().digits()));
        assert!(name.parse().is_ok_and(|name| entry.is_named(&name)));
        for spelled in [name.replace("{id}", "{charge}"), name.replace("/v1", "/V1")] {
            assert!(spelled.parse().is_ok_and(|name| entry.is_named(&name)), "{spelled}");
        }
        for other in
            [name.replace("POST", "PATCH"), name.replace("/v1", "/v2"), format!("{}#000000", &name[..9])]
        {
            assert!(other.parse().is_ok_and(|name| !entry.is_named(&name)), "{other}");
        }
        for wrong in
            ["", "POST", "POST /v1/charges", "POST /v1/charges#12345", "POST charges#123456", "/v1#123456"]
        {
            assert_eq!(wrong.parse::<EntryName>(), Err(InvalidEntryName), "{wrong}");
        }
    }
}
