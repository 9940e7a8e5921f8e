//! The store that a configuration names, opened.

use std::sync::Arc;

use crate::config::Config;
use crate::store::{LongestTtl, Store, Terms};
use crate::workers::Workers;

use super::clock;
use super::start_deadline::{OpenFailure, StartDeadline};
use super::start_error::StartError;

/// Opens the store that the configuration names, and waits for one that is not there yet.
pub(super) async fn open(
    config: &Config,
    terms: &Terms,
    deadline: &mut StartDeadline,
) -> Result<Arc<dyn Store>, StartError> {
    let settings = &config.store.settings;
    loop {
        match settings.open(terms.clone()).await {
            Ok(store) => return Ok(store),
            Err(error) => {
                let cause = format!("{}: {error}", settings.key());
                deadline.wait_after(OpenFailure { cause, may_pass: error.may_pass() }).await?;
            }
        }
    }
}

/// Returns what this configuration asks of its store.
pub(super) fn terms(config: &Config, workers: Workers, longest_ttl: LongestTtl) -> Terms {
    Terms {
        timeout: config.store.timeout,
        workers,
        longest_ttl,
        largest_response: largest_response(config),
        clock: clock::limits(config),
    }
}

/// Returns the most bytes that one response takes in the store: a body and a head.
pub(super) fn largest_response(config: &Config) -> u64 {
    let body = config.routes.iter().map(|route| route.max_response_body).max().unwrap_or(0);
    let head = config.upstreams.values().map(|upstream| upstream.response_head_limit).max().unwrap_or(0);
    body.saturating_add(head) as u64
}
