//! The metrics of the configuration in force and of its reloads.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{Outcome, Version};
use crate::telemetry::family::describe;

#[derive(Default)]
pub(super) struct ReloadFamilies {
    reloads: Family<Outcome, Counter>,
    /// 1 while the last reload was a success, else 0.
    last: Gauge,
    /// Time at which the configuration in force was loaded, in seconds since the Unix epoch.
    loaded: Gauge,
    /// One sample, which names the version of the configuration in force.
    info: Family<Version, Gauge>,
}

impl ReloadFamilies {
    /// Notes that a version was loaded at `at`, in seconds since the Unix epoch.
    pub(super) fn loaded(&self, version: &str, at: i64) {
        self.info.clear();
        self.info.get_or_create(&Version { version: version.to_owned() }).set(1);
        self.loaded.set(at);
        self.last.set(1);
    }

    /// Counts a reload.
    pub(super) fn count(&self, outcome: &'static str, is_success: bool) {
        self.reloads.get_or_create(&Outcome { outcome }).inc();
        self.last.set(is_success.into());
    }

    pub(super) fn describe(&self, to: &mut Registry) {
        let help = "Reloads of the configuration, by outcome";
        describe(to, "reloads", help, &self.reloads);
        let help = "1 while the last reload of the configuration was a success, else 0";
        describe(to, "last_reload_successful", help, &self.last);
        let help = "Time at which the configuration in force was loaded, in seconds since the Unix epoch";
        describe(to, "config_loaded_timestamp_seconds", help, &self.loaded);
        let help = "1 for the version of the configuration in force: the first digits of its file's SHA-256";
        describe(to, "config_info", help, &self.info);
    }
}
