//! Callgrind, which counts the instructions of a server's own code.
//!
//! The processor that Callgrind simulates has no instructions for SHA-256, so a server hashes with some
//! twenty times as many other instructions as on a real one. Therefore they are counted apart. The kernel's
//! instructions are not counted.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

/// Debian's package of the programs.
pub const PACKAGE: &str = "valgrind";
const CONTROL: &str = "callgrind_control";
/// Parts of the names of functions that hash, in Rust and in OpenSSL.
const HASHES: [&str; 2] = ["sha2", "sha256_block"];

/// Tells whether the programs are installed.
pub fn is_installed() -> bool {
    [PACKAGE, CONTROL].iter().all(|program| {
        let known =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        known.is_ok()
    })
}

/// Returns the command that runs a program and counts.
pub fn command(program: &OsStr) -> Command {
    let mut command = Command::new(PACKAGE);
    command.args(["--tool=callgrind", "--quiet", "--fair-sched=try"]);
    command.args(["--compress-strings=no", "--compress-pos=no"]);
    command.arg(format!("--callgrind-out-file={}", file("%p"))).arg(program);
    command
}

/// Numbers of instructions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Instructions {
    pub all: u64,
    /// The part that computes SHA-256.
    pub hashing: u64,
}

/// A reader of the counts of one process.
pub struct Counter {
    pid: u32,
    /// Number of counts written so far, which is part of their files' names.
    written: u32,
}

impl Counter {
    pub fn of(pid: u32) -> Self {
        Self { pid, written: 0 }
    }

    /// Returns the instructions since the reading before, and counts from zero again.
    pub fn read(&mut self) -> Instructions {
        let output = Command::new(CONTROL).arg("--dump").arg(self.pid.to_string()).output();
        let output = output.expect("an installed program");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.written += 1;
        let path = format!("{}.{}", file(&self.pid.to_string()), self.written);
        let text = fs::read_to_string(&path).expect("a count");
        fs::remove_file(&path).expect("a count");
        parse(&text)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // Callgrind makes the file of the last count when it starts.
        drop(fs::remove_file(file(&self.pid.to_string())));
    }
}

fn file(pid: &str) -> String {
    format!("{}/callgrind.{pid}", env!("CARGO_TARGET_TMPDIR"))
}

/// Reads a count. Lines of a function's own cost follow its name, and each line after `calls=` has the cost
/// of the called function.
fn parse(text: &str) -> Instructions {
    let (mut counted, mut hashes, mut called) = (Instructions::default(), false, false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("fn=") {
            hashes = HASHES.iter().any(|part| name.contains(part));
        } else if line.starts_with("calls=") {
            called = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) && !std::mem::take(&mut called) {
            let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
            counted.all += cost;
            counted.hashing += if hashes { cost } else { 0 };
        }
    }
    counted
}
