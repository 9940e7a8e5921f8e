//! The lines of a ledger in the order of their operations, in memory that does not depend on their number.
//!
//! Lines are sorted in runs. Each run is written to a temporary file, and the runs are merged at the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::line::Place;
use crate::protocol::RecordId;

/// Number of lines in a run.
const RUN: usize = 100_000;

/// Number of lines of one run that a merge reads at once.
const READ_AT_ONCE: u64 = 256;

/// A reference to a line: the part that the comparison with the records needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct LineRef {
    pub(super) id: RecordId,
    /// Number of the execution, or 0 if the line names its operation by a key.
    pub(super) execution: u32,
    /// Number of the line.
    pub(super) line: u64,
    /// Offset of the line in the file.
    pub(super) offset: u64,
    /// True if the line has a response.
    pub(super) has_response: bool,
}

impl LineRef {
    const SIZE: usize = 20 + 4 + 8 + 8 + 1;

    /// Makes the reference to a line of the operation `id`.
    pub(super) fn of(place: Place, id: RecordId, execution: u32) -> Self {
        let Place { number, offset, has_response } = place;
        Self { id, execution, line: number, offset, has_response }
    }

    fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..20].copy_from_slice(self.id.as_bytes());
        bytes[20..24].copy_from_slice(&self.execution.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.line.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.offset.to_le_bytes());
        bytes[40] = self.has_response.into();
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_at_checked(20)?;
        let (execution, rest) = rest.split_first_chunk()?;
        let (line, rest) = rest.split_first_chunk()?;
        let (offset, rest) = rest.split_first_chunk()?;
        Some(Self {
            id: RecordId::from_bytes(id)?,
            execution: u32::from_le_bytes(*execution),
            line: u64::from_le_bytes(*line),
            offset: u64::from_le_bytes(*offset),
            has_response: *rest.first()? != 0,
        })
    }
}

/// A sorter that takes lines in any order.
pub(super) struct Sorter {
    directory: PathBuf,
    run_length: usize,
    run: Vec<LineRef>,
    /// The temporary file, once a run was written.
    file: Option<BufWriter<File>>,
    /// Number of lines in the file behind each run.
    ends: Vec<u64>,
}

impl Sorter {
    /// Creates a sorter that writes its temporary file into `directory`. The file has no name there, so it is
    /// gone when the process ends.
    pub(super) fn new(directory: &Path) -> Self {
        Self::with_runs_of(RUN, directory)
    }

    fn with_runs_of(run_length: usize, directory: &Path) -> Self {
        Self { directory: directory.to_owned(), run_length, run: Vec::new(), file: None, ends: Vec::new() }
    }

    /// Takes a line.
    ///
    /// # Errors
    /// [`io::Error`] if the temporary file cannot be written.
    pub(super) fn push(&mut self, line: LineRef) -> io::Result<()> {
        self.run.push(line);
        match self.run.len() >= self.run_length {
            true => self.write_run(),
            false => Ok(()),
        }
    }

    /// Ends the input, and returns the lines in their order.
    ///
    /// # Errors
    /// [`io::Error`] if the temporary file cannot be written or read.
    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.write_run()?;
        let file = match self.file.take() {
            Some(file) => Some(file.into_inner().map_err(io::IntoInnerError::into_error)?),
            None => None,
        };
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let runs = starts.zip(&self.ends).map(|(next, end)| Run { next, end: *end, read: Vec::new() });
        let mut sorted = Sorted { file, runs: runs.collect(), heads: BinaryHeap::new() };
        for run in 0..sorted.runs.len() {
            sorted.advance(run)?;
        }
        Ok(sorted)
    }

    fn write_run(&mut self) -> io::Result<()> {
        if self.run.is_empty() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::new(tempfile::tempfile_in(&self.directory)?)),
        };
        self.run.sort_unstable();
        for line in &self.run {
            file.write_all(&line.encode())?;
        }
        self.ends.push(self.ends.last().copied().unwrap_or(0) + self.run.len() as u64);
        self.run.clear();
        Ok(())
    }
}

/// The lines in their order: by id, execution and line.
pub(super) struct Sorted {
    file: Option<File>,
    runs: Vec<Run>,
    /// The first line of each run that has any left, with the number of the run.
    heads: BinaryHeap<Reverse<(LineRef, usize)>>,
}

/// A sorted part of the file.
struct Run {
    /// Number of the next line in the file that is not read yet.
    next: u64,
    end: u64,
    /// Lines that were read, the last of them first.
    read: Vec<LineRef>,
}

impl Sorted {
    /// Puts the next line of a run among the first ones.
    fn advance(&mut self, number: usize) -> io::Result<()> {
        let run = &mut self.runs[number];
        if run.read.is_empty()
            && let Some(file) = &self.file
        {
            run.fill(file)?;
        }
        self.heads.extend(run.read.pop().map(|line| Reverse((line, number))));
        Ok(())
    }
}

impl Run {
    fn fill(&mut self, file: &File) -> io::Result<()> {
        let count = READ_AT_ONCE.min(self.end - self.next);
        let mut bytes = vec![0; count as usize * LineRef::SIZE];
        file.read_exact_at(&mut bytes, self.next * LineRef::SIZE as u64)?;
        self.next += count;
        self.read = bytes.chunks_exact(LineRef::SIZE).rev().filter_map(LineRef::decode).collect();
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = io::Result<LineRef>;

    fn next(&mut self) -> Option<io::Result<LineRef>> {
        let Reverse((line, run)) = self.heads.pop()?;
        Some(self.advance(run).map(|()| line))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line_ref(id: u8, execution: u32, line: u64) -> LineRef {
        let id = RecordId::from_bytes(&[id; 20]).expect("20 bytes");
        LineRef { id, execution, line, offset: line << 33, has_response: line.is_multiple_of(2) }
    }

    proptest! {
        #[test]
        fn tiny_runs_are_merged_into_one_order(
            lines in prop::collection::vec((any::<u8>(), any::<u32>(), any::<u32>()), 0..300),
            run_length in 1_usize..40,
        ) {
            let mut lines: Vec<_> =
                lines.into_iter().map(|(id, execution, line)| line_ref(id, execution, line.into())).collect();
            let mut sorter = Sorter::with_runs_of(run_length, &std::env::temp_dir());
            for line in &lines {
                sorter.push(*line).expect("a temporary file");
            }
            let sorted = sorter.finish().expect("a temporary file");
            let sorted: Vec<_> = sorted.map(|line| line.expect("a temporary file")).collect();
            lines.sort_unstable();
            prop_assert_eq!(sorted, lines);
        }
    }

    #[test]
    fn a_run_that_is_longer_than_one_read_comes_back_whole() {
        let mut sorter = Sorter::new(&std::env::temp_dir());
        let count = 3 * READ_AT_ONCE + 1;
        for line in (0..count).rev() {
            sorter.push(line_ref(7, 1, line)).expect("a temporary file");
        }
        let lines = sorter.finish().expect("a temporary file").map(|line| line.expect("a line").line);
        assert!(lines.eq(0..count));
    }
}
