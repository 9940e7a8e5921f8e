//! The rules that turn a file into checked types: requirements on a value beyond its type.
//!
//! Each function in this module examines all of its input before it gives up, so that mistakes are found
//! together. It returns a value only if it found no mistake.

use std::collections::BTreeMap;

use super::environment::Environment;
use super::file::{self, File};
use super::mistakes::KeyCursor;
use super::{Config, Fallback, Log, LogFormat, StoreConfig, StoreUrl, Upstream, UpstreamName};
use crate::protocol::EntryName;

mod headers;
mod limits;
mod listeners;
mod loops;
mod path;
mod postgres;
mod redis;
mod routes;
mod tls;
mod upstreams;

/// Upstreams by name. The value is `None` for an upstream that is named but not valid, so that a route may
/// still name it.
type Upstreams = BTreeMap<UpstreamName, Option<Upstream>>;

/// Checks a whole file.
pub(super) fn config(at: &KeyCursor<'_>, file: &File, environment: &Environment) -> Option<Config> {
    let server = listeners::server(&at.key("server"), &file.server);
    let admin = listeners::admin(&at.key("admin"), &file.admin, environment);
    let store = store(&at.key("store"), &file.store);
    let upstreams = upstreams::all(&at.key("upstreams"), &file.upstreams);
    let fallback = fallback(&at.key("fallback"), file.fallback.as_ref(), &upstreams);
    let certificates = file.server.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    let routes = routes::all(&at.key("routes"), &file.routes, &upstreams, certificates);
    if file.routes.is_empty() && file.fallback.is_none() {
        at.key("routes").require::<()>(None, "a file needs a route or a [fallback]")?;
    }
    let (server, admin) = (server?, admin?);
    let listeners = [("server.listen", server.listen), ("admin.listen", admin.listen)];
    let apart = loops::no_loop(&at.key("upstreams"), &upstreams, listeners);
    if server.listen.port() != 0 && server.listen == admin.listen {
        return at.key("admin").key("listen").refuse("must not be the address of server.listen");
    }
    apart?;
    Some(Config {
        server,
        admin,
        store: store?,
        upstreams: upstreams.into_iter().map(|(name, up)| Some((name, up?))).collect::<Option<_>>()?,
        log: log(&file.log),
        fallback: fallback?,
        routes: routes?,
        notes: Vec::new(),
        quick_start: false,
    })
}

fn store(at: &KeyCursor<'_>, file: &file::Store) -> Option<StoreConfig> {
    let keys = misplaced(at, file);
    let url = if redis::is_named(&file.url) {
        redis::store(at, file).map(|redis| StoreUrl::Redis(Box::new(redis)))
    } else if postgres::is_named(&file.url) {
        postgres::store(at, file).map(StoreUrl::Postgres)
    } else {
        store_url(&at.key("url"), &file.url)
    };
    let timeout = limits::span(&at.key("timeout"), &file.timeout, &limits::STORE_TIMEOUT);
    let start_timeout = limits::span(&at.key("start_timeout"), &file.start_timeout, &limits::START_TIMEOUT);
    let accepted = entries(&at.key("accept_identity_change"), &file.accept_identity_change);
    let retired = entries(&at.key("retired"), &file.retired);
    keys?;
    Some(StoreConfig {
        url: url?,
        timeout: timeout?,
        start_timeout: start_timeout?,
        accept_identity_change: accepted?,
        retired: retired?,
    })
}

/// Checks the names of entries, in the form that a refused start prints.
fn entries(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<EntryName>> {
    let checked = texts.iter().enumerate().map(|(index, text)| {
        text.parse().ok().or_else(|| {
            at.item(index).refuse(format!(
                "{text:?} names nothing; write what a refused start printed, like \"POST /v1/charges#1f3a9c\""
            ))
        })
    });
    checked.collect::<Vec<Option<EntryName>>>().into_iter().collect()
}

/// Refuses keys that belong to another store.
fn misplaced(at: &KeyCursor<'_>, file: &file::Store) -> Option<()> {
    let (redis, postgres) = (redis::is_named(&file.url), postgres::is_named(&file.url));
    let only = |key: &str, given: bool, allowed: bool, whose: &str| match given && !allowed {
        true => at.key(key).refuse(format!("is only for {whose}")),
        false => Some(()),
    };
    let refused = [
        only("ca", file.ca.is_some(), redis || postgres, "rediss:// and postgres://"),
        only("sentinel_username", file.sentinel_username.is_some(), redis, "Redis"),
        only("sentinel_password", file.sentinel_password.is_some(), redis, "Redis"),
        only("prefix", file.prefix.is_some(), redis, "Redis"),
        only("wait_replicas", file.wait_replicas.is_some(), redis, "Redis"),
        only("accept_lost", file.accept_lost.is_some(), redis, "Redis"),
        only("schema", file.schema.is_some(), postgres, "Postgres"),
    ];
    refused.into_iter().collect()
}

fn store_url(at: &KeyCursor<'_>, text: &str) -> Option<StoreUrl> {
    match text.split_once(':') {
        Some(("memory", "")) => Some(StoreUrl::Memory),
        Some(("embedded", directory)) if !directory.trim().is_empty() => {
            Some(StoreUrl::Embedded(directory.into()))
        }
        // The text itself may hold a password and is not repeated.
        _ => at.refuse(
            "names no store; use \"embedded:DIR\", \"redis://HOST\", \"postgres://HOST/DATABASE\" or \"memory:\"",
        ),
    }
}

/// Checks the fallback. `Some(None)` is a configuration without a fallback.
fn fallback(
    at: &KeyCursor<'_>,
    file: Option<&file::Fallback>,
    upstreams: &Upstreams,
) -> Option<Option<Fallback>> {
    let Some(file) = file else {
        return Some(None);
    };
    let refuses_keyed = match file.keyed {
        file::Keyed::Pass => false,
        file::Keyed::Refuse => true,
    };
    let upstream = upstreams::named(&at.key("upstream"), file.upstream.as_deref(), upstreams);
    upstream.map(|upstream| Some(Fallback { upstream, refuses_keyed }))
}

fn log(file: &file::Log) -> Log {
    use file::LogLevel;
    let format = match file.format {
        file::LogFormat::Text => LogFormat::Text,
        file::LogFormat::Json => LogFormat::Json,
    };
    let level = match file.level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Trace => tracing::Level::TRACE,
    };
    Log { format, level }
}
