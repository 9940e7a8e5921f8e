//! Log lines that a gateway writes about itself when it starts: its upstreams and routes, and the place of
//! its store. A store in the wrong directory is empty, and nothing else would show that.

use tracing::info;

use crate::config::{Config, Route};
use crate::store::{Filter, Ledger, StoreSettings};

/// Number of records that are read to say how many there are.
const MAX_COUNTED: usize = 100;
/// Number of routes and upstreams that are named.
const MAX_NAMED: usize = 50;

/// Logs the store, the upstreams and the routes. `found` says whether the store was there before it was
/// opened.
pub(super) async fn log_settings(config: &Config, ledger: &Ledger, found: Option<bool>) {
    let found = found.map(|found| if found { "found" } else { "new" });
    let settings = &*config.store.settings;
    let (store, records) = (settings.place(), records(settings, ledger).await);
    info!(store, found, records, "store");
    let upstreams = config.upstreams.iter().filter(|(name, _)| !name.is_of_probe());
    let upstreams: Vec<_> = upstreams.map(|(name, upstream)| format!("{name} {}", upstream.url)).collect();
    let routes = config.routes.iter().map(|route| of_route(route));
    let fallback = config.fallback.as_ref().map(|fallback| tracing::field::display(&fallback.upstream));
    info!(upstreams = list(upstreams.into_iter()), routes = list(routes), fallback, "routes");
}

/// Returns about how many records there are, if reading the first of them is cheap.
async fn records(settings: &dyn StoreSettings, ledger: &Ledger) -> Option<String> {
    if !settings.lists_cheaply() {
        return None;
    }
    let page = ledger.page(Filter::default(), MAX_COUNTED).await.ok()?;
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
    let mut named: Vec<_> = all.take(MAX_NAMED).collect();
    if count > MAX_NAMED {
        named.push(format!("and {} more", count - MAX_NAMED));
    }
    named.join("; ")
}
