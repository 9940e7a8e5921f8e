//! The database of the payment API: the charges, each with the marker row of its execution.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Row, query, raw_sql};

use crate::cli::demo::error::DemoError;
use crate::cli::demo::ledger::{Charge, Total};
use crate::settle::marker::{DEFAULT_TABLE, schema_sql};

use super::failure::Failure;

const CHARGES: &str =
    "CREATE TABLE charge (id text PRIMARY KEY, customer text NOT NULL, amount bigint NOT NULL);";

/// The charges in a Postgres.
pub(in crate::cli::demo) struct Database {
    pool: PgPool,
    charges: AtomicUsize,
}

impl Database {
    /// Connects to a database, and makes the tables of the API.
    pub(in crate::cli::demo) async fn open(options: PgConnectOptions) -> Result<Self, DemoError> {
        let tables = AssertSqlSafe(format!("{CHARGES} {}", schema_sql(DEFAULT_TABLE)));
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy_with(options);
        raw_sql(tables).execute(&pool).await.map_err(failed)?;
        Ok(Self { pool, charges: AtomicUsize::new(0) })
    }

    pub(in crate::cli::demo) fn new_id(&self) -> String {
        format!("ch_{}", 101 + self.charges.fetch_add(1, Ordering::Relaxed))
    }

    /// Commits a charge and its marker row in one transaction.
    pub(in crate::cli::demo) async fn book(&self, charge: &Charge) -> Result<(), Failure> {
        self.commit(charge).await.map_err(|error| match error {
            sqlx::Error::Database(error) if error.is_unique_violation() => Failure::Conflict,
            error => Failure::Database(error.to_string()),
        })
    }

    async fn commit(&self, charge: &Charge) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let made = query("INSERT INTO charge (id, customer, amount) VALUES ($1, $2, $3)");
        let made = made.bind(&charge.id).bind(&charge.order.customer).bind(i64::from(charge.order.amount));
        made.execute(&mut *transaction).await?;
        let response = json!({
            "status": 201,
            "headers": { "content-type": "application/json" },
            "body_base64": STANDARD.encode(charge.body()),
        });
        let marked = query("INSERT INTO oncegate_marker (execution, response) VALUES ($1, $2::jsonb)");
        let marked = marked.bind(&charge.execution).bind(response.to_string());
        marked.execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Returns the total of a customer's committed charges.
    pub(in crate::cli::demo) async fn total(&self, customer: &str) -> Result<Total, DemoError> {
        let sql = "SELECT count(*) AS charges, coalesce(sum(amount), 0)::bigint AS amount FROM charge \
                   WHERE customer = $1";
        let row = query(sql).bind(customer).fetch_one(&self.pool).await.map_err(failed)?;
        let number = |name| row.try_get::<i64, _>(name).map(i64::unsigned_abs).map_err(failed);
        let charges = usize::try_from(number("charges")?).unwrap_or(usize::MAX);
        Ok(Total { charges, amount: number("amount")? })
    }
}

fn failed(error: sqlx::Error) -> DemoError {
    DemoError::new(format!("the payment API's database: {error}"))
}
