//! Detection of lost data: a server was restarted without an append-only file, or emptied.
//!
//! A mark in Redis remembers which run of the server held the data and when that run was last seen. Every
//! gateway remembers the same for itself. A server with another run that started after the data was last seen
//! was restarted. Without an append-only file it may have come back with old data or with none. A server with
//! another run that was already up at that time is a replica that was promoted: the data that a failover may
//! lose is not noticed here. A mark that a gateway has seen and that is gone was lost with everything else.
//!
//! A bucket was emptied if its own mark is not the known one (`marks`). The claim that meets the bucket finds
//! that out.
//!
//! One loss cannot be noticed: a restart that left nothing, with no gateway alive to remember. Such a server
//! looks like a new one.
//!
//! The mark keeps the moment of the loss. Every gateway refuses claims until one ttl after that moment, or
//! until an operator removes it (`HDEL …:run lost`).

use redis::aio::MultiplexedConnection;
use redis::cmd;

use crate::clock::Timestamp;

use super::failure::Failure;
use super::server::Server;

/// The run of a server that was seen with the data, and the time at which it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SeenRun {
    run: String,
    at: Timestamp,
}

impl SeenRun {
    /// Returns the run of `server`, seen now.
    pub(super) fn now(server: &Server) -> Self {
        Self { run: server.run.clone(), at: server.now }
    }

    fn was_restarted(&self, server: &Server) -> bool {
        self.run != server.run && server.started > self.at
    }
}

/// The mark as Redis keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RunMark {
    seen: Option<SeenRun>,
    lost: Option<Timestamp>,
}

impl RunMark {
    /// Returns when the server lost data, if it did. `remembered` is the run that this process saw last.
    /// `unmarked` is true if a bucket's mark is not the one that this process knew at that time.
    pub(super) fn lost(
        &self,
        server: &Server,
        remembered: Option<&SeenRun>,
        unmarked: bool,
    ) -> Option<Timestamp> {
        let restarted = [self.seen.as_ref(), remembered].into_iter().flatten();
        let restarted = !server.appends && restarted.into_iter().any(|seen| seen.was_restarted(server));
        let emptied = self.seen.is_none() && remembered.is_some();
        // Another gateway may have noticed the loss and written it down already.
        let told = self.lost.is_some_and(|lost| remembered.is_some_and(|seen| seen.at <= lost));
        let now = match () {
            () if restarted => Some(server.started),
            () if emptied || (unmarked && !told) => Some(server.now),
            () => None,
        };
        self.lost.max(now)
    }

    /// Reads the mark at `key`.
    pub(super) async fn read(connection: &mut MultiplexedConnection, key: &str) -> Result<Self, Failure> {
        let (run, at, lost): (Option<String>, Option<u64>, Option<u64>) =
            cmd("HMGET").arg(key).arg(&["run", "seen", "lost"]).query_async(connection).await?;
        let seen = run.zip(at).map(|(run, at)| SeenRun { run, at: Timestamp(at) });
        Ok(Self { seen, lost: lost.map(Timestamp) })
    }

    /// Writes the run that was seen, and a loss that the mark does not contain yet.
    pub(super) async fn write(
        &self,
        connection: &mut MultiplexedConnection,
        key: &str,
        seen: &SeenRun,
        lost: Option<Timestamp>,
    ) -> Result<(), Failure> {
        let mut command = cmd("HSET");
        command.arg(key).arg("run").arg(&seen.run).arg("seen").arg(seen.at.0);
        if let Some(lost) = lost.filter(|_| lost != self.lost) {
            command.arg("lost").arg(lost.0);
        }
        Ok(command.exec_async(connection).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(run: &str, at: u64) -> SeenRun {
        SeenRun { run: run.into(), at: Timestamp(at) }
    }

    fn lost(
        mark: Option<SeenRun>,
        remembered: Option<SeenRun>,
        server: &str,
        started: u64,
        aof: bool,
        unmarked: bool,
    ) -> Option<u64> {
        let info = format!("run_id:{server}\naof_enabled:{}\nuptime_in_seconds:0\n", u8::from(aof));
        let mut server = Server::of_info(&info, Timestamp(1_000));
        server.started = Timestamp(started);
        RunMark { seen: mark, lost: None }.lost(&server, remembered.as_ref(), unmarked).map(|lost| lost.0)
    }

    #[test]
    fn a_loss_is_told_from_a_start_a_failover_and_a_restart_that_kept_everything() {
        let (a, b) = (Some(seen("a", 500)), Some(seen("b", 500)));
        for (what, found, expected) in [
            ("a new store", lost(None, None, "a", 400, false, false), None),
            ("nothing happened", lost(a.clone(), a.clone(), "a", 400, false, false), None),
            ("restarted with old data", lost(a.clone(), None, "b", 600, false, false), Some(600)),
            ("restarted, as a gateway knows", lost(b, a.clone(), "b", 600, false, false), Some(600)),
            ("restarted empty", lost(None, a.clone(), "b", 600, false, false), Some(600)),
            ("restarted with a log", lost(a.clone(), a.clone(), "b", 600, true, false), None),
            ("a replica was promoted", lost(a.clone(), a.clone(), "b", 100, false, false), None),
            ("flushed", lost(None, a.clone(), "a", 400, true, false), Some(1_000)),
            ("one bucket of it", lost(a.clone(), a.clone(), "a", 400, true, true), Some(1_000)),
        ] {
            assert_eq!(found, expected, "{what}");
        }
    }

    #[test]
    fn a_loss_that_is_written_down_stays_until_it_is_removed() {
        let server = Server::of_info("run_id:b\naof_enabled:1\n", Timestamp(1_000));
        let mark = RunMark { seen: Some(SeenRun::now(&server)), lost: Some(Timestamp(600)) };
        assert_eq!(mark.lost(&server, None, false), Some(Timestamp(600)));
        // First the same loss, found by another gateway that saw the server last before it; then a further
        // loss.
        let before = SeenRun { run: "b".into(), at: Timestamp(500) };
        assert_eq!(mark.lost(&server, Some(&before), true), Some(Timestamp(600)));
        let after = SeenRun { run: "b".into(), at: Timestamp(700) };
        assert_eq!(mark.lost(&server, Some(&after), true), Some(Timestamp(1_000)));
        let removed = RunMark { lost: None, ..mark };
        assert_eq!(removed.lost(&server, Some(&SeenRun::now(&server)), false), None);
    }
}
