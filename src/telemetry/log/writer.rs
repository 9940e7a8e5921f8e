//! The thread that writes log lines.
//!
//! Only this thread waits for the reader of the lines. Lines that cannot be written (the reader went away,
//! the disk is full) are counted as dropped. A line that was written in part is finished before the next one,
//! so that a reader sees whole lines only.

use std::io::{ErrorKind, Write};
use std::thread::sleep;
use std::time::Duration;

use super::queue::Queue;

/// The maximum number of bytes written at once, except for a longer line. A pipe takes this many as a whole,
/// so that lines of two processes on one pipe do not mix (`PIPE_BUF`).
const MAX_PORTION: usize = 4096;
/// The time for which lines gather before they are written. Waking this thread costs more than writing a
/// line.
const GATHER_TIME: Duration = Duration::from_millis(5);
/// The wait before retrying a descriptor that another process has made non-blocking.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// A writer of the lines of a queue to `out`.
pub(super) struct Writer<W> {
    out: W,
    /// The rest of a line that was written in part.
    rest: Vec<u8>,
    /// Number of lines that could not be written, since the number was last taken.
    lost: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, rest: Vec::new(), lost: 0 }
    }

    /// Writes lines for ever. `lost` is called with the number of lines that could not be written. `resumed`
    /// is called with the number of missing lines, once a later line has been written.
    pub(super) fn run(mut self, queue: &Queue, lost: impl Fn(u64), resumed: impl Fn(u64)) -> ! {
        let (mut lines, mut missing) = (Vec::new(), 0);
        loop {
            missing += queue.take(&mut lines, GATHER_TIME);
            let written = self.write(&lines);
            lines.clear();
            let unwritten = std::mem::take(&mut self.lost);
            if unwritten > 0 {
                lost(unwritten);
                missing += unwritten;
            }
            if written && missing > 0 {
                resumed(std::mem::take(&mut missing));
            }
        }
    }

    /// Writes whole lines. Returns whether the last of them was written.
    fn write(&mut self, mut lines: &[u8]) -> bool {
        let mut lost = 0;
        while !lines.is_empty() {
            let (some, others) = lines.split_at(portion(lines));
            lost = self.write_portion(some);
            self.lost += lost;
            lines = others;
        }
        lost == 0
    }

    /// Writes lines up to the first that is refused. Returns how many are lost. A line that was begun is not
    /// lost: its rest is written before any other line.
    fn write_portion(&mut self, lines: &[u8]) -> u64 {
        let rest = std::mem::take(&mut self.rest);
        let done = self.write_until_refused(&rest);
        if done < rest.len() {
            self.rest = rest[done..].to_vec();
            return count(lines);
        }
        let (written, unwritten) = lines.split_at(self.write_until_refused(lines));
        let is_begun = written.last().is_some_and(|byte| *byte != b'\n');
        let (rest, lost) = unwritten.split_at(if is_begun { first_line(unwritten) } else { 0 });
        self.rest = rest.to_vec();
        count(lost)
    }

    fn write_until_refused(&mut self, bytes: &[u8]) -> usize {
        let mut done = 0;
        while done < bytes.len() {
            match self.out.write(&bytes[done..]) {
                Ok(0) => break,
                Ok(some) => done += some,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(RETRY_PAUSE),
                Err(_) => break,
            }
        }
        done
    }
}

/// Returns how many bytes of these lines to write at once: whole lines, and at least one.
fn portion(lines: &[u8]) -> usize {
    if lines.len() <= MAX_PORTION {
        return lines.len();
    }
    memchr::memrchr(b'\n', &lines[..MAX_PORTION]).map_or_else(|| first_line(lines), |last| last + 1)
}

fn first_line(lines: &[u8]) -> usize {
    memchr::memchr(b'\n', lines).map_or(lines.len(), |end| end + 1)
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;

    use super::*;

    /// A descriptor that takes a scripted number of bytes in each call, or refuses.
    #[derive(Default)]
    struct Scripted {
        takes: VecDeque<Result<usize, ErrorKind>>,
        text: String,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let some = self.takes.pop_front().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
            self.text.push_str(std::str::from_utf8(&bytes[..some]).expect("text"));
            Ok(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer(takes: impl IntoIterator<Item = Result<usize, ErrorKind>>) -> Writer<Scripted> {
        Writer::new(Scripted { takes: takes.into_iter().collect(), ..Scripted::default() })
    }

    #[test]
    fn a_line_that_was_begun_is_finished_before_the_next() {
        let mut writer = writer([Ok(6), Err(ErrorKind::StorageFull), Err(ErrorKind::StorageFull), Ok(1)]);
        assert!(!writer.write(b"one\ntwo\nthree\n"));
        assert_eq!((writer.out.text.as_str(), writer.lost), ("one\ntw", 1));
        assert!(!writer.write(b"four\n"));
        assert_eq!((writer.out.text.as_str(), writer.lost), ("one\ntw", 2));
        assert!(writer.write(b"five\n"));
        assert_eq!((writer.out.text.as_str(), writer.lost), ("one\ntwo\nfive\n", 2));
    }

    #[test]
    fn a_refusal_between_two_lines_loses_whole_ones() {
        let mut writer = writer([Ok(4), Err(ErrorKind::BrokenPipe)]);
        assert!(!writer.write(b"one\ntwo\nthree\n"));
        assert_eq!((writer.out.text.as_str(), writer.lost), ("one\n", 2));
        assert!(writer.write(b"four\n"));
        assert_eq!(writer.out.text, "one\nfour\n");
    }

    #[test]
    fn lines_that_are_only_delayed_are_not_lost() {
        let mut writer = writer([Ok(2), Err(ErrorKind::WouldBlock), Err(ErrorKind::Interrupted), Ok(3)]);
        assert!(writer.write(b"one\ntwo\n"));
        assert_eq!((writer.out.text.as_str(), writer.lost), ("one\ntwo\n", 0));
    }

    #[test]
    fn much_is_written_in_portions_of_whole_lines() {
        let line = format!("{}\n", "x".repeat(1499));
        assert_eq!(portion(line.repeat(2).as_bytes()), 3000);
        assert_eq!(portion(line.repeat(3).as_bytes()), 3000);
        let long = format!("{}\n", "x".repeat(9999));
        assert_eq!(portion(long.repeat(2).as_bytes()), 10_000);
    }
}
