//! A process of the demo, which ends with its value.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::ChildStderr;

use crate::cli::output::print_error;

/// A process that does not outlive this value.
pub(super) struct Process {
    child: Child,
    name: &'static str,
    ends_by: Signal,
}

impl Process {
    /// Starts a process with `name` for messages. The signal `ends_by` ends it. Returns also its standard
    /// error.
    pub(super) fn spawn(
        mut command: Command,
        name: &'static str,
        ends_by: Signal,
    ) -> io::Result<(Self, ChildStderr)> {
        // The process gets its own group: Ctrl-C at the terminal goes to the demo, which then ends the
        // process.
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stderr.take();
        let process = Self { child, name, ends_by };
        let output = output.ok_or_else(|| io::Error::other(format!("{name} has no standard error")))?;
        Ok((process, ChildStderr::from_std(output)?))
    }

    /// Returns the id of the process.
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends the process. Afterwards the process, its locks and its ports are gone.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_none() {
            kill_process(Pid::from_child(&self.child), self.ends_by)?;
        }
        self.child.wait().map(drop)
    }

    /// Waits for the end of a process that ends by itself. Returns true if it succeeded.
    #[cfg(feature = "postgres")]
    pub(super) fn succeeded(&mut self) -> io::Result<bool> {
        self.child.wait().map(|status| status.success())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            print_error(format_args!(
                "oncegate: {} (process {}) could not be ended: {error}",
                self.name,
                self.child.id()
            ));
        }
    }
}
