//! The possible losses of a store: when they happen, their effect on the promises, and the settings that
//! reduce them.
//!
//! The questions are the same for each store: a crash, a failover, and the loss of the whole store. The
//! promise at stake is the same too. "At most once" holds provided that the store keeps what it acknowledged.
//! A key that the store lost looks new, and its operation runs again when it is retried.

use crate::cli::page::Page;
use crate::config::Config;
use crate::config::units::Span;
use crate::store::ClockSource;

/// Writes the possible losses of the configured store.
pub(super) fn write(page: &mut Page, config: &Config) {
    page.heading("What the store may lose: such a key looks new, and at most once does not hold for it");
    for (when, what) in config.store.settings.losses() {
        page.row(when, &what);
    }
    if let Some(text) = clock(config) {
        page.row("a clock that jumps", &text);
    }
    page.row(
        "lost or restored",
        "Everything, or what came after the backup. serve --not-before TIME refuses new operations for one \
         ttl, so that retries of what was forgotten do not run again; docs/stores.md says how.",
    );
}

/// Describes the effect of a jump of the store's clock; `None` if no clock that can jump is used.
fn clock(config: &Config) -> Option<String> {
    let (ttl, retention) = (Span(config.shortest_ttl()?), Span(config.shortest_retention()?));
    let at_start = format!(
        "At a start, more than {retention} (the shortest ttl and tombstone_ttl together) ahead of what was last noted, with \
         records there"
    );
    let accept = "serve --accept-clock or POST /v1/accept-clock accepts it";
    match config.store.settings.clock() {
        ClockSource::Process => None,
        ClockSource::Machine => Some(format!(
            "Nothing runs again in silence. {at_start}: nothing begins and nothing is forgotten until the clock is \
             right or {accept}. More than {ttl} (the shortest ttl) warns. While the gateway runs no jump counts."
        )),
        ClockSource::Server => Some(format!(
            "Nothing runs again in silence. {at_start}; while a gateway runs, more than {ttl} (the shortest ttl) off, \
             forwards or back: nothing begins and nothing is forgotten until the clock is right or {accept}."
        )),
    }
}
