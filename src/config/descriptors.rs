//! The division of the process's file descriptors among the configured connections and executions.
//!
//! Descriptors of which clients cannot open many come first: those of the store's files or connections, those
//! of the admin listener, and a reserve. Executions get up to a third of the rest, because each has one
//! connection to an upstream. The remaining descriptors are for clients. If requests may stream through
//! unprotected, a third of the remaining ones is for the upstreams of these requests.

use super::Config;
use super::warning::Warning;
use crate::descriptors;

/// Largest number of open connections of the admin listener.
const ADMIN: usize = 256;
/// Largest number of connections that wait until others are closed.
const WAITING: usize = 256;
/// Descriptors for standard streams, listeners, the event queues of the schedulers, and certificates that are
/// read again.
const RESERVE: usize = 64;

/// The capacity that the descriptors allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Number of client connections.
    pub connections: usize,
    /// Number of connections that wait until others are closed.
    pub waiting: usize,
    /// Number of executions at once.
    pub executions: usize,
    /// Number of unprotected requests at once.
    pub streams: usize,
    /// Number of connections of the admin listener.
    pub admin: usize,
}

/// A configuration for a gateway that serves already, and what of it the open files do not allow.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The configuration with the connections of the gateway, and with executions and streams that fit beside
    /// them.
    pub config: Config,
    /// The key that only a restart takes up, with the reason, if there is one.
    pub needs_restart: Option<String>,
    /// Warnings about the configuration.
    pub warnings: Vec<Warning>,
}

impl Config {
    /// Returns the capacity that fits into this number of descriptors.
    #[must_use]
    pub fn capacity(&self, descriptors: usize) -> Capacity {
        let store = self.store.settings.descriptors(descriptors);
        let (admin, waiting) = (ADMIN.min(descriptors / 16), WAITING.min(descriptors / 16));
        let left = descriptors.saturating_sub(store + RESERVE + admin + waiting);
        let executions = self.server.max_in_flight.min(left / 3).max(1);
        let left = left.saturating_sub(executions);
        let streams = if self.streams() { left / 3 } else { 0 };
        let connections = self.server.max_connections.min(left - streams).max(1);
        let streams = left.saturating_sub(connections).max(1);
        Capacity { connections, waiting: waiting.max(1), executions, streams, admin: admin.max(1) }
    }

    /// Fits the configuration into a gateway that already serves with `current`, and into this number of
    /// descriptors.
    #[must_use]
    pub fn beside(mut self, current: &Self, descriptors: usize) -> Beside {
        let Capacity { executions, streams, connections, .. } = self.capacity(descriptors);
        let left = executions.saturating_add(streams).saturating_add(connections);
        let free = left.saturating_sub(current.server.max_connections);
        let streaming = usize::from(self.streams());
        let server = &mut self.server;
        let wanted = server.max_in_flight;
        server.max_connections = current.server.max_connections;
        // Of what the connections leave, more executions than now take half at most.
        let most = current.server.max_in_flight.max(free / 2).min(free.saturating_sub(streaming));
        server.max_in_flight = executions.min(most).max(1);
        server.max_streams = free.saturating_sub(server.max_in_flight).max(1);
        let (executions, lacks_streams) = (server.max_in_flight, server.max_streams < streams);
        let clamped = (executions < wanted).then(|| {
            format!(
                "the hard limit of {descriptors} open files leaves room for {executions} executions instead of \
                 max_in_flight = {wanted} beside the connections that the gateway was started with"
            )
        });
        // At the start of `current`, connections took what streams would have had.
        let needs_restart =
            self.streaming_key().filter(|_| lacks_streams && current.streaming_key().is_none());
        let needs_restart = needs_restart.map(|key| {
            format!("{key} (the connections leave too few open files for requests without protection)")
        });
        Beside { warnings: self.warnings_with(clamped), config: self, needs_restart }
    }

    /// Tells whether a request may stream to an upstream without protection.
    fn streams(&self) -> bool {
        self.streaming_key().is_some()
    }

    /// Returns the key by which requests may stream to an upstream without protection.
    fn streaming_key(&self) -> Option<String> {
        let route = || self.routes.iter().find(|route| !route.key.required);
        match self.fallback {
            Some(_) => Some("fallback".into()),
            None => route().map(|route| format!("routes.{}.key.required", route.name)),
        }
    }

    /// Reduces the numbers of connections, executions and streams to those of `capacity`.
    #[must_use]
    pub fn within(mut self, capacity: Capacity) -> Self {
        let server = &mut self.server;
        server.max_connections = capacity.connections;
        server.max_in_flight = capacity.executions;
        server.max_streams = capacity.streams;
        self
    }

