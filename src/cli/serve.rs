//! `oncegate serve`: the arguments that determine the configuration.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use clap::{ArgGroup, Args};

use crate::clock::Timestamp;
use crate::config::{Arguments, Config, ConfigErrors, Environment};

/// Runs the gateway until it is told to stop.
///
/// SIGTERM or SIGINT begins a drain. If `server.shutdown_delay` is set, the stop is first announced for that
/// time, and everything is still served. In the drain, no new execution starts, running ones go on for up to
/// `server.drain_timeout`, and the outcome of any that still run then is recorded as unknown. A second signal
/// ends the gateway at once. Exits with 0 after a drain, with 1 if the gateway failed, and with 2 if the
/// configuration is wrong or names operations differently from the store.
///
/// A changed configuration file is taken while the gateway serves, within seconds, or at once after SIGHUP or
/// POST /v1/reload. A file that is refused changes nothing (docs/reloading.md).
#[derive(Args, Debug)]
#[command(
    after_help = "ONCEGATE__SECTION__KEY in the environment replaces a value of the file, and an argument here \
                        replaces both.\n\nExamples:\n  \
                        oncegate serve --upstream http://127.0.0.1:9000\n  \
                        oncegate serve --upstream http://127.0.0.1:9000 --listen 127.0.0.1:80 --store embedded:/var/lib/oncegate\n  \
                        oncegate serve --config oncegate.toml"
)]
#[command(group(ArgGroup::new("source").args(["config", "upstream"]).required(true)))]
pub struct ServeArgs {
    /// Run with this configuration file (try `oncegate check --config FILE` first)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run without a file: protect every POST and PATCH to this API, records in ./oncegate-data
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    #[command(flatten)]
    settings: Settings,
    /// Begin no operation before this time on the store's clock, like 2026-11-22T10:00:00Z; stored responses
    /// are answered meanwhile. For a store that lost its records or was restored from a backup
    #[arg(long, value_name = "TIME", env = "ONCEGATE_NOT_BEFORE", value_parser = moment)]
    not_before: Option<Timestamp>,
    /// Accept the store's clock if this start finds it so far ahead that no operation would begin
    /// (docs/stores.md). Use this only if the clock is right, because records in the store may end by it.
    /// Later jumps are not accepted
    #[arg(long)]
    accept_clock: bool,
}

/// Decisions of the operator for one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Operator {
    /// Time on the store's clock before which no execution begins.
    pub not_before: Option<Timestamp>,
    /// True if a clock that the start finds too far ahead is accepted.
    pub accept_clock: bool,
}

/// Settings that need no file. Each replaces the value of the file and of the environment.
#[derive(Args, Debug)]
struct Settings {
    /// Listen for clients here instead of at server.listen (127.0.0.1:8080 unless the file says otherwise)
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Listen here for health, metrics, records and the console (http://127.0.0.1:9464/console) instead of at
    /// admin.listen (127.0.0.1:9464)
    #[arg(long, value_name = "ADDRESS:PORT")]
    admin_listen: Option<String>,
    /// Keep records here instead of in store.url: embedded:DIR, redis://HOST, postgres://HOST/DATABASE or
    /// memory:
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// Name of `--listen` in other programs. It exists only to point to `--listen`.
    #[arg(long, short, hide = true, value_name = "PORT", value_parser = no_port)]
    port: Option<String>,
    /// Other names of `--listen` in other programs, for the same purpose.
    #[arg(long, aliases = ["host", "address", "addr"], hide = true, value_name = "ADDRESS", value_parser = no_bind)]
    bind: Option<String>,
}

/// Refuses `--port`, and says what to write in its place.
fn no_port(text: &str) -> Result<String, String> {
    match text.parse::<u16>() {
        Ok(port) => {
            Err(format!("use --listen 127.0.0.1:{port}, or --listen 0.0.0.0:{port} for every address"))
        }
        Err(_) => Err("use --listen with an IP address and a port, like --listen 127.0.0.1:8080".into()),
    }
}

/// Refuses `--bind` and its aliases in the same way.
fn no_bind(_: &str) -> Result<String, String> {
    Err("use --listen with an IP address and a port, like --listen 0.0.0.0:8080".into())
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let time = humantime::parse_rfc3339(text).map_err(|error| error.to_string())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    Ok(Timestamp(0).plus(since))
}

impl ServeArgs {
    /// Returns the operator's decisions for this run.
    #[must_use]
    pub fn operator(&self) -> Operator {
        Operator { not_before: self.not_before, accept_clock: self.accept_clock }
    }

    /// Returns the configuration file, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// Loads and checks the configuration.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub fn load(&self, environment: &Environment) -> Result<Config, ConfigErrors> {
        let Settings { listen, admin_listen, store, .. } = &self.settings;
        let arguments =
            Arguments { listen: listen.clone(), admin_listen: admin_listen.clone(), store: store.clone() };
        match (&self.config, &self.upstream) {
            (Some(file), _) => Config::load_with(file, environment, &arguments),
            (None, upstream) => {
                let url = upstream.as_deref().unwrap_or_default();
                Config::for_upstream_with(url, environment, &arguments)
            }
        }
    }
}
