//! A table or a server that cannot answer: the call ends in time, and no answer is invented.

use std::time::{Duration, Instant};

use oncegate::settle::marker::{MarkerTable, Row, TableError};

use crate::servers::postgres::{Server, shared};
use crate::servers::proxy::{Proxy, Wire};
use crate::{TIMEOUT, client, made, url};

fn unavailable<T>(answer: &Result<T, TableError>, why: &str) -> bool {
    matches!(answer, Err(TableError::Unavailable(cause)) if cause.contains(why))
}

#[tokio::test]
async fn a_table_that_is_missing_or_other_is_named() {
    let server = shared();
    let table = made(&server).await;
    server
        .run(&format!("CREATE TABLE {table}_keyless (execution text, fenced boolean, response jsonb)"))
        .await;
    server.run(&format!("CREATE TABLE {table}_other (execution text PRIMARY KEY)")).await;
    for (suffix, why) in [("_none", "_none"), ("_keyless", "no unique"), ("_other", "fenced")] {
        let client = client(server.port, &format!("{table}{suffix}"));
        let Err(TableError::Unusable(cause)) = client.fence("a:1").await else { panic!("{suffix}") };
        assert!(cause.contains(why), "{cause}");
    }
    let refused = MarkerTable::new(&url(server.port), &table, TIMEOUT).expect("plain").fence("a'1").await;
    assert!(matches!(refused, Err(TableError::Unusable(_))), "{refused:?}");
}

#[test]
fn a_url_or_a_table_that_does_not_fit_is_refused_at_once() {
    let refused = |url: &str, table: &str| MarkerTable::new(url, table, TIMEOUT).err().expect("a refusal");
    assert!(refused("mysql://me:secret@db/pay", "m").contains("postgres://"));
    assert!(refused("postgres://db/pay", "m; DROP TABLE m").contains("TABLE"));
    assert!(!refused("postgres://me:sec/ret@db/pay", "m").contains("ret@"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_refused_and_the_primary_is_found() {
    let primary = Server::start();
    let table = made(&primary).await;
    let standby = primary.standby(&[]);
    let alone = client(standby.port, &table);
    assert!(unavailable(&alone.read("a:1").await, "standby"));
    assert!(unavailable(&alone.fence("a:1").await, "standby"));
    let both = format!("127.0.0.1:{},127.0.0.1:{}", standby.port, primary.port);
    let both = format!("postgres://oncegate@{both}/postgres?sslmode=disable");
    let both = MarkerTable::new(&both, &table, 5 * TIMEOUT).expect("a plain table");
    assert_eq!(both.fence("a:1").await, Ok(Row::Fenced));
    let end: String = primary.value("SELECT pg_current_wal_flush_lsn()::text").await;
    while !standby.value::<bool>(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'")).await {}
    drop(primary);
    assert!(both.read("a:2").await.is_err(), "a standby cannot say that there is no row");
    tokio::task::block_in_place(|| standby.promote());
    assert_eq!(both.fence("a:1").await, Ok(Row::Fenced));
    assert_eq!(both.read("a:2").await, Ok(None));
}

/// A kept connection to a primary that becomes a standby answers no longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_a_standby_after_a_restart_is_not_believed() {
    let mut server = Server::start();
    let table = made(&server).await;
    let client = client(server.port, &table);
    assert_eq!(client.read("a:1").await, Ok(None));
    tokio::task::block_in_place(|| {
        server.kill();
        std::fs::write(server.data().join("standby.signal"), "").expect("a file");
        server.start_again();
    });
    assert!(unavailable(&client.read("a:1").await, "standby"));
    assert!(unavailable(&client.fence("a:1").await, "standby"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_restarts_costs_no_answer_and_forgets_no_fence() {
    let mut server = Server::start();
    let table = made(&server).await;
    // Fences are written with synchronous commits, whatever the database does otherwise.
    server.run("ALTER DATABASE postgres SET synchronous_commit = off").await;
    let client = client(server.port, &table);
    for number in 0..4 {
        assert_eq!(client.fence(&format!("a:{number}")).await, Ok(Row::Fenced));
        tokio::task::block_in_place(|| server.restart());
        assert_eq!(client.read(&format!("a:{number}")).await, Ok(Some(Row::Fenced)));
    }
    server.kill();
    assert!(unavailable(&client.fence("a:1").await, "127.0.0.1"));
}

/// The insert is made and its answer is lost. The caller knows nothing, and asks again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_whose_answer_is_lost_is_an_error_and_can_be_repeated() {
    let server = shared();
    let table = made(&server).await;
    let proxy = Proxy::to(server.port).await;
    let client = MarkerTable::new(&url(proxy.port), &table, Duration::from_millis(500)).expect("plain");
    assert_eq!(client.read("a:1").await, Ok(None));
    for wire in [Wire::Mute, Wire::Lose, Wire::Cut] {
        proxy.set(wire);
        let started = Instant::now();
        let lost = client.fence("a:1").await;
        assert!(unavailable(&lost, ""), "{wire:?}: {lost:?}");
        assert!(started.elapsed() < Duration::from_secs(3), "{wire:?}: {:?}", started.elapsed());
    }
    proxy.set(Wire::Whole);
    assert_eq!(client.fence("a:1").await, Ok(Row::Fenced));
}

/// Callers that wait for a connection wait no longer than their timeout, and later callers get one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_callers_than_connections_end_in_time() {
    let server = shared();
    let table = made(&server).await;
    let client = std::sync::Arc::new(client(server.port, &table));
    server.run_each(&[&format!("INSERT INTO {table} (execution) VALUES ('a:0')")]).await;
    let mut operator = sqlx::ConnectOptions::connect(&server.options()).await.expect("a connection");
    let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut operator).await.expect("a lock");
    let started = Instant::now();
    let mut fences = tokio::task::JoinSet::new();
    for number in 0..32 {
        let client = std::sync::Arc::clone(&client);
        fences.spawn(async move { client.fence(&format!("a:{number}")).await });
    }
    let answers = fences.join_all().await;
    assert!(started.elapsed() < 2 * TIMEOUT, "{:?}", started.elapsed());
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    assert!(answers.contains(&Err(TableError::Busy)), "{answers:?}");
    sqlx::Connection::close(operator).await.expect("the lock is gone");
    assert_eq!(client.fence("a:0").await, Ok(Row::Committed(None)));
}
