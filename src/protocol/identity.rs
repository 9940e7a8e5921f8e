//! The naming of a route's operations, and the memory of it in a store.
//!
//! Under another identity the same request is another operation, and a retry runs again. A store therefore
//! keeps an [`Entry`] for each method and pattern, for as long as a record made under it can live. The name
//! of a route, its fingerprint and its times are no part of an identity.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::Method;
use sha2::{Digest, Sha256};

use super::pattern::Pattern;
use super::{KeySource, ScopePart, hex};
use crate::clock::Timestamp;

/// Version of the way in which a record id is made of namespace, scope and key.
const SCHEME: &str = "v1";

/// The settings of a route that name its operations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Group of the keys.
    pub namespace: String,
    /// The parts of the scope in their order, each as the configuration writes it.
    pub scope: Vec<String>,
    /// Location of the key in a request, as the configuration writes it.
    pub key: String,
    /// Version of the way in which a record's id is made of these.
    pub scheme: String,
}

impl Identity {
    /// Returns the identity of a route.
    #[must_use]
    pub fn new(namespace: &str, scope: &[ScopePart], key: &KeySource) -> Self {
        let part = |part: &ScopePart| match part {
            ScopePart::Header(name) => format!("\"{name}\""),
            other => other.to_string(),
        };
        Self {
            namespace: namespace.to_owned(),
            scope: scope.iter().map(part).collect(),
            key: key.to_string(),
            scheme: SCHEME.to_owned(),
        }
    }

    /// Returns six hexadecimal digits that distinguish this identity from others.
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

    /// Returns the lines of a route's configuration that make up this identity.
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

/// A store's memory of how a group of operations was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Method of the operations.
    pub method: Method,
    /// Paths of the operations.
    pub pattern: Pattern,
    /// The path template as it was last written, for display.
    pub template: String,
    /// Identity under which the operations are named.
    pub identity: Identity,
    /// The longest life of a record made under this entry.
    pub life: Duration,
    /// Time until which such a record can exist, by the store's clock.
    pub until: Timestamp,
    /// The longest ttl that such a record may have, and the time until which it can be replayed.
    pub longest_ttl: (Duration, Timestamp),
    /// Size of the largest request body that such a record may be of, in bytes. Zero if it is not known.
    pub largest_request: u64,
    /// True if only gateways without a configuration file made such records.
    pub quick_start: bool,
    /// Other namings of the same operations that an operator accepted. Each is the pattern of a route, `#`
    /// and its [`Identity::digits`].
    pub accepted: Vec<String>,
    /// True if an operator accepted that no route covers these paths.
    pub retired: bool,
}

impl Entry {
    /// Tells whether both entries are about the same operations under the same identity.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.method == other.method && self.pattern == other.pattern && self.identity == other.identity
    }

    /// Adds what another entry of the same operations says. An older gateway may have left several.
    pub fn merge(&mut self, other: &Self) {
        self.life = self.life.max(other.life);
        self.until = self.until.max(other.until);
        self.longest_ttl = self.longest_ttl.max(other.longest_ttl);
        self.largest_request = self.largest_request.max(other.largest_request);
        self.quick_start &= other.quick_start;
        self.retired &= other.retired;
        self.accepted.extend(other.accepted.iter().cloned());
        self.accepted.sort();
        self.accepted.dedup();
    }

    /// Tells whether an operator accepted that `identity` names these operations from now on, as far as
    /// `pattern` covers them.
    #[must_use]
    pub fn accepts_change_to(&self, pattern: &Pattern, identity: &Identity) -> bool {
        let digits = identity.digits();
        let accepted = self.accepted.iter().filter_map(|accepted| accepted.rsplit_once('#'));
        accepted.into_iter().any(|(like, named)| named == digits && Pattern::of(like).is_like(pattern))
    }

    /// Notes that an operator accepted `identity` for the paths of `pattern`. This accepts no later change.
    pub fn accept(&mut self, pattern: &Pattern, identity: &Identity) {
        self.accepted.push(format!("{pattern}#{}", identity.digits()));
        self.accepted.sort();
        self.accepted.dedup();
    }

    /// Returns the name under which an operator sees the change to a route with this path. This is the
    /// entry's own name. Once a change of this entry was accepted, the route's path replaces the entry's.
    #[must_use]
    pub fn change(&self, path: &str) -> EntryName {
        let template = if self.accepted.is_empty() { &self.template } else { path };
        EntryName { template: template.to_owned(), ..self.name() }
    }

    /// Returns the name under which an operator sees this entry.
    #[must_use]
    pub fn name(&self) -> EntryName {
        EntryName {
            method: self.method.clone(),
            template: self.template.clone(),
            digits: self.identity.digits(),
        }
    }

    /// Tells whether an operator means this entry by `name`. The spelling of the path does not count.
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
    /// Tells whether both names mean the same entry. The spelling of the path does not count.
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

/// The error for a text that is not the name of an entry.
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
    use http::HeaderName;
    use http::header::AUTHORIZATION;

    use super::*;

    fn usual() -> Identity {
        let scope = [ScopePart::Header(AUTHORIZATION), ScopePart::Path];
        Identity::new("default", &scope, &KeySource::header(HeaderName::from_static("idempotency-key")))
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

    /// Stores hold entries of earlier versions, and configurations hold the names of entries.
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
            longest_ttl: (Duration::ZERO, Timestamp(0)),
            largest_request: 0,
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
