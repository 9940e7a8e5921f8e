//! Work on files, which may be on a disk that hangs.
//!
//! A read of such a disk cannot be cancelled: its thread stays until the disk answers. Therefore each piece
//! of work is waited for within a bound, and the next piece begins only when the one before it has ended.
//! Otherwise such threads would pile up.

use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// Longest time that a piece of work is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The work on files of one task.
pub(super) struct FileWork {
    patience: Duration,
    /// Work that was begun and has not ended.
    running: Mutex<Option<JoinHandle<()>>>,
}

/// The reason why work has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoResult {
    /// The work, or the one before it, goes on.
    Hangs,
    /// A mistake in this program.
    Panicked,
}

impl Default for FileWork {
    fn default() -> Self {
        Self { patience: PATIENCE, running: Mutex::default() }
    }
}

impl FileWork {
    /// Does `work` on a thread for blocking work, and returns its result.
    ///
    /// # Errors
    /// [`NoResult`] if the work panics, or does not end in time.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoResult> {
        let done = async {
            let mut running = self.running.lock().await;
            if let Some(earlier) = running.as_mut() {
                // The result of the earlier work is too old, and its panic is in the log.
                drop(earlier.await);
                *running = None;
            }
            let (give, result) = oneshot::channel();
            *running = Some(spawn_blocking(move || drop(give.send(work()))));
            let result = result.await.map_err(|_| NoResult::Panicked);
            *running = None;
            result
        };
        timeout(self.patience, done).await.unwrap_or(Err(NoResult::Hangs))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn work_that_hangs_is_not_waited_for_and_no_other_begins_meanwhile() {
        let mut files = FileWork { patience: Duration::ZERO, ..FileWork::default() };
        let (go_on, hangs) = channel::<()>();
        let (tell, told) = channel();
        let hanging = files.run(move || hangs.recv().is_ok()).await;
        assert_eq!(hanging, Err(NoResult::Hangs));
        for _ in 0..3 {
            let tell = tell.clone();
            assert_eq!(files.run(move || tell.send("too early").is_ok()).await, Err(NoResult::Hangs));
        }
        drop(go_on);
        files.patience = Duration::from_secs(60);
        assert_eq!(files.run(move || tell.send("in time").is_ok()).await, Ok(true));
        assert_eq!(told.try_iter().collect::<Vec<_>>(), ["in time"]);
    }

    #[tokio::test]
    async fn work_that_panics_keeps_no_other_from_beginning() {
        let files = FileWork::default();
        assert_eq!(files.run(|| panic!("a test")).await, Err::<(), _>(NoResult::Panicked));
        assert_eq!(files.run(|| 1).await, Ok(1));
    }
}
