//! The settings together with the terms: how the store's connections are opened, and how long they wait.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use crate::store::Terms;

use super::primary::connect_options;
use super::settings::Settings;

/// The settings of a store that is open, and what the gateway asks of it.
pub(super) struct Setup {
    pub(super) settings: Settings,
    pub(super) terms: Terms,
}

impl Setup {
    /// Returns how long a statement may wait for a row that another session keeps locked.
    pub(super) fn lock_timeout(&self) -> Duration {
        self.terms.timeout * 3 / 10
    }

    /// Returns how long one server may take to accept a connection.
    pub(super) fn connect_timeout(&self) -> Duration {
        self.terms.timeout / (self.settings.servers.len().max(1) as u32)
    }

    /// Returns the connection options of each server.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = PgConnectOptions> + '_ {
        let ca = self.settings.ca.as_deref();
        self.settings.servers.iter().map(move |server| connect_options(server, ca))
    }
}
