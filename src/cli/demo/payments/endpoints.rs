//! The two endpoints of the payment API.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::json;

use crate::cli::demo::ledger::{CURRENCY, Order};

use super::state::ApiState;

/// The largest request body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

pub(super) async fn answer(
    state: Arc<ApiState>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/charges") => Ok(charge(state, request).await),
        (&Method::GET, "/v1/charges") => Ok(ledger(&state)),
        (_, "/v1/charges") => Ok(refusal(StatusCode::METHOD_NOT_ALLOWED, "POST a charge or GET the ledger")),
        _ => Ok(refusal(StatusCode::NOT_FOUND, "there is only /v1/charges here")),
    }
}

async fn charge(state: Arc<ApiState>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let execution = request.headers().get("idempotency-execution");
    let execution = execution.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let order = match order(request.into_body()).await {
        Ok(order) => order,
        Err(reason) => return refusal(StatusCode::BAD_REQUEST, &reason),
    };
    // The charge runs in its own task: hyper drops this function when the client goes away, but a payment
    // that has begun must not stop then.
    match tokio::spawn(async move { state.charge(order, execution).await }).await {
        Ok(charge) => response(StatusCode::CREATED, charge.body()),
        Err(panic) => refusal(StatusCode::INTERNAL_SERVER_ERROR, &panic.to_string()),
    }
}

async fn order(body: Incoming) -> Result<Order, String> {
    let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(|error| error.to_string())?;
    let order: Order = serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string())?;
    match order {
        Order { amount: 0, .. } => Err("amount: at least 1 cent".into()),
        Order { ref currency, .. } if currency != CURRENCY => Err(format!("currency: only {CURRENCY}")),
        order => Ok(order),
    }
}

fn ledger(state: &ApiState) -> Response<Full<Bytes>> {
    let mut text = serde_json::to_vec_pretty(&state.ledger()).expect("strings and numbers always serialize");
    text.push(b'\n');
    response(StatusCode::OK, text)
}

fn refusal(status: StatusCode, reason: &str) -> Response<Full<Bytes>> {
    response(status, format!("{}\n", json!({ "error": reason })).into_bytes())
}

fn response(status: StatusCode, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
