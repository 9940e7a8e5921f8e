//! The progress bar, on standard error if that is a terminal.

use std::io;

use indicatif::{ProgressBar, ProgressStyle};

use crate::protocol::RecordId;

/// Length of the bar while records are read: they come in the order of their ids, which are spread evenly.
const ID_SPACE: u64 = 1 << 16;

/// A bar for one step after the other.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Creates a bar that is not shown yet.
    pub(super) fn new() -> Self {
        let bar = ProgressBar::no_length();
        let style = ProgressStyle::with_template("{msg} {wide_bar} {percent}% {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    /// Begins a step of this length.
    pub(super) fn step(&self, name: &'static str, length: u64) {
        self.0.reset();
        self.0.set_length(length);
        self.0.set_message(name);
    }

    /// Begins the step that reads records.
    pub(super) fn records(&self) {
        self.step("reading records", ID_SPACE);
    }

    /// Moves the bar to a position of the step.
    pub(super) fn at(&self, position: u64) {
        self.0.set_position(position);
    }

    /// Moves the bar to a record.
    pub(super) fn at_record(&self, id: RecordId) {
        let [high, low, ..] = *id.as_bytes();
        self.at(u16::from_be_bytes([high, low]).into());
    }

    /// Prints something while the bar is out of the way.
    pub(super) fn aside<T>(&self, print: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.0.suspend(print)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
