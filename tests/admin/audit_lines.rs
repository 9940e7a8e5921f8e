//! Reading of the audit log.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::Value;
use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

/// A second subscriber. With a single one, `tracing` asks the subscriber of the thread that first reaches a
/// line whether the line is wanted, and keeps that answer for all threads. A test without a subscriber would
/// turn off the lines of the test that captures them.
static SECOND: LazyLock<Dispatch> =
    LazyLock::new(|| Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish()));

/// Makes sure that each thread can capture its lines. Each world does this before its first line.
pub fn prepare() {
    LazyLock::force(&SECOND);
}

/// The audit lines that this thread writes. The listener of a test runs on the thread of that test.
#[derive(Clone, Default)]
pub struct AuditLines(Arc<Mutex<Vec<u8>>>);

impl AuditLines {
    pub fn capture() -> (Self, DefaultGuard) {
        prepare();
        let lines = Self::default();
        let into = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || into.clone()).finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    pub fn read(&self) -> Vec<Value> {
        let written = self.0.lock().expect("no test panics here").clone();
        let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_slice::<Value>(line).expect("a JSON line"));
        lines.filter(|line| line["target"] == "oncegate::audit").collect()
    }
}

impl io::Write for AuditLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no test panics here").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
