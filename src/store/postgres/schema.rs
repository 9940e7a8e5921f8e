//! The tables and their migrations.
//!
//! Each version is one migration in one transaction, which first writes its own number into the table
//! `migration`. If many gateways start at once, one writes that row; the others wait for it and find the work
//! done. A migration also says which version a gateway must know to run beside it. Therefore a gateway that
//! is older than the tables either works or refuses to start.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Row, SqlSafeStr, query};
use tokio::time::{Instant, sleep, timeout};

use crate::backoff::jittered;

use super::failure::Failure;
use super::index;
use super::session::Session;
use super::statements::within;

/// A version of the tables.
struct Migration {
    version: i32,
    /// The version that a gateway has to know to work with these tables.
    needs: i32,
    script: &'static str,
}

const MIGRATIONS: [Migration; 4] = [
    Migration { version: 1, needs: 1, script: include_str!("sql/1.sql") },
    Migration { version: 2, needs: 1, script: include_str!("sql/2.sql") },
    Migration { version: 3, needs: 1, script: include_str!("sql/3.sql") },
    Migration { version: 4, needs: 1, script: include_str!("sql/4.sql") },
];

const FOUNDATION: &str = "CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.migration (
    version integer NOT NULL PRIMARY KEY,
    needs integer NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
";

const RIGHTS: &str = "
-- What the role of the gateways needs, where it is not the owner:
-- GRANT USAGE ON SCHEMA {schema} TO gateway;
-- GRANT SELECT ON {schema}.migration TO gateway;
-- GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.record, {schema}.response, {schema}.ready, {schema}.names, {schema}.clock, {schema}.document TO gateway;
";

/// SQLSTATE codes that gateways migrating at the same moment may cause.
const RACES: [&str; 6] = ["23505", "40P01", "42710", "42P06", "42P07", "55P03"];
/// The longest time that one migration may take.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest wait before checking again whether another gateway has done the migration.
const PAUSE: Duration = Duration::from_millis(50);

/// Returns the SQL that creates the tables in `schema`, for an operator who applies it by hand.
#[must_use]
pub fn print(schema: &str) -> String {
    let scripts: Vec<String> = MIGRATIONS.iter().map(|migration| migration.script(schema)).collect();
    format!("{}{}{}", scripts.join("\n"), index::by_hand(schema), within(schema, RIGHTS))
}

impl Migration {
    fn script(&self, schema: &str) -> String {
        let Self { version, needs, script } = self;
        let text = format!(
            "BEGIN;\nSET LOCAL lock_timeout = 0;\nSET LOCAL statement_timeout = 0;\n{FOUNDATION}INSERT INTO {{schema}}.migration (version, needs) VALUES ({version}, {needs});\n\
             \n{script}COMMIT;\n"
        );
        within(schema, &text)
    }
}

/// Creates or changes the tables to the version of this gateway.
///
/// # Errors
/// The tables need a newer gateway, or the role may not create them.
pub(super) async fn migrate(session: &mut Session, schema: &str) -> Result<(), Failure> {
    let give_up_at = Instant::now() + LONGEST;
    for migration in &MIGRATIONS {
        loop {
            let applied = applied(session, schema).await?;
            fits(schema, &applied)?;
            if applied.iter().any(|(version, _)| *version == migration.version) {
                break;
            }
            match apply(session, migration, schema).await {
                Ok(()) => tracing::info!(schema, version = migration.version, "made the tables of the store"),
                Err(Failure::Refused { code, .. })
                    if RACES.contains(&&*code) && Instant::now() < give_up_at =>
                {
                    sleep(jittered(PAUSE)).await;
                }
                Err(Failure::Refused { code, text }) if code == "42501" => return Err(not_allowed(&text)),
                Err(failure) => return Err(failure),
            }
        }
    }
    Ok(())
}

/// Tells whether all tables are there.
///
/// # Errors
/// The tables need a newer gateway.
pub(super) async fn check(session: &mut Session, schema: &str) -> Result<bool, Failure> {
    let applied = applied(session, schema).await?;
    fits(schema, &applied)?;
    let is_applied = |known: &Migration| applied.iter().any(|(version, _)| *version == known.version);
    Ok(MIGRATIONS.iter().all(is_applied))
}

/// Returns the versions of the existing tables, each with the version that it needs.
async fn applied(session: &mut Session, schema: &str) -> Result<Vec<(i32, i32)>, Failure> {
    let exists = query("SELECT to_regclass($1) IS NOT NULL AS there").bind(format!("{schema}.migration"));
    let rows = session.ask(exists).await?;
    if !rows.first().map_or(Ok(false), |row| row.try_get("there"))? {
        return Ok(Vec::new());
    }
    let text = within(schema, "SELECT version, needs FROM {schema}.migration");
    let rows = session.ask(query(AssertSqlSafe(text))).await?;
    rows.iter().map(|row| Ok((row.try_get("version")?, row.try_get("needs")?))).collect()
}

fn fits(schema: &str, applied: &[(i32, i32)]) -> Result<(), Failure> {
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    match applied.iter().find(|(_, needs)| *needs > known) {
        Some((version, _)) => Err(Failure::wrong(format!(
            "the tables in the schema {schema} have version {version}, which needs a newer gateway"
        ))),
        None => Ok(()),
    }
}

async fn apply(session: &mut Session, migration: &Migration, schema: &str) -> Result<(), Failure> {
    let run = async {
        let applied = session.run(AssertSqlSafe(migration.script(schema)).into_sql_str()).await;
        if applied.is_err() {
            session.run("ROLLBACK".into_sql_str()).await?;
        }
        applied
    };
    let late = |_| Err(Failure::unclear(format!("a migration took longer than {LONGEST:?}")));
    timeout(LONGEST, run).await.unwrap_or_else(late)
}

fn not_allowed(text: &str) -> Failure {
    Failure::wrong(format!(
        "{text}: the tables are missing and this role may not make them; apply what `oncegate check \
         --print-schema` prints as their owner"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_from_one_and_none_needs_a_later_one() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.version as usize, index + 1);
            assert!((1..=migration.version).contains(&migration.needs));
        }
    }

    #[test]
    fn tables_of_a_newer_gateway_are_used_if_they_allow_it() {
        let newest = MIGRATIONS.len() as i32;
        assert!(fits("s", &[(1, 1), (newest + 1, newest)]).is_ok());
        let refused = fits("s", &[(1, 1), (newest + 1, newest + 1)]).expect_err("too new");
        assert!(refused.to_string().contains("newer gateway"), "{refused}");
    }
}
