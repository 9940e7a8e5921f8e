//! An axum app that runs each charge once, even if a client asks for it many times.
//!
//! ```text
//! cargo run --no-default-features --example layer
//! curl -i http://127.0.0.1:8080/v1/charges -H 'Authorization: Bearer me' -H 'Idempotency-Key: a-1' -d 1200
//! ```
//!
//! The second time curl prints the same charge, and `Idempotent-Replayed: true`.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::{get, post};
use oncegate::config::ConfigErrors;
use oncegate::gateway::GatewayBuilder;
use oncegate::store::memory::MemoryStore;
use tokio::net::TcpListener;

static CHARGES: AtomicU64 = AtomicU64::new(0);

async fn charge(amount: String) -> String {
    format!("charge {} of {amount}\n", CHARGES.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Returns the app. The layer passes on every request that no route protects.
pub fn app() -> Result<Router, ConfigErrors> {
    let once = GatewayBuilder::new(MemoryStore::default()).protect("charges", "/v1/charges").build()?;
    let routes = Router::new().route("/v1/charges", post(charge)).route("/", get(|| async { "hello\n" }));
    Ok(routes.layer(once))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    axum::serve(TcpListener::bind("127.0.0.1:8080").await?, app()?).await?;
    Ok(())
}
