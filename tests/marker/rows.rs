//! The rows that a fence or a read finds.

use oncegate::settle::marker::{DEFAULT_TABLE, MarkerTable, Row, TableError, schema_sql};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, raw_sql};

use crate::servers::postgres::{Server, shared};
use crate::{Payments, TIMEOUT, client, made};

/// An open transaction of an upstream that has inserted the row of `execution`.
async fn inserted(server: &PgConnectOptions, table: &str, execution: &str) -> PgConnection {
    let mut upstream = server.connect().await.expect("a connection");
    let sql = format!("BEGIN; INSERT INTO {table} (execution) VALUES ('{execution}')");
    run(&mut upstream, &sql).await;
    upstream
}

async fn run(connection: &mut PgConnection, sql: &str) {
    raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

#[tokio::test]
async fn a_fence_without_a_row_wins_and_stays() {
    let server = shared();
    let table = made(&server).await;
    let client = client(server.port, &table);
    assert_eq!(client.read("a:1").await, Ok(None));
    for _ in 0..2 {
        assert_eq!(client.fence("a:1").await, Ok(Row::Fenced));
        assert_eq!(client.read("a:1").await, Ok(Some(Row::Fenced)));
    }
    assert_eq!(client.read("a:2").await, Ok(None), "another execution");
    assert_eq!(server.value::<i64>(&format!("SELECT count(*) FROM {table}")).await, 1);
    let upstream = server.try_run(&format!("INSERT INTO {table} (execution) VALUES ('a:1')")).await;
    let refused = upstream.expect_err("the row of the fence is in the way");
    assert!(refused.as_database_error().is_some_and(|error| error.is_unique_violation()), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_fences_at_once_agree() {
    let server = shared();
    let table = made(&server).await;
    let client = std::sync::Arc::new(client(server.port, &table));
    let mut fences = tokio::task::JoinSet::new();
    for number in 0..40 {
        let client = std::sync::Arc::clone(&client);
        fences.spawn(async move { client.fence(&format!("a:{}", number / 20)).await });
    }
    assert_eq!(fences.join_all().await, vec![Ok(Row::Fenced); 40]);
    assert_eq!(server.value::<i64>(&format!("SELECT count(*) FROM {table} WHERE fenced")).await, 2);
}

#[tokio::test]
async fn a_committed_row_is_found_with_the_response_that_it_has() {
    let server = shared();
    let table = made(&server).await;
    let client = client(server.port, &table);
    let response =
        r#"{"status": 201, "headers": {"Location": "/c/7", "Connection": "close"}, "body_base64": "e30="}"#;
    server
        .run(&format!(
            "INSERT INTO {table} (execution, response) VALUES ('a:1', NULL), ('a:2', '{response}'), \
             ('a:3', '{{\"status\": 7}}'), ('a:4', 'null'), \
             ('a:5', jsonb_build_object('status', 200, 'body_base64', repeat('AAAA', 1 << 23)))"
        ))
        .await;
    for execution in ["a:1", "a:3", "a:4", "a:5"] {
        assert_eq!(client.fence(execution).await, Ok(Row::Committed(None)), "{execution}");
        assert_eq!(client.read(execution).await, Ok(Some(Row::Committed(None))), "{execution}");
    }
    let Ok(Row::Committed(Some(stored))) = client.fence("a:2").await else { panic!("no response") };
    assert_eq!((stored.status.as_u16(), &*stored.body), (201, &b"{}"[..]));
    let names: Vec<_> = stored.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["location"]);
    assert_eq!(server.value::<i64>(&format!("SELECT count(*) FROM {table} WHERE fenced")).await, 0);
}

/// A read does not wait: the row is not there yet. A fence waits, and never longer than its timeout.
#[tokio::test]
async fn a_row_in_an_open_transaction_keeps_the_outcome_open() {
    let server = shared();
    let table = made(&server).await;
    let client = client(server.port, &table);
    for (end, expected) in [("COMMIT", Row::Committed(None)), ("ROLLBACK", Row::Fenced)] {
        let execution = format!("{}:1", end.to_lowercase());
        let mut upstream = inserted(&server.options(), &table, &execution).await;
        let started = std::time::Instant::now();
        assert_eq!(client.fence(&execution).await, Err(TableError::Busy));
        assert!(started.elapsed() < TIMEOUT, "{:?}", started.elapsed());
        assert_eq!(client.read(&execution).await, Ok(None));
        run(&mut upstream, end).await;
        assert_eq!(client.fence(&execution).await, Ok(expected));
    }
}

/// The transaction ends while the fence waits for it, whatever isolation the database has by default.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_fence_sees_how_the_transaction_ends() {
    let server = shared();
    for isolation in ["read committed", "serializable"] {
        let payments = Payments::on(&server).await;
        payments.run(&schema_sql(DEFAULT_TABLE)).await;
        let database = format!("current_database(), '{isolation}'");
        let set = "'ALTER DATABASE %I SET default_transaction_isolation = %L'";
        payments.run(&format!("DO $$ BEGIN EXECUTE format({set}, {database}); END $$")).await;
        for (end, expected) in [("COMMIT", Row::Committed(None)), ("ROLLBACK", Row::Fenced)] {
            let execution = format!("{}:1", end.to_lowercase());
            let table = MarkerTable::new(&payments.url, DEFAULT_TABLE, 20 * TIMEOUT).expect("a plain table");
            let mut upstream = inserted(&payments.options, DEFAULT_TABLE, &execution).await;
            let fence = {
                let execution = execution.clone();
                tokio::spawn(async move { table.fence(&execution).await })
            };
            let waits = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
                 AND datname = current_database() AND query LIKE '%{execution}%'"
            );
            while payments.value(&waits).await == 0 {}
            run(&mut upstream, end).await;
            assert_eq!(fence.await.expect("no panic"), Ok(expected), "{isolation}");
        }
    }
}

/// A caller that goes away leaves no connection behind that a later caller could get a late answer from.
#[tokio::test]
async fn a_caller_that_goes_away_takes_its_connection_with_it() {
    let server = shared();
    let table = made(&server).await;
    let client = client(server.port, &table);
    assert_eq!(client.read("a:1").await, Ok(None));
    let mut upstream = inserted(&server.options(), &table, "a:1").await;
    for _ in 0..8 {
        let gone = tokio::time::timeout(std::time::Duration::from_millis(50), client.fence("a:1")).await;
        assert!(gone.is_err(), "{gone:?}");
    }
    assert_eq!(client.fence("a:2").await, Ok(Row::Fenced));
    run(&mut upstream, "COMMIT").await;
    assert_eq!(client.fence("a:1").await, Ok(Row::Committed(None)));
}

#[tokio::test]
async fn the_schema_is_made_once_and_holds_the_default_table() {
    let server = Server::start();
    let sql = schema_sql(DEFAULT_TABLE);
    for _ in 0..2 {
        server.run(&sql).await;
    }
    let client = client(server.port, DEFAULT_TABLE);
    assert_eq!(client.fence("a:1").await, Ok(Row::Fenced));
    let columns: String = server
        .value(
            "SELECT string_agg(column_name || ' ' || data_type || ' ' || is_nullable, ', ' ORDER BY ordinal_position) \
             FROM information_schema.columns WHERE table_name = 'oncegate_marker'",
        )
        .await;
    assert_eq!(
        columns,
        "execution text NO, fenced boolean NO, response jsonb YES, created_at timestamp with time zone NO"
    );
    let again = server.try_run("INSERT INTO oncegate_marker (execution) VALUES ('a:1')").await;
    assert!(again.is_err(), "the execution is the primary key");
}
