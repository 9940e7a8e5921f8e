//! Sealing: encryption of what the store keeps for a while and nothing but a gateway may read.
//!
//! A sealed text is AES-256-GCM-SIV (RFC 8452) under a key of the operator's. It is bound to its purpose, to
//! the record it belongs to, and to the name of its key, so that a text that was moved to another record does
//! not open. The layout is the length of the key's name in one byte, the name, a nonce of 12 random bytes,
//! and the encrypted text with its tag.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::random;

/// The keys that seal and open. The first one seals.
pub struct Sealer {
    keys: Vec<(String, LessSafeKey)>,
}

impl fmt::Debug for Sealer {
    /// Prints the names of the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

impl Sealer {
    /// Returns a sealer with these keys and their names. The names have 1 to 255 bytes. Returns `None`
    /// without a key.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = (String, [u8; 32])>) -> Option<Self> {
        let unbound = |key: &[u8; 32]| UnboundKey::new(&AES_256_GCM_SIV, key).expect("a key of 32 bytes");
        let keys: Vec<_> = keys.into_iter().map(|(id, key)| (id, LessSafeKey::new(unbound(&key)))).collect();
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// Seals `text` for `purpose` and the record with the bytes `record`.
    #[must_use]
    pub fn seal(&self, purpose: &str, record: &[u8], text: &[u8]) -> Vec<u8> {
        let (id, key) = &self.keys[0];
        let nonce: [u8; NONCE_LEN] = random::bytes();
        let mut sealed =
            Vec::with_capacity(1 + id.len() + NONCE_LEN + text.len() + AES_256_GCM_SIV.tag_len());
        sealed.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
        sealed.extend(&id.as_bytes()[..id.len().min(usize::from(u8::MAX))]);
        sealed.extend(nonce);
        let mut encrypted = text.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context(purpose, record, id)),
            &mut encrypted,
        )
        .expect("a text far below the limit of 64 GiB");
        sealed.append(&mut encrypted);
        sealed
    }

    /// Opens a text that was sealed for the same purpose and record. Returns `None` if the key is not known
    /// here, or if the text was changed or belongs elsewhere.
    #[must_use]
    pub fn open(&self, purpose: &str, record: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let (&length, rest) = sealed.split_first()?;
        let (id, rest) = rest.split_at_checked(usize::from(length))?;
        let (nonce, encrypted) = rest.split_first_chunk::<NONCE_LEN>()?;
        let (id, key) = self.keys.iter().find(|(known, _)| known.as_bytes() == id)?;
        let mut text = encrypted.to_vec();
        let context = Aad::from(context(purpose, record, id));
        let opened = key.open_in_place(Nonce::assume_unique_for_key(*nonce), context, &mut text).ok()?.len();
        text.truncate(opened);
        Some(text)
    }
}

/// Returns the data that a sealed text is bound to: its parts, each with its length.
fn context(purpose: &str, record: &[u8], key_id: &str) -> Vec<u8> {
    let mut context = Vec::new();
    for part in [purpose.as_bytes(), record, key_id.as_bytes()] {
        context.extend((part.len() as u64).to_be_bytes());
        context.extend(part);
    }
    context
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(keys: &[(&str, u8)]) -> Sealer {
        Sealer::new(keys.iter().map(|(id, byte)| ((*id).to_owned(), [*byte; 32]))).expect("a key")
    }

    #[test]
    fn a_sealed_text_opens_under_any_of_the_keys_and_shows_nothing() {
        let (old, new) = (sealer(&[("old", 1)]), sealer(&[("new", 2), ("old", 1)]));
        let text = b"authorization: Bearer secret";
        let sealed = old.seal("kept", b"record", text);
        assert_eq!(new.open("kept", b"record", &sealed).as_deref(), Some(&text[..]));
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_ne!(sealed, old.seal("kept", b"record", text), "a nonce of its own");
        assert_eq!(old.open("kept", b"record", &new.seal("kept", b"record", text)), None, "an unknown key");
        assert_eq!(format!("{new:?}"), r#"["new", "old"]"#);
    }

    #[test]
    fn a_text_that_was_moved_or_changed_does_not_open() {
        let sealer = sealer(&[("k", 7)]);
        let sealed = sealer.seal("kept", b"record", b"text");
        assert_eq!(sealer.open("other", b"record", &sealed), None);
        assert_eq!(sealer.open("kept", b"other", &sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open("kept", b"record", &changed), None, "byte {at}");
            assert_eq!(sealer.open("kept", b"record", &sealed[..at]), None, "{at} bytes");
        }
    }

    #[test]
    fn without_a_key_there_is_no_sealer() {
        assert!(Sealer::new([]).is_none());
    }
}
