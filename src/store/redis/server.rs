//! The description that a server gives of itself, and the decision whether records may be trusted to it.

use std::collections::HashMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{cmd, pipe};

use crate::clock::Timestamp;

use super::failure::Failure;

/// Largest difference between the uptime that a server reports and its real uptime: the server subtracts
/// whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// A server, as it described itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// Identifier of the run, new at each start of the process.
    pub(super) run: String,
    /// The server's clock.
    pub(super) now: Timestamp,
    /// Start of the server's process, or up to two seconds later, because the server reports whole seconds
    /// only.
    pub(super) started: Timestamp,
    /// True if the server writes an append-only file, and so finds its data again after a restart.
    pub(super) appends: bool,
    /// The memory in use and the limit, in bytes; a limit of zero means none.
    pub(super) memory: (u64, u64),
    role: String,
    loading: bool,
    policy: String,
    in_cluster: bool,
}

impl Server {
    /// Asks the server to describe itself, in one round trip.
    pub(super) async fn ask(connection: &mut MultiplexedConnection) -> Result<Self, Failure> {
        let mut both = pipe();
        both.cmd("INFO").cmd("TIME");
        let (info, (seconds, micros)): (String, (u64, u64)) = both.query_async(connection).await?;
        Ok(Self::of_info(&info, Timestamp(seconds * 1000 + micros / 1000)))
    }

    /// Asks only for [`Server::memory`].
    pub(super) async fn ask_memory(connection: &mut MultiplexedConnection) -> Result<(u64, u64), Failure> {
        let info: String = cmd("INFO").arg("memory").query_async(connection).await?;
        Ok(memory(&fields(&info)))
    }

    pub(super) fn of_info(info: &str, now: Timestamp) -> Self {
        let fields = fields(info);
        let text = |name| fields.get(name).copied().unwrap_or_default();
        let up = Duration::from_secs(text("uptime_in_seconds").parse().unwrap_or(0));
        Self {
            run: text("run_id").to_owned(),
            now,
            started: Timestamp(now.0.saturating_sub(up.saturating_sub(SECOND).as_millis() as u64)),
            appends: text("aof_enabled") == "1",
            memory: memory(&fields),
            role: text("role").to_owned(),
            loading: text("loading") == "1",
            policy: text("maxmemory_policy").to_owned(),
            in_cluster: text("cluster_enabled") == "1",
        }
    }

    /// Returns the reason why no record may be trusted to the server, if there is one.
    pub(super) fn unfit(&self, expect_cluster: bool) -> Option<Failure> {
        let role = &self.role;
        let wrong = |why: &str| Some(Failure::wrong(why));
        match () {
            () if self.loading => Some(Failure::Down("it is still loading its data".into())),
            // The server may be promoted at any moment.
            () if role != "master" => Some(Failure::down(format!("it is no primary: its role is {role:?}"))),
            () if self.policy != "noeviction" => Some(Failure::wrong(format!(
                "its maxmemory-policy is {:?}, under which it drops keys that still count and operations run \
                 twice; set `maxmemory-policy noeviction` in redis.conf, or at once with \
                 `CONFIG SET maxmemory-policy noeviction`",
                self.policy
            ))),
            () if self.in_cluster && !expect_cluster => {
                wrong("it is part of a cluster; write redis+cluster:// in store.url")
            }
            () if expect_cluster && !self.in_cluster => {
                wrong("it is not part of a cluster; write redis:// in store.url")
            }
            () => None,
        }
    }
}

fn fields(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim().split_once(':')).collect()
}

fn memory(fields: &HashMap<&str, &str>) -> (u64, u64) {
    let number = |name| fields.get(name).and_then(|number| number.parse().ok()).unwrap_or(0);
    (number("used_memory"), number("maxmemory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIT: &str = "# Server\r\nrun_id:abc\r\nuptime_in_seconds:12\r\ncluster_enabled:0\r\nloading:0\r\n\
                       aof_enabled:1\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n";

    #[test]
    fn a_fit_server_is_a_primary_that_evicts_nothing() {
        let server = Server::of_info(FIT, Timestamp(100_000));
        assert_eq!((server.started, server.appends), (Timestamp(89_000), true));
        assert!(server.unfit(false).is_none());
        for (fit, unfit, expected, passes) in [
            ("master", "slave", "no primary", true),
            ("noeviction", "volatile-lru", "set `maxmemory-policy noeviction`", false),
            ("loading:0", "loading:1", "loading", true),
            ("cluster_enabled:0", "cluster_enabled:1", "redis+cluster://", false),
        ] {
            let why = Server::of_info(&FIT.replace(fit, unfit), Timestamp(0)).unfit(false).expect("unfit");
            assert!(why.to_string().contains(expected) && why.may_pass() == passes, "{why}");
        }
        assert!(server.unfit(true).is_some());
    }

    #[test]
    fn a_server_that_says_nothing_is_unfit() {
        assert!(Server::of_info("", Timestamp(0)).unfit(false).is_some());
    }
}
