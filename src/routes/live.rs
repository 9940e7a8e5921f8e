//! The route table in use. Gateway, admin API and store read the same table, so that none of them uses an
//! outdated one.
//!
//! A table is replaced as a whole. A request that found its route keeps it to its end.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use crate::clock::uptime;
use crate::store::LongestTtl;

use super::RouteTable;
use super::identity::replay_span;

/// A handle to the route table in use. Clones share it.
#[derive(Clone)]
pub struct LiveRoutes {
    table: Arc<ArcSwap<RouteTable>>,
    // Under its lock entries are only added or removed.
    earlier: Arc<Mutex<EarlierTtls>>,
}

impl LiveRoutes {
    /// Puts a table to use.
    #[must_use]
    pub fn new(table: RouteTable) -> Self {
        Self { table: Arc::new(ArcSwap::from_pointee(table)), earlier: Arc::default() }
    }

    /// Returns the table in use, for one look at it. Do not keep the guard over an await: a later table may
    /// be in use by then.
    #[must_use]
    pub fn table(&self) -> Guard<Arc<RouteTable>> {
        self.table.load()
    }

    /// Puts another table in the place of the one in use.
    pub fn replace(&self, table: RouteTable) {
        let earlier = self.table.load_full();
        for policy in earlier.routes.iter().map(|route| &route.policy) {
            self.remember_ttl(policy.ttl, replay_span(policy));
        }
        self.table.store(Arc::new(table));
    }

    /// Remembers for the time `left` that a response may be replayed for `ttl`, whatever the table in use
    /// says.
    pub fn remember_ttl(&self, ttl: Duration, left: Duration) {
        let now = uptime();
        self.earlier.lock().add(ttl, now.saturating_add(left), now);
    }

    /// Returns a function that tells the longest ttl that a record may have: of the table in use, or of an
    /// earlier one while its responses may still be replayed.
    #[must_use]
    pub fn longest_ttl(&self) -> LongestTtl {
        let live = self.clone();
        Arc::new(move || live.table().longest_ttl().max(live.earlier.lock().longest(uptime())))
    }

    /// Returns a function that tells the shortest time from a write to a deadline of the table in use.
    pub fn shortest_span(&self) -> impl Fn() -> Duration + Send + Sync + use<> {
        let live = self.clone();
        move || live.table().shortest_span()
    }
}

/// Ttls of earlier tables and of other gateways.
#[derive(Debug, Default)]
struct EarlierTtls(Vec<EarlierTtl>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EarlierTtl {
    ttl: Duration,
    /// Uptime of this machine until which a record with this ttl may be replayed.
    until: Duration,
}

impl EarlierTtls {
    /// Adds a ttl, and removes those that a longer and later one makes needless.
    fn add(&mut self, ttl: Duration, until: Duration, now: Duration) {
        let new = EarlierTtl { ttl, until };
        let exceeds = |one: &EarlierTtl, other: &EarlierTtl| one.ttl >= other.ttl && one.until >= other.until;
        if self.0.iter().any(|known| exceeds(known, &new)) {
            return;
        }
        self.0.retain(|known| known.until > now && !exceeds(&new, known));
        self.0.push(new);
    }

    fn longest(&self, now: Duration) -> Duration {
        let alive = self.0.iter().filter(|known| known.until > now);
        alive.map(|known| known.ttl).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    fn hours(number: u64) -> Duration {
        Duration::from_hours(number)
    }

    #[test]
    fn a_longer_ttl_counts_until_its_last_response_is_gone() {
        let mut ttls = EarlierTtls::default();
        assert_eq!(ttls.longest(hours(0)), Duration::ZERO);
        ttls.add(hours(24), hours(26), hours(1));
        ttls.add(hours(2), hours(30), hours(27));
        assert_eq!(ttls.0.len(), 1, "the first is over");
        ttls.add(hours(24), hours(29), hours(4));
        assert_eq!(ttls.longest(hours(28)), hours(24));
        assert_eq!(ttls.longest(hours(29)), hours(2));
        assert_eq!(ttls.longest(hours(30)), Duration::ZERO);
    }

    #[test]
    fn a_table_that_was_replaced_counts_for_a_while() {
        let table = |ttl: &str| {
            let text = format!(
                "[store]\nurl = 'memory:'\n[upstreams.a]\nurl = 'http://127.0.0.1:9'\n[[routes]]\nname = 'a'\n\
                 path = '/a'\nupstream = 'a'\nttl = '{ttl}'\n"
            );
            let config = Config::parse(&text, "a test", &Environment::default()).expect("valid");
            RouteTable::new(&config.routes, None).expect("a table")
        };
        let live = LiveRoutes::new(table("24h"));
        let longest = live.longest_ttl();
        live.replace(table("1h"));
        assert_eq!(longest(), hours(24));
        live.remember_ttl(hours(48), hours(1));
        live.remember_ttl(hours(72), Duration::ZERO);
        assert_eq!(longest(), hours(48));
    }

    #[test]
    fn only_ttls_that_matter_are_kept() {
        let mut ttls = EarlierTtls::default();
        for number in 1..=100 {
            ttls.add(hours(24), hours(24 + number), hours(number));
            ttls.add(hours(1), hours(1 + number), hours(number));
        }
        assert_eq!(ttls.0, [EarlierTtl { ttl: hours(24), until: hours(124) }]);
    }
}
