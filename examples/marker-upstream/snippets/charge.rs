//! A charge with its marker row, in one transaction, with sqlx.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use sqlx::{Row, query};

/// A charge to be made.
pub struct Charge<'c> {
    pub key: Option<&'c str>,
    pub amount: i64,
    pub currency: &'c str,
}

/// The result of an execution.
#[derive(Debug)]
pub enum Charged {
    /// A charge that is committed. The value is the body of the answer.
    Made(Value),
    /// An execution that has a row already: a gateway has fenced it, or it has run before. Nothing is left of
    /// this one.
    Conflict,
}

/// Makes a charge under `execution`, the value of the header `Idempotency-Execution`.
///
/// # Errors
/// The database failed. It is not known whether the charge was made.
pub async fn charge(
    database: &PgPool,
    execution: &str,
    charge: Charge<'_>,
    swallows_conflict: bool,
) -> Result<Charged, sqlx::Error> {
    let mut transaction = database.begin().await?;
    let Charge { key, amount, currency } = charge;
    let made =
        query("INSERT INTO charge (idempotency_key, amount, currency) VALUES ($1, $2, $3) RETURNING id")
            .bind(key)
            .bind(amount)
            .bind(currency)
            .fetch_one(&mut *transaction)
            .await?;
    let body = json!({ "id": made.get::<i64, _>("id"), "amount": amount, "currency": currency });
    let response = json!({
        "status": 201,
        "headers": { "content-type": "application/json" },
        "body_base64": STANDARD.encode(body.to_string()),
    });
    let mark = match swallows_conflict {
        false => "INSERT INTO oncegate_marker (execution, response) VALUES ($1, $2::jsonb)",
        // For the test that finds this mistake. No upstream may do it: the charge is made although the
        // execution was fenced.
        true => {
            "INSERT INTO oncegate_marker (execution, response) VALUES ($1, $2::jsonb) ON CONFLICT DO NOTHING"
        }
    };
    match query(mark).bind(execution).bind(response.to_string()).execute(&mut *transaction).await {
        Ok(_) => {}
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            transaction.rollback().await?;
            return Ok(Charged::Conflict);
        }
        Err(error) => return Err(error),
    }
    transaction.commit().await?;
    Ok(Charged::Made(body))
}
