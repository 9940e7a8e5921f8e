//! The division of the process's file descriptors among the configured connections and executions.
//!
//! Descriptors of which clients cannot open many come first: those of the store's files or connections, those
//! of the admin listener, and a reserve. Executions get up to a third of the rest, because each has one
//! connection to an upstream. The remaining descriptors are for clients. If requests may stream through
//! unprotected, a third of the remaining ones is for the upstreams of these requests.

use super::{Config, Server};
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

    /// Returns the configuration for a gateway that already serves with `current`: with its connections, and
    /// with executions and streams that fit beside them into this number of descriptors.
    #[must_use]
    pub fn beside(mut self, current: &Server, descriptors: usize) -> Self {
        let Capacity { executions, streams, connections, .. } = self.capacity(descriptors);
        let left = executions.saturating_add(streams).saturating_add(connections);
        let free = left.saturating_sub(current.max_connections);
        let server = &mut self.server;
        server.max_connections = current.max_connections;
        // Of what the connections leave, more executions than now take half at most.
        let most = current.max_in_flight.max(free / 2).min(free.saturating_sub(1));
        server.max_in_flight = executions.min(most).max(1);
        server.max_streams = free.saturating_sub(server.max_in_flight).max(1);
        self
    }

    /// Tells whether a request may stream to an upstream without protection.
    fn streams(&self) -> bool {
        self.fallback.is_some() || self.routes.iter().any(|route| !route.key.required)
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

    #[test]
    fn limits_that_do_not_fit_are_reported_with_limits_that_do() {
        let told = config("max_connections = 5000\nmax_in_flight = 10").too_many_for(4096);
        assert!(told.expect("a warning").contains(" connections instead of max_connections = 5000 beside"));
        let told = config("max_connections = 10\nmax_in_flight = 5000").too_many_for(4096);
        assert!(told.expect("a warning").contains(" executions instead of max_in_flight = 5000 beside"));
        assert_eq!(config("max_connections = 500\nmax_in_flight = 10").too_many_for(4096), None);
    }
}
