//! Search for secrets in everything that gateways write.

/// Tells whether bytes contain a secret, as it is, in hexadecimal digits, or in base64.
pub fn contains(bytes: &[u8], secret: &str) -> bool {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let has = |text: &[u8]| memchr::memmem::find(bytes, text).is_some();
    has(secret.as_bytes()) || has(hex.as_bytes()) || (0..3).any(|shift| has(base64(secret, shift).as_bytes()))
}

/// Returns the digits of base64 that a secret has behind `shift` bytes of any value.
fn base64(secret: &str, shift: usize) -> String {
    use base64::Engine as _;

    let whole = [vec![0; shift], secret.as_bytes().to_vec()].concat();
    let digits = base64::prelude::BASE64_STANDARD_NO_PAD.encode(&whole);
    digits[(shift * 8).div_ceil(6)..whole.len() * 8 / 6].to_owned()
}
