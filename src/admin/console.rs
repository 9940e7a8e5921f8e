//! `GET /console`: a page on which a person sees the gateway and decides unknown outcomes.
//!
//! The page and its parts are files of this directory, embedded into the program. They hold no data and are
//! served without a token: the page asks `/v1` for all data, with the token that the operator types in. A
//! strict policy (CSP) permits the page its own files and requests to its own origin, and nothing else. No
//! other page may frame it.
//!
//! Without a token, `/v1` is open to the `Host` names of this machine, so the page is as well. With tokens, a
//! foreign `Host` gains nothing, and the page is served under any.

use axum::extract::{Path, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::access::Access;
use super::problem::AdminProblem;
use super::state::AdminState;

const PAGE: &str = include_str!("console/console.html");
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The files of the page: name, content type, content. `uplot` draws the charts; it comes unchanged from its npm
/// package (dist/uPlot.iife.min.js, dist/uPlot.min.css), with its licence.
const FILES: [(&str, &str, &str); 5] = [
    ("console.css", STYLE, include_str!("console/console.css")),
    ("console.js", SCRIPT, include_str!("console/console.js")),
    ("uplot.css", STYLE, include_str!("console/uplot.css")),
    ("uplot.js", SCRIPT, include_str!("console/uplot.js")),
    ("uplot.LICENSE", TEXT, include_str!("console/uplot.LICENSE")),
];

/// Headers of the page and of its files.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Builds the page's paths.
pub(super) fn pages(access: Access) -> Router<AdminState> {
    Router::new()
        .route("/console", get(page))
        .route("/console/{file}", get(file))
        .layer(middleware::from_fn_with_state(access, own_host))
        .layer(middleware::map_response(strict))
}

async fn page() -> Response {
    ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response()
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, content)) => ([(CONTENT_TYPE, *kind)], *content).into_response(),
        None => AdminProblem::http(StatusCode::NOT_FOUND, "the console has no such file").into_response(),
    }
}

/// Refuses a request under a `Host` for which `/v1` is closed.
async fn own_host(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.refuses_page(request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    }
}

async fn strict<B>(mut response: http::Response<B>) -> http::Response<B> {
    let headers: &mut HeaderMap = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}
