//! Rules for the keys that seal kept requests.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::secret_variable::{self, SecretVariable};
use crate::config::SealKey;
use crate::config::environment::Environment;
use crate::config::file;
use crate::config::mistakes::KeyCursor;

/// Base64 with or without `=` at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Longest name of a key, in characters.
const LONGEST_ID: usize = 32;

/// Checks all keys, in the order of the file.
pub fn keys(at: &KeyCursor<'_>, files: &[file::Seal], environment: &Environment) -> Option<Vec<SealKey>> {
    let mut found: Vec<Option<SealKey>> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let at = at.item(index);
        let id = at.key("id");
        let unique = !files[..index].iter().any(|earlier| earlier.id.is_some() && earlier.id == file.id);
        let name = id
            .require(file.id.as_deref(), "a name for the key, like \"2026-11\"")
            .and_then(|text| self::id(&id, text))
            .and_then(
                |name| if unique { Some(name) } else { id.refuse("is the name of an earlier key, too") },
            );
        let key = key(&at.key("env"), file.env.as_deref(), environment);
        found.push(name.zip(key).map(|(id, key)| SealKey { id, key }));
    }
    found.into_iter().collect()
}

fn id(at: &KeyCursor<'_>, text: &str) -> Option<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || text.len() > LONGEST_ID || !text.chars().all(fits) {
        // The text may be the key itself, written in place of its name.
        return at.refuse(format!(
            "is not the name of a key; allowed: 1 to {LONGEST_ID} letters, digits, - _ and ."
        ));
    }
    Some(text.to_owned())
}

/// Reads a key from the environment.
fn key(at: &KeyCursor<'_>, variable: Option<&str>, environment: &Environment) -> Option<[u8; 32]> {
    let variable =
        at.require(variable, "the environment variable that holds the key, like \"ONCEGATE_SEAL\"")?;
    let SecretVariable { value, named } = secret_variable::read(at, variable, "key", environment)?;
    let bytes = BASE64.decode(value.trim()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).or_else(|| {
        at.refuse(format!(
            "{named} does not hold a key; it must hold 32 bytes in base64, as `openssl rand -base64 32` prints \
             them"
        ))
    })
}
