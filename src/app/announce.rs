//! What a gateway says of itself when it starts: what it stands in front of, and where it keeps what it
//! knows. A store in the wrong directory is empty, and nothing else would show it.

use std::path::Path;

use tracing::info;

use crate::config::{Config, Route, StoreUrl};
use crate::store::{Filter, Ledger};

/// How many records are looked at to say how many there are.
const COUNTED: usize = 100;
/// How many routes and upstreams are named.
const NAMED: usize = 50;
/// The file that every embedded store has.
const MARKER: &str = "oncegate-store";

/// Whether a store was there before it was opened. Only of a directory can that be said beforehand.
pub(super) fn is_found(url: &StoreUrl) -> Option<bool> {
    match url {
        StoreUrl::Memory => Some(false),
        StoreUrl::Embedded(directory) => Some(directory.join(MARKER).exists()),
        StoreUrl::Redis(_) | StoreUrl::Postgres(_) => None,
    }
}

/// Says what the gateway works with; `found` is what [`is_found`] said before the store was opened.
pub(super) async fn told(config: &Config, ledger: &Ledger, found: Option<bool>) {
    let found = found.map(|found| if found { "found" } else { "new" });
    let (store, records) = (place(&config.store.url), records(&config.store.url, ledger).await);
    info!(store, found, records, "store");
    let upstreams = config.upstreams.iter().map(|(name, upstream)| format!("{name} {}", upstream.url));
    let routes = config.routes.iter().map(|route| of_route(route));
    let fallback = config.fallback.as_ref().map(|fallback| tracing::field::display(&fallback.upstream));
    info!(upstreams = list(upstreams), routes = list(routes), fallback, "routes");
}

/// The store without credentials; a directory as the rest of the machine knows it.
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

/// About how many records there are, where a look at the first of them is cheap. Redis would have to walk
/// through its keys.
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
