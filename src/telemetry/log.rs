//! Log lines on standard error, for people or for machines.
//!
//! The configured level is that of Oncegate's own events. Dependencies are heard from warnings
//! upwards. The audit log of operators' changes is written whatever the level: who asks for less
//! noise does not ask for fewer traces of who declared a payment not executed.
//!
//! A request never waits for its line. Lines go through a bounded queue to a thread of their own; while
//! nothing reads standard error and the queue is full, lines are dropped and counted. Lines of the
//! gateway's start and end, and of the audit log, still find room where others do not, and the end of the
//! process waits a moment for what is left. A kill takes ordinary lines of the last few milliseconds
//! with it; the others are written at once.

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
/// The target of what the log says about itself.
const LOG: &str = "oncegate::log";
/// The target of panics, and the beginning of those of a start and an end.
const LIFE: &str = "oncegate::app";

/// How many bytes may wait when an ordinary line is added, when a warning is, and when a line is that must
/// not be lost.
const ROOM: usize = 256 << 10;
const WARNING_ROOM: usize = ROOM + (128 << 10);
const KEPT_ROOM: usize = WARNING_ROOM + (256 << 10);
/// How long the end of the process waits for what is left to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The process has one standard error, and so one queue for it.
static QUEUE: Queue = Queue::new();
static STARTED: AtomicBool = AtomicBool::new(false);
static DROPPED: LazyLock<Counter> = LazyLock::new(Counter::default);

/// Sends log lines to standard error from now on, panics among them; coloured only where that is a
/// terminal. Does nothing in a process that has a log already.
///
/// # Errors
/// The system gives no thread, or no second descriptor of standard error.
pub fn init(log: &Log) -> io::Result<()> {
    if STARTED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    // Not the handle of the library: whoever used that would wait behind this thread.
    let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
    let dispatch = dispatch(log, Lines, io::stderr().is_terminal());
    thread::Builder::new().name("log".into()).spawn(|| Writer::new(out).run(&QUEUE, count, resumed))?;
    if dispatcher::set_global_default(dispatch).is_ok() {
        panic::set_hook(Box::new(panicked));
    }
    Ok(())
}

/// Says something on standard error that is no event: why the process ends. Where there is a log, in
/// its turn.
pub fn say(text: &str) {
    let line = format!("{text}\n");
    if !STARTED.load(Ordering::Relaxed) {
        // There is no other place to complain.
        drop(io::stderr().write_all(line.as_bytes()));
    } else if !QUEUE.add(line.as_bytes(), KEPT_ROOM, true) {
        count(1);
    }
}

/// The lines that were dropped in this process.
pub(super) fn dropped() -> Counter {
    DROPPED.clone()
}

/// Waits, when it is dropped, until all lines are written, but for no more than a second. Of use as the
/// first value of a function that ends the process: then a panic's line is written, too.
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

/// A time for a log line: milliseconds with three decimals.
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

/// Where events go that are formatted: each whole line in one call.
struct Lines;

/// A line's way into the queue.
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
            target if target == AUDIT || target.starts_with(LIFE) => KEPT_ROOM,
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
    tracing::warn!(target: LOG, dropped, "log lines were dropped, for standard error did not take them");
}

fn panicked(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let at = panic.location().map(tracing::field::display);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    let why = panic.payload_as_str().unwrap_or("no text");
    tracing::error!(target: LIFE, thread, at, backtrace, "panicked: {why}");
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What a process with this configuration would write for one event of each kind.
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