    pub(super) fn descriptors_warning(&self) -> Option<String> {
        self.too_many_for(descriptors::most())
    }

    fn too_many_for(&self, descriptors: usize) -> Option<String> {
        let (capacity, server) = (self.capacity(descriptors), &self.server);
        let clamped = [
            (server.max_connections, capacity.connections, "connections", "max_connections"),
            (server.max_in_flight, capacity.executions, "executions", "max_in_flight"),
        ];
        let clamped: Vec<_> = clamped
            .into_iter()
            .filter(|(wanted, had, ..)| wanted > had)
            .map(|(wanted, had, what, key)| format!("{had} {what} instead of {key} = {wanted}"))
            .collect();
        (!clamped.is_empty()).then(|| {
            format!(
                "the hard limit of {descriptors} open files leaves room for {} beside what store and upstreams need; \
                 raise it (ulimit -Hn, LimitNOFILE=, --ulimit nofile=) or lower what is configured",
                clamped.join(" and ")
            )
        })
    }
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn config(server: &str) -> Config {
        let text = format!(
            "[server]\n{server}\n[upstreams.a]\nurl = 'http://127.0.0.1:9'\n\
             [[routes]]\nname = 'a'\npath = '/a'\nupstream = 'a'\nkey = {{ required = true }}\n"
        );
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("it is written");
        Config::load(file.path(), &Environment::default()).expect("it is valid")
    }

    #[test]
    fn all_of_it_together_stays_below_the_limit() {
        for limit in [256, 1024, 4096, 20_000, 1 << 20] {
            let config = config("");
            let Capacity { connections, waiting, executions, streams, admin } = config.capacity(limit);
            let together = connections + waiting + executions + admin + streams;
            let store = config.store.settings.descriptors(limit);
            assert!(store > 0 && together + store + RESERVE <= limit + 1, "{limit}");
            assert!(connections >= limit.min(20_000) / 8 && executions > limit.min(1024) / 16, "{limit}");
        }
    }

    /// A configuration that gets its first requests without protection while it serves.
    #[test]
    fn connections_of_the_start_leave_room_for_streams_or_a_restart_is_needed() {
        for (limit, fits) in [(1024, false), (4096, false), (1 << 20, true)] {
            let started = config("max_connections = 5000");
            let started = started.clone().within(started.capacity(limit));
            let mut streaming = config("max_connections = 5000");
            for route in &mut streaming.routes {
                std::sync::Arc::make_mut(route).key.required = false;
            }
            let at_start = streaming.capacity(limit).streams;
            let beside = streaming.beside(&started, limit);
            assert_eq!(beside.needs_restart.is_none(), fits, "{limit}");
            assert_eq!(beside.config.server.max_streams >= at_start, fits, "{limit}");
            if let Some(key) = &beside.needs_restart {
                assert!(key.starts_with("routes.a.key.required ("), "{key}");
            }
            // A gateway that was started with such requests has room for them.
            let both = beside.config.clone().beside(&beside.config, limit);
            assert_eq!(both.needs_restart, None, "{limit}");
        }
    }

    #[test]
    fn a_reload_warns_of_executions_that_do_not_fit_and_of_no_other_number() {
        let started = config("max_connections = 5000\nmax_in_flight = 10");
        let started = started.clone().within(started.capacity(4096));
        let warnings = |server: &str| {
            let beside = config(server).beside(&started, 4096);
            beside.warnings.into_iter().filter(|warning| warning.about == "server").map(|told| told.text)
        };
        assert_eq!(warnings("max_connections = 5000\nmax_in_flight = 10").count(), 0);
        let told: Vec<_> = warnings("max_connections = 5000\nmax_in_flight = 5000").collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("max_in_flight = 5000") && !told[0].contains("max_connections"), "{told:?}");
    }

    #[test]
    fn limits_that_do_not_fit_are_reported_with_limits_that_do() {
        let told = config("max_connections = 5000\nmax_in_flight = 10").too_many_for(4096);
        assert!(told.expect("a warning").contains(" connections instead of max_connections = 5000 beside"));
        let told = config("max_connections = 10\nmax_in_flight = 5000").too_many_for(4096);
        assert!(told.expect("a warning").contains(" executions instead of max_in_flight = 5000 beside"));
        assert_eq!(config("max_connections = 500\nmax_in_flight = 10").too_many_for(4096), None);
    }
}
