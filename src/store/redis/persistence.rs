//! Whether a server finds its data again after a restart. Nothing is refused for it: a gateway that was
//! running notices a loss, and who wants speed only may choose so. But it is said.

use std::collections::HashMap;

use redis::{FromRedisValue, cmd};

use super::link::Link;
use super::script::Request;

/// Where the operator reads on.
const READ_ON: &str = "docs/stores.md, \"What Redis has to be set to\"";

/// What a restart of the server would forget, if anything. What the server does not let be asked counts as
/// not known.
pub(super) async fn warning(link: &Link) -> Option<String> {
    let info: String = asked(link, cmd("INFO").arg("persistence")).await?;
    let appends = info.lines().any(|line| line.trim() == "aof_enabled:1");
    if appends {
        return None;
    }
    // A user of its own has no right to `CONFIG` as a rule.
    let saves: Option<HashMap<String, String>> = asked(link, cmd("CONFIG").arg("GET").arg("save")).await;
    Some(forgets(saves.as_ref().and_then(|saves| saves.get("save")).map(String::as_str)))
}

/// What a restart forgets without an append-only file, where snapshots are made at these points; `None` if
/// they are not known.
pub(super) fn forgets(saves: Option<&str>) -> String {
    match saves {
        Some("") => format!(
            "Redis writes neither an append-only file nor snapshots: a restart forgets every key, and what is \
             retried then runs again; set `appendonly yes` ({READ_ON})"
        ),
        _ => format!(
            "Redis writes no append-only file: a restart forgets what came after the last snapshot, and what \
             is retried then runs again; set `appendonly yes` ({READ_ON})"
        ),
    }
}

async fn asked<T: FromRedisValue>(link: &Link, command: &redis::Cmd) -> Option<T> {
    let (answer, _) = link.ask(Request::Command(command), false).await.ok()?;
    T::from_redis_value(answer).ok()
}
