//! Standard output of the commands that print for people.
//!
//! A reader that has seen enough (`| head`) is no mistake: what is printed after that goes nowhere, and the
//! command ends as it would have. Any other failure, such as a full disk, is an error.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Standard output for as long as somebody reads it.
#[derive(Debug)]
pub struct Output(io::Stdout);

impl Output {
    /// That of this process.
    #[must_use]
    pub fn new() -> Self {
        Self(io::stdout())
    }
}

impl Default for Output {
    fn default() -> Self {
        Self::new()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while_read(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        while_read(self.0.flush(), ())
    }
}

fn while_read<T>(result: io::Result<T>, gone: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(gone),
        result => result,
    }
}

/// Prints the whole of `text`.
///
/// # Errors
/// Standard output does not take it, though there is a reader.
pub fn print(text: fmt::Arguments<'_>) -> io::Result<()> {
    let mut output = Output::new();
    output.write_fmt(text)?;
    output.flush()
}

/// The exit code of a command whose last step was to print.
pub fn printed(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("oncegate: standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Says why a command failed; a standard error that takes nothing changes nothing.
pub fn complain(text: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr(), "{text}"));
}
