//! `GET /healthz`: the process is alive and answers. The answer says nothing about the store, because a
//! restart would not bring a store back.

use axum::Json;
use serde_json::{Value, json};

pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "alive" }))
}
