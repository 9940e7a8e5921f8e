//! Log lines on standard error, for people or for machines.
//!
//! The configured level is that of Oncegate's own events. Dependencies are heard from warnings
//! upwards. The audit log of operators' changes is written whatever the level: who asks for less
//! noise does not ask for fewer traces of who declared a payment not executed.

use std::io::{self, IsTerminal};
use std::time::Duration;

use tracing::{Dispatch, Level, dispatcher};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::config::{Log, LogFormat};

/// The target of audit log lines.
pub const AUDIT: &str = "oncegate::audit";

/// Sends log lines to standard error from now on; coloured only where that is a terminal. Does
/// nothing in a process that has a log already.
pub fn init(log: &Log) {
    let dispatch = dispatch(log, io::stderr, io::stderr().is_terminal());
    if dispatcher::set_global_default(dispatch).is_err() {
        tracing::debug!("the log was set up before");
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
