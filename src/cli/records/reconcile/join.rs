//! The lines of each operation beside its record. Both come in the order of ids.

use std::io;
use std::iter::Peekable;

use super::known::Known;
use super::sorter::LineRef;
use crate::protocol::RecordId;

/// Number of lines of one operation that are kept.
const MOST_LINES: usize = 20;

/// The lines of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) id: RecordId,
    /// The lines by execution and number: the first [`MOST_LINES`] of them.
    pub(super) lines: Vec<LineRef>,
    /// Number of all lines.
    pub(super) count: u64,
    /// Number of the lines that name their operation by a key.
    pub(super) by_key: u64,
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
pub(super) struct Join<E: Iterator<Item = io::Result<LineRef>>> {
    lines: Peekable<E>,
}

impl<E: Iterator<Item = io::Result<LineRef>>> Join<E> {
    /// Begins at the first of the sorted lines.
    pub(super) fn new(lines: E) -> Self {
        Self { lines: lines.peekable() }
    }

    /// Goes on to a record. Tells `each` the operations before it, which have lines only, and then the record
    /// with its lines. Records come in the order of their ids.
    ///
    /// # Errors
    /// The errors of the sorted lines and of `each`.
    pub(super) fn advance<F: From<io::Error>>(
        &mut self,
        record: &Known,
        each: &mut impl FnMut(&Operation<'_>) -> Result<(), F>,
    ) -> Result<(), F> {
        while let Some(group) = self.group_if(|id| id < record.id)? {
            each(&Operation { record: None, lines: Some(group) })?;
        }
        let lines = self.group_if(|id| id == record.id)?;
        each(&Operation { record: Some(record), lines })
    }

    /// Tells `each` the operations behind the last record.
    ///
    /// # Errors
    /// The errors of the sorted lines and of `each`.
    pub(super) fn finish<F: From<io::Error>>(
        &mut self,
        each: &mut impl FnMut(&Operation<'_>) -> Result<(), F>,
    ) -> Result<(), F> {
        while let Some(group) = self.group_if(|_| true)? {
            each(&Operation { record: None, lines: Some(group) })?;
        }
        Ok(())
    }

    fn group_if(&mut self, fits: impl Fn(RecordId) -> bool) -> io::Result<Option<Group>> {
        let Some(first) = self.take_if(&fits)? else { return Ok(None) };
        let LineRef { id, execution, .. } = first;
        let by_key = u64::from(execution == 0);
        let mut group = Group { id, lines: vec![first], count: 1, by_key, execution };
        while let Some(line) = self.take_if(|id| id == first.id)? {
            group.count += 1;
            group.by_key += u64::from(line.execution == 0);
            group.execution = group.execution.max(line.execution);
            if group.lines.len() < MOST_LINES {
                group.lines.push(line);
            }
        }
        Ok(Some(group))
    }

    fn take_if(&mut self, fits: impl Fn(RecordId) -> bool) -> io::Result<Option<LineRef>> {
        self.lines.next_if(|line| line.as_ref().map_or(true, |line| fits(line.id))).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::known::Stage;
    use super::*;
    use crate::clock::Timestamp;

    /// The execution and the number of each line.
    type Lines = Vec<(u32, u64)>;
    /// An operation as both ways of joining show it.
    type Shown = (RecordId, Option<u32>, Lines);

    fn id(number: u8) -> RecordId {
        RecordId::from_bytes(&[number; 20]).expect("20 bytes")
    }

    fn line_ref((number, execution, line): (u8, u32, u64)) -> LineRef {
        LineRef { id: id(number), execution, line, offset: 0, has_response: false }
    }

    fn record((number, execution): (&u8, &u32)) -> Known {
        Known {
            id: id(*number),
            route: "pay".into(),
            state: Stage::Unknown,
            execution: *execution,
            status: None,
            executed: None,
            created_at: Timestamp(0),
            updated_at: Timestamp(0),
            quiet_at: None,
            labels: BTreeMap::default(),
        }
    }

    fn joined(records: &[Known], mut lines: Vec<LineRef>) -> Vec<Shown> {
        lines.sort_unstable();
        let mut shown = Vec::new();
        let mut each = |operation: &Operation<'_>| {
            let lines = operation.lines.as_ref();
            let id = lines.map(|group| group.id).or(operation.record.map(|record| record.id));
            let of_lines = |group: &Group| {
                assert_eq!(group.count, group.lines.len() as u64);
                let by_key = group.lines.iter().filter(|line| line.execution == 0).count() as u64;
                assert_eq!(group.by_key, by_key);
                assert_eq!(Some(group.execution), group.lines.iter().map(|line| line.execution).max());
                group.lines.iter().map(|line| (line.execution, line.line)).collect()
            };
            shown.push((
                id.expect("an operation has one of both"),
                operation.record.map(|record| record.execution),
                lines.map(of_lines).unwrap_or_default(),
            ));
            Ok::<(), io::Error>(())
        };
        let mut join = Join::new(lines.into_iter().map(Ok));
        for record in records {
            join.advance(record, &mut each).expect("no line fails");
        }
        join.finish(&mut each).expect("no line fails");
        shown
    }

    fn naive(records: &[Known], lines: &[LineRef]) -> Vec<Shown> {
        let mut all: BTreeMap<RecordId, (Option<u32>, Lines)> = BTreeMap::new();
        for record in records {
            all.entry(record.id).or_default().0 = Some(record.execution);
        }
        for line in lines {
            all.entry(line.id).or_default().1.push((line.execution, line.line));
        }
        let sorted = |(id, (record, mut lines)): (RecordId, (Option<u32>, Vec<_>))| {
            lines.sort_unstable();
            (id, record, lines)
        };
        all.into_iter().map(sorted).collect()
    }

    proptest! {
        #[test]
        fn a_join_finds_what_a_map_finds(
            records in prop::collection::btree_map(0_u8..40, 1_u32..4, 0..40),
            lines in prop::collection::vec((0_u8..40, 0_u32..4), 0..60),
        ) {
            let records: Vec<_> = records.iter().map(record).collect();
            let numbered = (1..).zip(lines).map(|(line, (id, execution))| line_ref((id, execution, line)));
            let lines: Vec<_> = numbered.collect();
            prop_assume!(naive(&records, &lines).iter().all(|(_, _, lines)| lines.len() <= MOST_LINES));
            let expected = naive(&records, &lines);
            prop_assert_eq!(joined(&records, lines), expected);
        }
    }

    #[test]
    fn many_lines_of_one_operation_are_counted_and_not_kept() {
        let lines = (1..=1000).map(|line| Ok(line_ref((1, 2, line))));
        let mut found = Vec::new();
        let mut each = |operation: &Operation<'_>| {
            found.push(operation.lines.clone().expect("it has lines"));
            Ok::<(), io::Error>(())
        };
        Join::new(lines).finish(&mut each).expect("no line fails");
        let [group] = found.as_slice() else { panic!("one operation: {found:?}") };
        assert_eq!((group.count, group.lines.len()), (1000, MOST_LINES));
    }
}
