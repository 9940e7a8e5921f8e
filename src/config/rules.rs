//! The rules that turn a file into checked types: requirements on a value beyond its type.
//!
//! Each function in this module examines all of its input before it gives up, so that mistakes are found
//! together. It returns a value only if it found no mistake.

use super::environment::Environment;
use super::file::{self, File};
use super::mistakes::KeyCursor;
use super::{Config, Fallback, Log, LogFormat, Lookup, Written};

use self::upstreams::Upstreams;

mod cors;
mod headers;
mod limits;
mod listeners;
mod loops;
mod notify;
mod otel;
mod path;
mod pointers;
#[cfg(feature = "postgres")]
mod postgres;
mod problems;
#[cfg(feature = "redis")]
mod redis;
mod routes;
mod seal;
mod secret_variable;
mod settling;
mod store;
mod tls;
mod tokens;
mod upstreams;

/// Checks a whole file.
pub(super) fn config(at: &KeyCursor<'_>, file: &File, environment: &Environment) -> Option<Config> {
    let server = listeners::server(&at.key("server"), &file.server);
    let admin = listeners::admin(&at.key("admin"), &file.admin, environment);
    let store = store::store(&at.key("store"), &file.store, environment);
    let upstreams = upstreams::all(&at.key("upstreams"), &file.upstreams);
    let fallback = fallback(&at.key("fallback"), file.fallback.as_ref(), &upstreams);
    let otel = otel::otel(&at.key("otel"), file.otel.as_ref(), environment);
    let shapes = problems::all(&at.key("problems"), &file.problems);
    let surroundings = routes::Surroundings {
        upstreams: &upstreams,
        shapes: &shapes,
        certificates: file.server.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()),
        sealed: !file.store.seal.is_empty() || at.key("store").key("seal").is_refused(),
    };
    let routes = routes::all(&at.key("routes"), &file.routes, surroundings);
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
    let routes = routes?;
    let hidden = settling::probe_upstreams(&routes, &upstreams);
    let upstreams = upstreams.into_iter().chain(hidden);
    Some(Config {
        server,
        admin,
        store: store?,
        upstreams: upstreams.map(|(name, up)| Some((name, up?))).collect::<Option<_>>()?,
        log: log(&file.log),
        fallback: fallback?,
        lookup: Lookup { enabled: file.lookup.enabled },
        otel: otel?,
        problems: shapes.into_values().collect::<Option<_>>()?,
        routes,
        notes: Vec::new(),
        quick_start: false,
        written: Written::of(file),
    })
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
