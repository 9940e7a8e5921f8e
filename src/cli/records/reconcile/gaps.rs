//! The reasons why the absence of a line proves nothing.

use super::facts::{Applied, LedgerFacts};
use super::judge::Tally;

/// The gaps of a ledger. With any of them, the line of an operation can be another one than it seems, or can
/// be absent although the operation was executed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gaps(pub(super) Vec<String>);

impl Gaps {
    /// Returns the gaps that show before anything is applied. `missing` is the number of missing operations.
    pub(super) fn of(ledger: &LedgerFacts, tally: &Tally, missing: u64) -> Self {
        let strange = tally.lines_without_record + tally.lines_of_other_routes;
        let mut gaps = Vec::new();
        for (count, name) in [
            (missing, "missing"),
            (ledger.unnamed, "lines unnamed"),
            (tally.key_lines_unmatched, "lines by key unmatched"),
        ] {
            if count > 0 {
                gaps.push(format!("{count} {name}"));
            }
        }
        if ledger.lines == ledger.unnamed + strange {
            gaps.push("no line of any record".into());
        }
        Self(gaps)
    }

    /// Adds the gap that showed while decisions were applied. Returns true if there was one.
    pub(super) fn add(&mut self, applied: &Applied) -> bool {
        if applied.contradicted > 0 {
            self.0.push(format!("{} executed by the upstream's marker", applied.contradicted));
        }
        applied.contradicted > 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
