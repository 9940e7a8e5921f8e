//! The names of operations, of executions, and of versions of a record.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::{Key, Scope, hex};

/// The stable name of one operation: a digest of its namespace, scope and key.
///
/// Problems, logs and the admin API show the id, so that they need not show a key or a credential. The id is
/// stable for good, because the upstream may have stored it in a marker row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId([u8; 20]);

impl RecordId {
    /// Returns the id of the operation named by *(namespace, scope, key)*.
    ///
    /// The id is SHA-256 over the length-prefixed parts, cut to 160 bits: long enough that no second
    /// operation can be found for a given id, short enough to copy from a log line.
    #[must_use]
    pub fn of(namespace: &str, scope: &Scope, key: &Key) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"oncegate record v1");
        for part in [namespace.as_bytes(), scope.as_bytes(), key.as_str().as_bytes()] {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let digest = digest.finalize();
        let mut id = [0; 20];
        id.copy_from_slice(&digest[..20]);
        Self(id)
    }

    /// Returns the raw bytes, for a store's key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Returns the id with these raw bytes, as read back from a store, or `None` if the length is wrong.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex::encode(&self.0, &mut [0; 40]))
    }
}

impl fmt::Debug for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error for a text that is not a record id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRecordId;

impl fmt::Display for InvalidRecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record id is 40 hexadecimal digits")
    }
}

impl std::error::Error for InvalidRecordId {}

impl FromStr for RecordId {
    type Err = InvalidRecordId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidRecordId);
        }
        let mut id = [0; 20];
        for (byte, pair) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| InvalidRecordId)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| InvalidRecordId)?;
        }
        Ok(Self(id))
    }
}

/// The unguessable token of one execution. Only the holder of the token may renew, complete or release.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner(pub [u8; 16]);

impl fmt::Debug for Owner {
    /// Shows four digits only: enough to distinguish two owners in a log, too few to act as one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// The version of a stored record. Every write makes a new one, so that comparing revisions compares the
/// whole record.
///
/// The first revision comes from the owner's random token instead of the number one. A record that was
/// released and claimed again must not look like the one that a slow writer still remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// Returns the first revision of a record that `owner` creates.
    #[must_use]
    pub fn first(owner: Owner) -> Self {
        let mut seed = [0; 8];
        seed.copy_from_slice(&owner.0[..8]);
        Self(u64::from_be_bytes(seed))
    }

    /// Returns a first revision for the same owner's repeated claim. Both claims can reach the store, the
    /// late one after the record of the other is gone again. The two records must not look the same either.
    #[must_use]
    pub fn for_repeated_claim(self) -> Self {
        Self(self.0 ^ 1 << 63)
    }

    /// Returns the revision after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_operation_cannot_run_into_each_other() {
        let key = |text: &str| Key::parse(text.as_bytes()).expect("valid key");
        let anonymous = Scope::anonymous();
        let ids = [
            RecordId::of("a", &anonymous, &key("bc")),
            RecordId::of("ab", &anonymous, &key("c")),
            RecordId::of("a", &Scope::of([("authorization", [&b"b"[..]])]), &key("c")),
        ];
        assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2]);
    }

    #[test]
    fn an_id_survives_being_printed() {
        let id = RecordId::of("ns", &Scope::anonymous(), &Key::parse(b"k").expect("valid key"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("zz".parse::<RecordId>(), Err(InvalidRecordId));
        assert_eq!("+f".repeat(20).parse::<RecordId>(), Err(InvalidRecordId));
    }

    /// Marker rows written by an earlier version must still be found.
    #[test]
    fn the_id_of_an_operation_never_changes() {
        let scope = Scope::of([("authorization", [&b"Bearer t"[..]])]);
        let id = RecordId::of("create-charge", &scope, &Key::parse(b"k-1").expect("valid key"));
        assert_eq!(id.to_string(), "1729da5396184af3057999b2d4aa5c8b04e22bce");
    }
}
