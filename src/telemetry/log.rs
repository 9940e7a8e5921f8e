//! Log lines on standard error, for people or for machines.
//!
//! The configured level applies to Oncegate's own events. Dependencies log warnings and errors at most. The
//! audit log of operators' changes is written at every level: less noise must not mean fewer traces of which
//! operator declared a payment not executed.
//!
//! A request never waits for its line. Lines go through a bounded queue to a thread of their own. While
//! standard error is not read and the queue is full, lines are dropped and counted. Lines about the gateway's
//! start and end, and lines of the audit log, still find room where others do not. The end of the process
//! waits a moment for the remaining lines. A kill loses ordinary lines of the last few milliseconds. The
//! others are written at once.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic::{self, PanicHookInfo};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing::{Dispatch, Level, Metadata, dispatcher};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::config::{Log, LogFormat};

use self::queue::Queue;
use self::writer::Writer;

mod queue;
mod writer;

/// The target of audit log lines.
pub const AUDIT: &str = "oncegate::audit";
/// The target of the log's events about itself.
const LOG: &str = "oncegate::log";
/// The target of panics, and the prefix of the targets of start and end events.
const LIFECYCLE: &str = "oncegate::app";

/// Number of bytes that may be queued when an ordinary line is added. The next two constants are for
/// warnings, and for lines that must not be lost.
const ROOM: usize = 256 << 10;
const WARNING_ROOM: usize = ROOM + (128 << 10);
const KEPT_ROOM: usize = WARNING_ROOM + (256 << 10);
/// The longest wait at the end of the process for the remaining lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The queue for standard error. A process has one of each.
static QUEUE: Queue = Queue::new();
static STARTED: AtomicBool = AtomicBool::new(false);
static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Sends log lines and panics to standard error from now on, in colour only if it is a terminal. Does nothing
/// in a process that already has a log.
///
/// # Errors
/// The system provides no thread, or no second descriptor of standard error.
pub fn init(log: &Log) -> io::Result<()> {
    if STARTED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    // The standard library's handle has a lock: its other users would wait behind this thread.
    let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let dispatch = dispatch(log, Lines, io::stderr().is_terminal());
    thread::Builder::new().name("log".into()).spawn(|| Writer::new(out).run(&QUEUE, count, resumed))?;
    if dispatcher::set_global_default(dispatch).is_ok() {
        panic::set_hook(Box::new(panicked));
    }
    Ok(())
}

/// Prints a text on standard error that is no event, such as the reason why the process ends. If there is a
/// log, the text is queued behind the lines before it.
pub fn say(text: &str) {
    let line = format!("{text}\n");
    if !STARTED.load(Ordering::Relaxed) {
        // A failure cannot be reported anywhere else.
        drop(io::stderr().write_all(line.as_bytes()));
    } else if !QUEUE.add(line.as_bytes(), KEPT_ROOM, true) {
        count(1);
    }
}

/// Returns the counter of lines dropped in this process.
pub(super) fn dropped() -> Counter {
    DROPPED.clone()
}

/// A guard that waits on drop until all lines are written, but at most a second. Create it as the first value
/// of a function that ends the process, so that a panic's line is written as well.
#[derive(Debug)]
#[must_use = "lines are waited for when this is dropped"]
pub struct LastLines;

impl Drop for LastLines {
    fn drop(&mut self) {
        if STARTED.load(Ordering::Relaxed) {
            QUEUE.written(LAST_LINES);
        }
    }
}

/// Converts a time for a log line to milliseconds with three decimals.
#[must_use]
pub fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn dispatch<W>(log: &Log, writer: W, ansi: bool) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(ansi);
    match log.format {
        LogFormat::Text => registry().with(lines.with_filter(levels(log.level))).into(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            registry().with(lines.with_filter(levels(log.level))).into()
        }
    }
}

fn levels(own: Level) -> Targets {
    Targets::new()
        .with_default(own.min(Level::WARN))
        .with_target("oncegate", own)
        .with_target(AUDIT, own.max(Level::INFO))
        .with_target(LOG, own.max(Level::WARN))
}

/// The writer of formatted events. Each whole line arrives in one call.
struct Lines;

/// A writer that adds a line to the queue.
struct Line {
    room: usize,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { room: ROOM }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Line {
        let room = match about.target() {
            target if target == AUDIT || target.starts_with(LIFECYCLE) => KEPT_ROOM,
            _ if *about.level() <= Level::WARN => WARNING_ROOM,
            _ => ROOM,
        };
        Line { room }
    }
}

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !QUEUE.add(line, self.room, self.room > ROOM) {
            count(1);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn count(lines: u64) {
    DROPPED.inc_by(lines);
}

fn resumed(dropped: u64) {
    tracing::warn!(target: LOG, dropped, "log lines were dropped, because standard error did not take them");
}

fn panicked(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let at = panic.location().map(tracing::field::display);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let why = panic.payload_as_str().unwrap_or("no text");
    tracing::error!(target: LIFECYCLE, thread, at, backtrace, "panicked: {why}");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Returns the output of a process with this configuration, for one event of each kind.
    fn written(log: Log) -> String {
        #[derive(Clone, Default)]
        struct Lines(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Lines {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                self.0.lock().expect("no test panics here").write(line)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let lines = Lines::default();
        let into = lines.clone();
        dispatcher::with_default(&dispatch(&log, move || into.clone(), false), || {
            tracing::info!(target: "oncegate::gateway", status = 201, "own info");
            tracing::debug!(target: "oncegate::gateway", "own debug");
            tracing::info!(target: "hyper", "foreign info");
            tracing::warn!(target: "hyper", "foreign warning");
            tracing::info!(target: AUDIT, "audit");
        });
        let bytes = lines.0.lock().expect("no test panics here").clone();
        String::from_utf8(bytes).expect("log lines are text")
    }

    #[test]
    fn the_level_is_that_of_our_own_events() {
        let text = written(Log { format: LogFormat::Text, level: Level::INFO });
        assert!(text.contains("own info") && text.contains("foreign warning"), "{text}");
        assert!(!text.contains("own debug") && !text.contains("foreign info"), "{text}");
        assert!(!text.contains('\u{1b}'), "colours although this is no terminal: {text}");
    }

    #[test]
    fn the_audit_log_is_written_at_any_level() {
        let text = written(Log { format: LogFormat::Text, level: Level::ERROR });
        assert!(text.contains("audit"), "{text}");
        assert!(!text.contains("own info") && !text.contains("foreign warning"), "{text}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = written(Log { format: LogFormat::Json, level: Level::DEBUG });
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0]["message"], "own info");
        assert_eq!(lines[0]["status"], 201);
        assert_eq!(lines[0]["target"], "oncegate::gateway");
    }
}
