//! Record ids that are shortened to their first digits.
//!
//! A store lists records in the order of their ids, so the records with the same first digits stand in one
//! place of the list. Redis keeps no such order and scans a part of its records instead.

use http::StatusCode;

use crate::protocol::{Record, RecordId};
use crate::store::{Filter, Ledger};

use super::problem::AdminProblem;

/// Least number of digits of a shortened id.
pub(super) const LEAST_DIGITS: usize = 6;

/// Number of digits of a whole id.
const DIGITS: usize = 40;

/// Number of ids that an answer names, if several records begin with the same digits.
const MOST_NAMED: usize = 5;

/// The first digits of an id.
pub(super) struct ShortId {
    digits: String,
    first: RecordId,
    last: RecordId,
}

impl ShortId {
    /// Reads the first digits of an id. Returns `None` if there are fewer than [`LEAST_DIGITS`] or all of
    /// them, or if the text has other characters.
    pub(super) fn read(text: &str) -> Option<Self> {
        if !(LEAST_DIGITS..DIGITS).contains(&text.len()) {
            return None;
        }
        let first = format!("{text:0<DIGITS$}").parse().ok()?;
        let last = format!("{text:f<DIGITS$}").parse().ok()?;
        Some(Self { digits: text.to_ascii_lowercase(), first, last })
    }

    /// Returns the id of the only record that begins with these digits.
    ///
    /// # Errors
    /// "Not found" if no record does, "conflict" if several do, and the errors of the store.
    pub(super) async fn find(&self, ledger: &Ledger) -> Result<RecordId, AdminProblem> {
        match self.matching(ledger).await?.as_slice() {
            [id] => Ok(*id),
            [] => Err(AdminProblem::http(
                StatusCode::NOT_FOUND,
                format!("no record has an id that begins with {}; its time may be over", self.digits),
            )),
            several => Err(AdminProblem::http(StatusCode::CONFLICT, self.ambiguous(several))),
        }
    }

    fn ambiguous(&self, several: &[RecordId]) -> String {
        let named: Vec<_> = several.iter().take(MOST_NAMED).map(ToString::to_string).collect();
        let rest = if several.len() > MOST_NAMED { ", and more" } else { "" };
        format!(
            "several records have an id that begins with {}: {}{rest}; give more digits",
            self.digits,
            named.join(", ")
        )
    }

    /// Returns the ids that begin with these digits, but at most one more than an answer names.
    async fn matching(&self, ledger: &Ledger) -> Result<Vec<RecordId>, AdminProblem> {
        let mut ids = Vec::new();
        let mut filter = Filter { after: before(self.first), ..Filter::default() };
        while ids.len() <= MOST_NAMED {
            let page = ledger.page(filter.clone(), MOST_NAMED + 1 - ids.len()).await?;
            let is_shown =
                |(id, record): &(RecordId, Record)| *id <= self.last && record.at(page.now).is_some();
            ids.extend(page.records.iter().filter(|found| is_shown(found)).map(|(id, _)| *id));
            match page.next.filter(|next| *next < self.last) {
                Some(next) => filter.after = Some(next),
                None => break,
            }
        }
        Ok(ids)
    }
}

/// Returns the id right before `id`, or `None` if `id` is the first of all.
fn before(id: RecordId) -> Option<RecordId> {
    let mut bytes = *id.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (less, is_borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !is_borrowed {
            return RecordId::from_bytes(&bytes);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> RecordId {
        text.parse().expect("an id")
    }

    #[test]
    fn the_first_digits_span_the_ids_that_begin_with_them() {
        let short = ShortId::read("1729DA5").expect("seven digits");
        assert_eq!(short.first, id("1729da5000000000000000000000000000000000"));
        assert_eq!(short.last, id("1729da5fffffffffffffffffffffffffffffffff"));
        for text in ["", "1729d", "1729dg", "+1729d", "1729dé", &"0".repeat(40), &"0".repeat(41)] {
            assert!(ShortId::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_id_before_another_is_the_next_smaller_number() {
        let zero = id(&"0".repeat(40));
        assert_eq!(before(zero), None);
        assert_eq!(
            before(id("1729da0000000000000000000000000000000000")),
            Some(id(&format!("1729d9{}", "f".repeat(34))))
        );
        assert_eq!(before(id(&format!("{}1", "0".repeat(39)))), Some(zero));
    }
}
