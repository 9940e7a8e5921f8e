//! The configuration in force, and when it was loaded.

use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;

use super::Config;

/// Number of digits of the digest that stand for the version.
const VERSION_DIGITS: usize = 12;

/// A configuration in force.
#[derive(Debug)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: Config,
    /// The time at which it was loaded, by this machine's clock.
    pub loaded_at: SystemTime,
}

impl LoadedConfig {
    /// Returns the version: the first digits of the digest of the configuration's text.
    #[must_use]
    pub fn version(&self) -> &str {
        let digest = &self.config.written.digest;
        digest.get(..VERSION_DIGITS).unwrap_or(digest)
    }
}

/// A handle to the configuration in force. Clones share it.
#[derive(Clone, Debug)]
pub struct LiveConfig(Arc<ArcSwap<LoadedConfig>>);

impl LiveConfig {
    /// Puts a configuration into force.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(loaded(config))))
    }

    /// Returns the configuration in force now. Do not keep it: its upstreams stay open while it is there.
    #[must_use]
    pub fn now(&self) -> Arc<LoadedConfig> {
        self.0.load_full()
    }

    /// Puts another configuration into the place of the one in force.
    pub fn replace(&self, config: Config) {
        self.0.store(Arc::new(loaded(config)));
    }
}

fn loaded(config: Config) -> LoadedConfig {
    LoadedConfig { config, loaded_at: SystemTime::now() }
}
