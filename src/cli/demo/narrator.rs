//! The output of the demo: chapters, their results, and whether the results are as expected.

use std::cell::Cell;
use std::fmt::Debug;
use std::io::IsTerminal;
use std::process::ExitCode;

use crate::cli::output::{self, print_error};
use crate::cli::page::fill;

const WIDTH: usize = 80;
/// Column in which the text of a row starts.
const COLUMN: usize = 19;

/// A printer for people that counts unexpected results.
pub(super) struct Narrator {
    colour: bool,
    chapter: usize,
    mistakes: usize,
    output_failed: Cell<bool>,
}

impl Narrator {
    /// Prints to standard output, in colour only on a terminal and unless the user objects (`NO_COLOR`).
    pub(super) fn on_stdout() -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colour, chapter: 0, mistakes: 0, output_failed: Cell::default() }
    }

    /// Begins a new chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        let title = format!("{}. {title}", self.chapter);
        self.print(&format!("\n{}\n", if self.colour { format!("\x1b[1m{title}\x1b[0m") } else { title }));
    }

    /// Prints a paragraph.
    pub(super) fn say(&self, text: &str) {
        self.print(&fill("", text, WIDTH));
    }

    /// Prints an event as a label and a text.
    pub(super) fn row(&self, label: &str, text: &str) {
        self.print(&fill(&format!("  {label:<width$}", width = COLUMN - 2), text, WIDTH));
    }

    /// Prints text unchanged. If standard output fails, that is reported once, and the demo does not succeed.
    pub(super) fn print(&self, text: &str) {
        if let Err(error) = output::print(format_args!("{text}"))
            && !self.output_failed.replace(true)
        {
            print_error(format_args!("oncegate: standard output: {error}"));
        }
    }

    /// Prints a mistake if `actual` is not `expected`, and counts it.
    pub(super) fn check<T: Debug + PartialEq>(&mut self, what: &str, actual: &T, expected: &T) {
        if actual != expected {
            self.mistakes += 1;
            self.row("NOT AS IT MUST BE", &format!("{what} is {actual:?} instead of {expected:?}"));
        }
    }

    /// Prints the number of mistakes, if any, and returns the exit code.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.mistakes > 0 {
            self.print(&format!("\n{} of the above is not as it must be.\n", self.mistakes));
        }
        if self.mistakes == 0 && !self.output_failed.get() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wrong_total_fails_the_demo() {
        let mut narrator =
            Narrator { colour: false, chapter: 0, mistakes: 0, output_failed: Cell::default() };
        narrator.check("the total", &1, &1);
        assert_eq!(narrator.exit_code(), ExitCode::SUCCESS);
        narrator.check("the total", &2, &1);
        assert_eq!(narrator.exit_code(), ExitCode::FAILURE);
    }
}
