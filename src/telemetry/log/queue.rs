//! The queue of lines for the thread that writes them.
//!
//! Adding a line never waits for a reader. The line is copied into one buffer that all threads share, or
//! counted as dropped if it does not fit. The limit on the buffer depends on the line, so that lines that
//! must not be lost still fit when ordinary lines no longer do.

use std::mem;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Capacity, in bytes, above which an emptied buffer is given back to the allocator.
const MAX_KEPT_CAPACITY: usize = 64 << 10;

/// A bounded queue of whole lines.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Debug)]
struct State {
    lines: Vec<u8>,
    /// Number of lines dropped since lines were last taken.
    dropped: u64,
    /// The kind of line that wakes the writer. No other line does.
    woken_by: WokenBy,
    /// True if a queued line should be written at once.
    urgent: bool,
    /// True while lines are taken and not written yet.
    writes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WokenBy {
    Nothing,
    Urgent,
    Any,
}

impl Queue {
    pub(super) const fn new() -> Self {
        let state =
            State { lines: Vec::new(), dropped: 0, woken_by: WokenBy::Nothing, urgent: false, writes: false };
        Self { state: Mutex::new(state), filled: Condvar::new(), emptied: Condvar::new() }
    }

    /// Adds a line, including its line feed, unless the queue would then hold more than `room` bytes. Returns
    /// whether the line was added. An urgent line also hurries the lines before it.
    pub(super) fn add(&self, line: &[u8], room: usize, urgent: bool) -> bool {
        let mut state = self.state.lock();
        if state.lines.len() + line.len() > room {
            state.dropped += 1;
            return false;
        }
        state.lines.extend_from_slice(line);
        state.urgent |= urgent;
        let wake = state.woken_by == WokenBy::Any || urgent && state.woken_by == WokenBy::Urgent;
        if wake {
            state.woken_by = WokenBy::Nothing;
        }
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        true
    }

    /// Waits for a line, lets others gather for `gather` unless one is urgent, and moves them to the empty
    /// buffer `taken`. Returns how many lines were dropped since the last call. Only the writing thread calls
    /// this, and each call reports the lines of the previous one as written.
    pub(super) fn take(&self, taken: &mut Vec<u8>, gather: Duration) -> u64 {
        if taken.capacity() > MAX_KEPT_CAPACITY {
            *taken = Vec::new();
        }
        let mut state = self.state.lock();
        state.writes = false;
        while state.lines.is_empty() {
            self.emptied.notify_all();
            state.woken_by = WokenBy::Any;
            self.filled.wait(&mut state);
        }
        state.woken_by = WokenBy::Urgent;
        let gathers = |state: &mut State| !state.urgent;
        self.filled.wait_while_for(&mut state, gathers, gather);
        (state.woken_by, state.urgent, state.writes) = (WokenBy::Nothing, false, true);
        mem::swap(&mut state.lines, taken);
        mem::take(&mut state.dropped)
    }

    /// Waits until all lines are written, but at most for `longest`.
    pub(super) fn written(&self, longest: Duration) {
        let pending = |state: &mut State| state.writes || !state.lines.is_empty();
        let mut state = self.state.lock();
        state.urgent = true;
        self.filled.notify_one();
        self.emptied.wait_while_for(&mut state, pending, longest);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn lines_that_do_not_fit_are_counted_and_lines_of_more_room_still_fit() {
        let queue = Queue::new();
        assert!(queue.add(b"one\n", 8, false));
        assert!(queue.add(b"two\n", 8, false));
        assert!(!queue.add(b"three\n", 8, false));
        assert!(queue.add(b"four\n", 16, false));
        let mut taken = Vec::new();
        assert_eq!(queue.take(&mut taken, Duration::ZERO), 1);
        assert_eq!(taken, b"one\ntwo\nfour\n");
        taken.clear();
        assert!(queue.add(b"five\n", 8, false));
        assert_eq!(queue.take(&mut taken, Duration::ZERO), 0);
        assert_eq!(taken, b"five\n");
    }

    #[test]
    fn waiting_for_the_end_is_bounded_and_over_once_all_is_written() {
        let queue = Queue::new();
        assert!(queue.add(b"one\n", 8, false));
        let begin = Instant::now();
        queue.written(Duration::from_millis(20));
        assert!(begin.elapsed() >= Duration::from_millis(20));
        thread::scope(|threads| {
            threads.spawn(|| {
                let mut taken = Vec::new();
                queue.take(&mut taken, Duration::ZERO);
                taken.clear();
                queue.take(&mut taken, Duration::ZERO);
            });
            queue.written(Duration::from_secs(30));
            assert!(begin.elapsed() < Duration::from_secs(30));
            queue.add(b"end\n", 8, false);
        });
    }

    #[test]
    fn lines_gather_until_one_is_urgent() {
        const LONG: Duration = Duration::from_secs(30);
        let queue = Queue::new();
        let begin = Instant::now();
        thread::scope(|threads| {
            let taking = threads.spawn(|| {
                let mut taken = Vec::new();
                queue.take(&mut taken, LONG);
                taken
            });
            queue.add(b"one\n", 80, false);
            queue.add(b"two\n", 80, false);
            queue.add(b"now\n", 80, true);
            assert_eq!(taking.join().expect("it does not panic"), b"one\ntwo\nnow\n");
        });
        assert!(begin.elapsed() < LONG);
        queue.add(b"one\n", 80, false);
        queue.take(&mut Vec::new(), Duration::from_millis(20));
        assert!(begin.elapsed() >= Duration::from_millis(20));
    }
}
