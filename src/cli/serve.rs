//! `oncegate serve`: which configuration to run with.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, ConfigErrors, Environment};

/// Runs the gateway until it is told to stop.
///
/// SIGTERM or SIGINT drains: no new execution starts, running ones go on for up to
/// `server.drain_timeout`, what still runs then is recorded as unknown. A second signal ends at
/// once. Ends 0 after a drain, 1 if it failed, 2 if the configuration is wrong.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct ServeArgs {
    /// Run with this configuration file (try `oncegate check --config FILE` first)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run without a file: protect every POST and PATCH to this API, records in ./oncegate-data
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
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
