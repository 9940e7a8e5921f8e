//! Named points at which a test stops a gateway to kill it. Release builds contain none of them.
//!
//! With `ONCEGATE_FAILPOINT=after-claim` in the environment, a task that reaches that point says
//! so on standard error and goes no further; the test that reads the line sends the kill. With
//! `ONCEGATE_FAILPOINT=panic-after-claim` it panics there. With `ONCEGATE_FAILPOINT=stop-after-claim` the
//! first task at that point stops the whole process with SIGSTOP; after SIGCONT it goes on.

/// Stops here if the test asked for it. Expands to nothing in a release build.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::failpoint::reached($name).await;
    };
}

pub(crate) use failpoint;

/// Waits for ever if `name` is the point at which this process was told to stop.
#[cfg(debug_assertions)]
pub(crate) async fn reached(name: &str) {
    let Ok(wanted) = std::env::var("ONCEGATE_FAILPOINT") else { return };
    assert_ne!(wanted.strip_prefix("panic-"), Some(name), "a failpoint that panics");
    if wanted.strip_prefix("stop-") == Some(name) {
        stop(name);
    }
    if wanted == name {
        say(name);
        std::future::pending().await
    }
}

/// Writes the line that a test waits for, at once: the log writes to standard error, too.
#[cfg(debug_assertions)]
fn say(name: &str) {
    use std::io::Write;

    let line = format!("failpoint {name}\n");
    // Without a reader, no test waits.
    drop(std::io::stderr().write_all(line.as_bytes()));
}

/// Stops this process until it gets SIGCONT. Only the first call does.
#[cfg(debug_assertions)]
fn stop(name: &str) {
    use std::sync::atomic::{AtomicBool, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    static STOPPED: AtomicBool = AtomicBool::new(false);
    if !STOPPED.swap(true, Ordering::Relaxed) {
        say(name);
        // A process may always send itself a signal.
        let _ = kill_process(getpid(), Signal::STOP);
        // Another thread may be the one that takes the signal, a moment later.
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
