//! Log lines that a gateway writes about itself when it starts: its upstreams and routes, and the place of
//! its store. A store in the wrong directory is empty, and nothing else would show that.

use std::path::Path;

use tracing::info;

use crate::config::{Config, Route, StoreUrl};
use crate::store::{Filter, Ledger};

/// Number of records that are read to say how many there are.
const COUNTED: usize = 100;
/// Number of routes and upstreams that are named.
const NAMED: usize = 50;
/// Name of the file that every embedded store has.
const MARKER: &str = "oncegate-store";

/// Tells whether the store exists, before it is opened. This can be known only of a directory.
pub(super) fn is_found(url: &StoreUrl) -> Option<bool> {
    match url {
        StoreUrl::Memory => Some(false),
        StoreUrl::Embedded(directory) => Some(directory.join(MARKER).exists()),
        StoreUrl::Redis(_) | StoreUrl::Postgres(_) => None,
    }
}

/// Logs the store, the upstreams and the routes. `found` is the result of [`is_found`] before the store was
/// opened.
pub(super) async fn told(config: &Config, ledger: &Ledger, found: Option<bool>) {
    let found = found.map(|found| if found { "found" } else { "new" });
    let (store, records) = (place(&config.store.url), records(&config.store.url, ledger).await);
    info!(store, found, records, "store");
    let upstreams = config.upstreams.iter().map(|(name, upstream)| format!("{name} {}", upstream.url));
    let routes = config.routes.iter().map(|route| of_route(route));
    let fallback = config.fallback.as_ref().map(|fallback| tracing::field::display(&fallback.upstream));
    info!(upstreams = list(upstreams), routes = list(routes), fallback, "routes");
}

/// Returns the store's URL without credentials. A directory is given as an absolute path.
fn place(url: &StoreUrl) -> String {
    match url {
        StoreUrl::Memory => "memory:".into(),
        StoreUrl::Embedded(directory) => format!("embedded:{}", whole(directory)),
        StoreUrl::Redis(redis) => redis.to_string(),
        StoreUrl::Postgres(postgres) => postgres.to_string(),
    }
}

fn whole(directory: &Path) -> String {
    directory.canonicalize().unwrap_or_else(|_| directory.to_owned()).display().to_string()
}

/// Returns about how many records there are, if reading the first of them is cheap. For Redis the result is
/// `None`: the store would have to walk through its keys.
async fn records(url: &StoreUrl, ledger: &Ledger) -> Option<String> {
    if let StoreUrl::Redis(_) = url {
        return None;
    }
    let page = ledger.page(Filter::default(), COUNTED).await.ok()?;
    Some(match (page.records.len(), page.next) {
        (0, None) => "none".into(),
        (count, None) => count.to_string(),
        (count, Some(_)) => format!("{count} or more"),
    })
}

fn of_route(route: &Route) -> String {
    let methods: Vec<_> = route.methods.iter().map(|method| method.as_str()).collect();
    format!("{} {} {} to {}", route.name, methods.join(","), route.path, route.upstream)
}

fn list(all: impl ExactSizeIterator<Item = String>) -> String {
    let count = all.len();
    let mut named: Vec<_> = all.take(NAMED).collect();
    if count > NAMED {
        named.push(format!("and {} more", count - NAMED));
    }
    named.join("; ")
}
