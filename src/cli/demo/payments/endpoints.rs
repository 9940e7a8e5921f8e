//! The endpoints of the payment API.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::json;

use crate::cli::demo::ledger::{CURRENCY, Order};

use super::failure::Failure;
use super::state::{ApiState, Names};

/// The largest request body, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Answers a request.
///
/// # Errors
/// [`Failure::AnswerLost`], after which the connection is closed without an answer.
pub(super) async fn answer(
    state: Arc<ApiState>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Failure> {
    match (request.method(), request.uri().path(), key_of(request.uri())) {
        (&Method::POST, "/v1/charges", _) => charge(state, request).await,
        (&Method::GET, "/v1/charges", Some(key)) => {
            state.asked(request.uri().to_string());
            Ok(with_key(&state, key))
        }
        (&Method::GET, "/v1/charges", None) => Ok(ledger(&state)),
        (_, "/v1/charges", _) => {
            Ok(refusal(StatusCode::METHOD_NOT_ALLOWED, "POST a charge or GET the ledger"))
        }
        _ => Ok(refusal(StatusCode::NOT_FOUND, "there is only /v1/charges here")),
    }
}

/// Returns the key that a query asks for.
fn key_of(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("idempotency_key="))
}

async fn charge(state: Arc<ApiState>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Failure> {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let names = Names { execution: text("idempotency-execution"), key: text("idempotency-key") };
    let order = match order(request.into_body()).await {
        Ok(order) => order,
        Err(reason) => return Ok(refusal(StatusCode::BAD_REQUEST, &reason)),
    };
    // The charge runs in its own task: hyper drops this function when the client goes away, but a payment
    // that has begun must not stop then.
    match tokio::spawn(async move { state.charge(order, names).await }).await {
        Ok(Ok(charge)) => Ok(response(StatusCode::CREATED, charge.body())),
        Ok(Err(lost @ Failure::AnswerLost)) => Err(lost),
        Ok(Err(conflict @ Failure::Conflict)) => {
            let mut conflict = refusal(StatusCode::CONFLICT, &conflict.to_string());
            conflict.headers_mut().insert("idempotency-marker", HeaderValue::from_static("conflict"));
            Ok(conflict)
        }
        // The charge may have been committed, so the gateway has to look: 503 leaves the outcome unknown.
        Ok(Err(failure @ Failure::Database(_))) => {
            Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, &failure.to_string()))
        }
        Err(panic) => Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, &panic.to_string())),
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

fn with_key(state: &ApiState, key: &str) -> Response<Full<Bytes>> {
    match state.ledger().booked_under(key) {
        Some(charge) => response(StatusCode::OK, charge.body()),
        None => refusal(StatusCode::NOT_FOUND, "no charge has this key"),
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
