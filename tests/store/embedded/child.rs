//! Real second processes: this test binary again, with one ignored test as its main function.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

const DIR: &str = "ONCEGATE_TEST_DIR";
/// The prefix that separates a child's reports from the output of the test harness.
const REPORT: &str = "report ";

/// A child that is killed together with its parent.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts the ignored test `main` on `dir`.
    pub fn start(main: &str, dir: &Path, environment: &[(&str, &Path)]) -> Self {
        let binary = std::env::current_exe().expect("this binary");
        let mut child = Command::new(binary)
            .args(["--exact", main, "--ignored", "--nocapture", "--test-threads=1"])
            .env(DIR, dir)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a second process");
        let output = child.stdout.take().expect("its output");
        Self { child, lines: BufReader::new(output).lines() }
    }

    /// Returns the next report, or `None` once the child has ended.
    pub fn report(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next()?.expect("lines");
            if let Some((_, report)) = line.split_once(REPORT) {
                return Some(report.to_owned());
            }
        }
    }

    /// Returns the remaining reports and the exit status.
    pub fn finish(mut self) -> (Vec<String>, ExitStatus) {
        let reports = std::iter::from_fn(|| self.report()).collect();
        (reports, self.child.wait().expect("an end"))
    }

    /// Kills the child with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("a process that can be killed");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The child may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns, in the child, the directory on which it was started.
pub fn dir() -> PathBuf {
    std::env::var_os(DIR).expect("started by another test").into()
}

/// Reports, in the child, one whole line.
pub fn report(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{REPORT}{line}\n").as_bytes()).expect("a reader");
    out.flush().expect("a reader");
}
