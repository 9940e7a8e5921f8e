//! `oncegate serve`: which configuration to run with.

use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use clap::{ArgGroup, Args};

use crate::clock::Timestamp;
use crate::config::{Config, ConfigErrors, Environment};

/// Runs the gateway until it is told to stop.
///
/// SIGTERM or SIGINT drains, after `server.shutdown_delay` where that is set: no new execution
/// starts, running ones go on for up to `server.drain_timeout`, what still runs then is recorded as
/// unknown. A second signal ends at once. Ends 0 after a drain, 1 if it failed, 2 if the
/// configuration is wrong or names operations otherwise than the store does.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("source").args(["config", "upstream"]).required(true)))]
pub struct ServeArgs {
    /// Run with this configuration file (try `oncegate check --config FILE` first)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run without a file: protect every POST and PATCH to this API, records in ./oncegate-data
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Begin no operation before this time, by the store's clock, like 2026-11-22T10:00:00Z; what is
    /// stored is answered meanwhile. For a store that lost its records or was restored from a backup
    #[arg(long, value_name = "TIME", env = "ONCEGATE_NOT_BEFORE", value_parser = moment)]
    pub not_before: Option<Timestamp>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    let time = humantime::parse_rfc3339(text).map_err(|error| error.to_string())?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    Ok(Timestamp(0).plus(since))
}

impl ServeArgs {
    /// The checked configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(&self, environment: &Environment) -> Result<Config, ConfigErrors> {
        match (&self.config, &self.upstream) {
            (Some(file), _) => Config::load(file, environment),
            (None, upstream) => Config::for_upstream(upstream.as_deref().unwrap_or_default(), environment),
        }
    }
}
