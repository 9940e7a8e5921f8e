//! The voice of the demo: chapters, what was seen in them, and whether that is what it must be.

use std::cell::Cell;
use std::fmt::Debug;
use std::io::IsTerminal;
use std::process::ExitCode;

use crate::cli::output::{self, complain};
use crate::cli::page::fill;

const WIDTH: usize = 80;
/// Where the text of a row starts.
const COLUMN: usize = 19;

/// Prints for people and counts what is not as it must be.
pub(super) struct Narrator {
    colour: bool,
    chapter: usize,
    mistakes: usize,
    unprinted: Cell<bool>,
}

impl Narrator {
    /// Coloured only on a terminal whose user does not object (`NO_COLOR`).
    pub(super) fn on_stdout() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour, chapter: 0, mistakes: 0, unprinted: Cell::default() }
    }

    /// A new chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        let title = format!("{}. {title}", self.chapter);
        self.print(&format!("\n{}\n", if self.colour { format!("\x1b[1m{title}\x1b[0m") } else { title }));
    }

    /// A paragraph.
    pub(super) fn say(&self, text: &str) {
        self.print(&fill("", text, WIDTH));
    }

    /// Something that happened.
    pub(super) fn row(&self, label: &str, text: &str) {
        self.print(&fill(&format!("  {label:<width$}", width = COLUMN - 2), text, WIDTH));
    }

    /// Text as it is. What cannot be printed is complained of once, and is no success.
    pub(super) fn print(&self, text: &str) {
        if let Err(error) = output::print(format_args!("{text}"))
            && !self.unprinted.replace(true)
        {
            complain(format_args!("oncegate: standard output: {error}"));
        }
    }

    /// Says so if what was seen is not what it must be.
    pub(super) fn check<T: Debug + PartialEq>(&mut self, what: &str, seen: &T, wanted: &T) {
        if seen != wanted {
            self.mistakes += 1;
            self.row("NOT AS IT MUST BE", &format!("{what} is {seen:?} instead of {wanted:?}"));
        }
    }

    /// The end, and the exit code that goes with it.
    pub(super) fn verdict(&self) -> ExitCode {
        if self.mistakes > 0 {
            self.print(&format!("\n{} of the above is not as it must be.\n", self.mistakes));
        }
        if self.mistakes == 0 && !self.unprinted.get() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_total_fails_the_demo() {
        let mut narrator = Narrator { colour: false, chapter: 0, mistakes: 0, unprinted: Cell::default() };
        narrator.check("the total", &1, &1);
        assert_eq!(narrator.verdict(), ExitCode::SUCCESS);
        narrator.check("the total", &2, &1);
        assert_eq!(narrator.verdict(), ExitCode::FAILURE);
    }
}
