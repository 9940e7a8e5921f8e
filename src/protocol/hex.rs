//! Hexadecimal digits.

/// Writes the lower-case hexadecimal digits of `bytes` into `digits`, which they fill exactly.
///
/// # Panics
/// Panics unless `digits` has exactly two places for each byte.
pub fn encode<'d>(bytes: &[u8], digits: &'d mut [u8]) -> &'d str {
    write(bytes, digits);
    str::from_utf8(digits).expect("digits are ASCII")
}

/// Writes the digits as [`encode`] does, without a look at them as text.
///
/// # Panics
/// Panics unless `digits` has exactly two places for each byte.
pub fn write(bytes: &[u8], digits: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    assert_eq!(digits.len(), 2 * bytes.len(), "two digits a byte");
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_two_digits() {
        assert_eq!(encode(&[0x00, 0x0f, 0xa5, 0xff], &mut [0; 8]), "000fa5ff");
        assert_eq!(encode(&[], &mut []), "");
    }
}
