//! Numbers that a double distinguishes from every other number.
//!
//! The canonical form of a number is the shortest one of the double that it is read as (RFC 8785, 3.2.2.3).
//! For a decimal with few digits and a small exponent, that is the decimal itself, because both steps are
//! then exact. Other numbers are converted through the double.

use std::ops::{Range, RangeInclusive};

/// Every decimal of up to 15 significant digits survives a double unchanged (IEEE 754).
const EXACT_DIGITS: usize = 15;
/// The powers of ten that the first significant digit may stand for. Within them, integers stay below 2^53,
/// and no digit is lost to underflow.
const EXACT_POWERS: RangeInclusive<i64> = -290..=14;
/// Powers of ten that are doubles. An integer below 2^53 is multiplied or divided by one of them with a
/// single, correct rounding.
const POWERS_OF_TEN: RangeInclusive<i64> = -22..=22;

/// The parts of a number as it is spelled.
struct NumberText<'t> {
    whole: &'t [u8],
    negative: bool,
    /// Digits, with at most one point among them.
    mantissa: &'t [u8],
    exponent: &'t [u8],
}

/// Reads the number at the start of `text` and writes its canonical form. Returns the length of the number as
/// it is spelled. Returns `None` if there is no number, or if a double might not distinguish it from its
/// neighbours.
pub(super) fn write_canonical(text: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let number = NumberText::at_start_of(text)?;
    number.write(out)?;
    Some(number.whole.len())
}

/// Returns the length of the number at the start of `text`, whether or not a double distinguishes it.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    NumberText::at_start_of(text).map(|number| number.whole.len())
}

impl<'t> NumberText<'t> {
    fn at_start_of(text: &'t [u8]) -> Option<Self> {
        let negative = text.first() == Some(&b'-');
        let from = usize::from(negative);
        let mut end = from + digits(&text[from..])?;
        if end > from + 1 && text[from] == b'0' {
            return None;
        }
        if text.get(end) == Some(&b'.') {
            end += 1 + digits(&text[end + 1..])?;
        }
        let mantissa = &text[from..end];
        let mut exponent: Range<usize> = end..end;
        if let Some(b'e' | b'E') = text.get(end) {
            let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
            exponent = end + 1..end + 1 + sign + digits(&text[end + 1 + sign..])?;
            end = exponent.end;
        }
        Some(Self { whole: &text[..end], negative, mantissa, exponent: &text[exponent] })
    }

    fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        let is_significant = |byte: &u8| matches!(byte, b'1'..=b'9');
        let Some(first) = self.mantissa.iter().position(is_significant) else {
            out.push(b'0');
            return Some(());
        };
        let point = self.mantissa.iter().position(|byte| *byte == b'.').unwrap_or(self.mantissa.len());
        if self.exponent.is_empty() && point == self.mantissa.len() && point <= EXACT_DIGITS {
            out.extend_from_slice(self.whole);
            return Some(());
        }
        let last = self.mantissa.iter().rposition(is_significant)?;
        let significant = last + 1 - first - usize::from((first..last).contains(&point));
        let exponent = match self.exponent {
            [] => 0,
            exponent => std::str::from_utf8(exponent).ok()?.parse::<i64>().ok()?,
        };
        let power = exponent.checked_add(point as i64 - first as i64 - i64::from(first < point))?;
        if significant > EXACT_DIGITS || !EXACT_POWERS.contains(&power) {
            return None;
        }
        let fraction = self.mantissa.len().saturating_sub(point + 1) as i64;
        let length = self.mantissa.len() - first;
        let by = exponent.checked_sub(fraction)?;
        let is_exact = length <= EXACT_DIGITS && POWERS_OF_TEN.contains(&by);
        if !is_exact {
            let double: f64 = serde_json::from_slice(self.whole).ok()?;
            // If the library reads a neighbour of the nearest double, the shortest form of that neighbour has
            // other digits.
            if std::str::from_utf8(self.whole).ok()?.parse() != Ok(double) {
                out.extend_from_slice(ryu_js::Buffer::new().format_finite(double).as_bytes());
                return Some(());
            }
        }
        let digits = self.mantissa[first..=last].iter().copied().filter(u8::is_ascii_digit);
        self.write_decimal(digits, significant, power, out);
        Some(())
    }

    /// Writes significant digits as ECMAScript does. The first digit stands for `power` (below 21).
    fn write_decimal(
        &self,
        mut digits: impl Iterator<Item = u8>,
        count: usize,
        power: i64,
        out: &mut Vec<u8>,
    ) {
        if self.negative {
            out.push(b'-');
        }
        if power < -6 {
            out.extend(digits.by_ref().take(1));
            if count > 1 {
                out.push(b'.');
                out.extend(digits);
            }
            out.extend_from_slice(b"e-");
            let power = power.unsigned_abs();
            let digits = [power / 100, power / 10 % 10, power % 10].map(|digit| b'0' + digit as u8);
            out.extend(digits.into_iter().skip_while(|digit| *digit == b'0'));
        } else if power < 0 {
            out.extend_from_slice(b"0.");
            out.resize(out.len() + (-1 - power) as usize, b'0');
            out.extend(digits);
        } else {
            let whole = power as usize + 1;
            out.extend(digits.by_ref().take(whole));
            if count > whole {
                out.push(b'.');
                out.extend(digits);
            } else {
                out.resize(out.len() + whole - count, b'0');
            }
        }
    }
}

/// Returns the number of digits that `text` starts with, or `None` if there are none.
fn digits(text: &[u8]) -> Option<usize> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (count > 0).then_some(count)
}
