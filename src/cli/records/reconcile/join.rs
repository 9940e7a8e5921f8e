//! The lines of each operation beside its record. Both come in the order of ids.

use std::io;
use std::iter::Peekable;

use super::known::Known;
use super::sorter::Entry;
use crate::protocol::RecordId;

/// Number of lines of one operation that are kept.
const MOST_LINES: usize = 20;

/// The lines of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) id: RecordId,
    /// The lines by execution and number: the first [`MOST_LINES`] of them.
    pub(super) lines: Vec<Entry>,
    /// Number of all lines.
    pub(super) count: u64,
    /// The highest execution of a line; 0 if no line says its execution.
    pub(super) execution: u32,
}

/// An operation with its lines, its record, or both.
#[derive(Clone, Debug)]
pub(super) struct Operation<'r> {
    pub(super) record: Option<&'r Known>,
    pub(super) lines: Option<Group>,
}

/// A walk through the sorted lines, in step with the records.
pub(super) struct Join<E: Iterator<Item = io::Result<Entry>>> {
    entries: Peekable<E>,
}

impl<E: Iterator<Item = io::Result<Entry>>> Join<E> {
    /// Begins at the first of the sorted entries.
    pub(super) fn new(entries: E) -> Self {
        Self { entries: entries.peekable() }
    }

    /// Returns the operations up to a record: first those that have lines only.
    ///
    /// # Errors
    /// The errors of the sorted entries.
    pub(super) fn next_before(&mut self, record: &Known) -> io::Result<Option<Group>> {
        self.group_if(|id| id < record.id)
    }

    /// Returns the lines of a record, after [`Join::next_before`] has returned `None`.
    ///
    /// # Errors
    /// The errors of the sorted entries.
    pub(super) fn of(&mut self, record: &Known) -> io::Result<Option<Group>> {
        self.group_if(|id| id == record.id)
    }

    /// Returns the next operation behind the last record.
    ///
    /// # Errors
    /// The errors of the sorted entries.
    pub(super) fn rest(&mut self) -> io::Result<Option<Group>> {
        self.group_if(|_| true)
    }

    fn group_if(&mut self, fits: impl Fn(RecordId) -> bool) -> io::Result<Option<Group>> {
        let Some(first) = self.take_if(&fits)? else { return Ok(None) };
        let mut group = Group { id: first.id, lines: vec![first], count: 1, execution: first.execution };
        while let Some(entry) = self.take_if(|id| id == first.id)? {
            group.count += 1;
            group.execution = group.execution.max(entry.execution);
            if group.lines.len() < MOST_LINES {
                group.lines.push(entry);
            }
        }
        Ok(Some(group))
    }

    fn take_if(&mut self, fits: impl Fn(RecordId) -> bool) -> io::Result<Option<Entry>> {
        self.entries.next_if(|entry| entry.as_ref().map_or(true, |entry| fits(entry.id))).transpose()
    }
}
