//! Standard output of the commands that print for people.
//!
//! A reader that stops early (`| head`) is not a failure: further output is discarded, and the command ends
//! with its usual exit code. Any other failure, such as a full disk, is an error.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Standard output, as long as it has a reader.
#[derive(Debug)]
pub struct Output(io::Stdout);

impl Output {
    /// Returns the standard output of this process.
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
/// [`io::Error`] if standard output fails although it has a reader.
pub fn print(text: fmt::Arguments<'_>) -> io::Result<()> {
    let mut output = Output::new();
    output.write_fmt(text)?;
    output.flush()
}

/// Returns the exit code of a command that prints as its last step.
pub fn printed(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(format_args!("oncegate: standard output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints why a command failed. A failure of standard error is ignored.
pub fn print_error(text: fmt::Arguments<'_>) {
    drop(writeln!(io::stderr(), "{text}"));
}
