//! The admin listener: health, metrics, the records of operations, and a console for people.
//!
//! `/healthz`, `/readyz` and `/metrics` never ask for a token. The paths under `/v1` are for operators. They
//! are guarded by [`Access`], and a change requested by a page of another origin is refused. Answers are
//! JSON, no cache may keep them, and errors are problems (RFC 9457). Keys, credentials and bodies appear in
//! no log; a stored response is shown only on request. Each change, refusal and showing of a stored response
//! is one line of the audit log, with the operator's name and address.
//!
//! The protocol decides what an operator may do. This module writes to a store only through the
//! [`Ledger`](crate::store::Ledger), so a resolution and a late completion cannot undo each other.

use axum::extract::{DefaultBodyLimit, Request};
use axum::routing::{get, post};
use axum::{Router, middleware};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};

mod about;
mod accept_clock;
mod access;
mod audit;
mod configuration;
mod console;
mod delete;
mod gateway;
mod healthz;
mod history;
mod input;
mod last_reloads;
mod list;
mod lookup;
mod metrics;
mod operator;
mod origin;
mod problem;
mod quota;
mod readyz;
mod record_ids;
mod reload;
mod reloaded;
mod reopen;
mod resolve;
mod response;
mod routes;
mod short_id;
mod show;
mod state;
mod status;
mod tail;
mod traffic;
mod view;

pub use about::About;
pub use access::Access;
pub use configuration::{Configuration, ReloadRequest};
pub use last_reloads::LastReloads;
pub use reloaded::{ReloadRefusal, Reloaded};
pub use state::AdminState;

use access::Guard;
use problem::AdminProblem;

/// Largest request body, in bytes: a resolution with a response.
const BODY_LIMIT: usize = 2 * 1024 * 1024;

/// Builds the whole admin interface.
pub fn router(state: AdminState) -> Router {
    let records = Router::new()
        .route("/records", get(list::list))
        .route("/records/{id}", get(show::show).delete(delete::delete))
        .route("/records/{id}/resolve", post(resolve::resolve))
        .route("/records/{id}/reopen", post(reopen::reopen))
        .route("/lookup", post(lookup::lookup))
        .route("/record-ids", post(record_ids::record_ids))
        .route("/accept-clock", post(accept_clock::accept_clock))
        .route("/status", get(status::status))
        .route("/traffic", get(traffic::traffic))
        .route("/tail", get(tail::tail))
        .route("/gateway", get(gateway::gateway))
        .route("/reload", post(reload::reload))
        .route("/routes", get(routes::routes))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Guard::new(state.access.clone()), access::guard));
    Router::new()
        .route("/healthz", get(healthz::healthz))
        .route("/readyz", get(readyz::readyz))
        .route("/metrics", get(metrics::metrics))
        .nest("/v1", records)
        .merge(console::pages(state.access.clone()))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::map_response(uncached))
        .with_state(state)
}

/// Forbids caches to keep an answer, because it describes the present only.
async fn uncached<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn unknown_path() -> AdminProblem {
    AdminProblem::http(StatusCode::NOT_FOUND, "there is nothing at this path")
}

async fn wrong_method(request: Request) -> AdminProblem {
    let detail = format!("{} is not possible here", request.method());
    AdminProblem::http(StatusCode::METHOD_NOT_ALLOWED, detail)
}
