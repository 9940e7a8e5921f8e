//! A payment API that writes a marker row, so that a gateway can settle what became of each execution.
//!
//! ```text
//! cargo run --example marker-upstream -- --database postgres://localhost/payments --listen 127.0.0.1:9000
//! ```
//!
//! `POST /charges` with `{"amount": 1200, "currency": "eur"}` makes a charge, and
//! `GET /charges?idempotency_key=KEY` lists the charges with a key. Both are also below `/v1`.

use std::error::Error;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use clap::Parser;
use http::{HeaderMap, Response, StatusCode, header};
use oncegate::settle::marker::{DEFAULT_TABLE, schema_sql};
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row, raw_sql};
use tokio::net::TcpListener;

use self::charge::{Charge, Charged, charge};

#[path = "snippets/charge.rs"]
mod charge;

/// A payment API with a marker table.
#[derive(Parser)]
struct Args {
    /// The database of the payments: postgres://HOST/DATABASE
    #[arg(long)]
    database: String,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
    /// Ignore the conflict with a fence, as an upstream must not do
    #[arg(long)]
    swallow_conflict: bool,
}

/// The state of the API.
#[derive(Clone)]
struct Api {
    database: PgPool,
    swallows_conflict: bool,
}

/// Returns the API over the database at `url`, with its tables.
///
/// # Errors
/// The database does not answer, or the tables cannot be made.
pub async fn api(url: &str, swallows_conflict: bool) -> Result<Router, sqlx::Error> {
    let database = PgPoolOptions::new().max_connections(8).connect(url).await?;
    let tables = format!("{}{}", schema_sql(DEFAULT_TABLE), include_str!("schema.sql"));
    raw_sql(AssertSqlSafe(tables)).execute(&database).await?;
    let charges = get(list).post(create);
    let routes = Router::new().route("/charges", charges.clone()).route("/v1/charges", charges);
    Ok(routes.with_state(Api { database, swallows_conflict }))
}

/// The body of a request for a charge.
#[derive(Deserialize)]
struct Wanted {
    amount: i64,
    currency: String,
}

async fn create(State(api): State<Api>, headers: HeaderMap, Json(wanted): Json<Wanted>) -> Response<Body> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(execution) = text("idempotency-execution") else {
        return answer(StatusCode::BAD_REQUEST, &json!({ "error": "no Idempotency-Execution" }));
    };
    let Wanted { amount, currency } = wanted;
    let wanted = Charge { key: text("idempotency-key"), amount, currency: &currency };
    match charge(&api.database, execution, wanted, api.swallows_conflict).await {
        Ok(Charged::Made(charge)) => answer(StatusCode::CREATED, &charge),
        Ok(Charged::Conflict) => {
            let mut conflict = answer(StatusCode::CONFLICT, &json!({ "error": "this execution was fenced" }));
            conflict.headers_mut().insert("idempotency-marker", header::HeaderValue::from_static("conflict"));
            conflict
        }
        Err(error) => {
            // The transaction may have been committed, so the gateway has to look: 503 is listed as unknown.
            eprintln!("{execution}: {error}");
            answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "the database failed" }))
        }
    }
}

/// The query of a list.
#[derive(Deserialize)]
struct Sought {
    idempotency_key: String,
}

async fn list(State(api): State<Api>, Query(sought): Query<Sought>) -> Response<Body> {
    let sql = "SELECT id, amount, currency FROM charge WHERE idempotency_key = $1 ORDER BY id";
    let shown = |row: &sqlx::postgres::PgRow| {
        let (id, amount, currency): (i64, i64, String) =
            (row.get("id"), row.get("amount"), row.get("currency"));
        json!({ "id": id, "amount": amount, "currency": currency, "status": "succeeded" })
    };
    match sqlx::query(sql).bind(sought.idempotency_key).fetch_all(&api.database).await {
        Ok(rows) => {
            let charges: Vec<Value> = rows.iter().map(shown).collect();
            answer(StatusCode::OK, &json!({ "data": charges }))
        }
        Err(error) => {
            eprintln!("{error}");
            answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "error": "the database failed" }))
        }
    }
}

fn answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut answer = Response::new(Body::from(body.to_string()));
    *answer.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    answer
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let api = api(&args.database, args.swallow_conflict).await?;
    let listener = TcpListener::bind(args.listen).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, api).await?;
    Ok(())
}
