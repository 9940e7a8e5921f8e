//! A check whether a server finds its data again after a restart. The result is a warning and no refusal: a
//! running gateway notices a loss, and an operator may prefer speed.

use std::collections::HashMap;

use redis::{FromRedisValue, cmd};

use super::link::Link;
use super::script::Request;

/// The section of the documentation that an operator is pointed to.
const READ_ON: &str = "docs/stores.md, \"What Redis has to be set to\"";

/// Returns a sentence about the data that a restart of the server would forget, if any. A setting that the
/// server does not show counts as not known.
pub(super) async fn warning(link: &Link) -> Option<String> {
    let info: String = asked(link, cmd("INFO").arg("persistence")).await?;
    let appends = info.lines().any(|line| line.trim() == "aof_enabled:1");
    if appends {
        return None;
    }
    // A Redis user made for the gateway usually has no right to `CONFIG`.
    let saves: Option<HashMap<String, String>> = asked(link, cmd("CONFIG").arg("GET").arg("save")).await;
    Some(forgets(saves.as_ref().and_then(|saves| saves.get("save")).map(String::as_str)))
}

/// Describes the data that a restart forgets without an append-only file. `saves` lists the points at which
/// snapshots are made; `None` if they are not known.
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
