//! A store that goes away, refuses, or gives wrong answers: no record is taken for absent, and the store
//! recovers by itself.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use oncegate::store::postgres::{PostgresStore, Settings};
use oncegate::store::{Claimed, Ledger, Store, StoreError, Terms};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use super::{TIMEOUT, settings, store, terms};
use crate::away::{self, recovered, try_claim, unavailable};
use crate::bench::{Bench, STILL, claim, complete, id, owner, response_of};
use crate::decisions;
use crate::events::{Event, Verdict};
use crate::servers::postgres::{Server, shared};
use crate::servers::proxy::Proxy;
use crate::servers::redis::until;

pub async fn through_a_proxy(server: &Server) -> (Proxy, Arc<PostgresStore>) {
    let proxy = Proxy::to(server.port).await;
    let servers = vec![server.options().port(proxy.port)];
    let behind = Settings { servers, ..settings(server) };
    let terms = Terms { timeout: away::TIMEOUT, ..terms() };
    (proxy, Arc::new(PostgresStore::open(behind, terms).await.expect("a store")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_not_there_is_named_at_start() {
    let mut server = Server::start();
    server.kill();
    let refused = PostgresStore::open(settings(&server), terms()).await.err().expect("a refusal").to_string();
    assert!(refused.contains(&format!("127.0.0.1:{}", server.port)), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_is_lost_is_unclear() {
    let server = shared();
    let (proxy, store) = through_a_proxy(&server).await;
    away::a_claim_whose_answer_is_lost_is_unclear(proxy, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_wire_costs_one_timeout_and_heals() {
    let server = shared();
    let (proxy, store) = through_a_proxy(&server).await;
    away::a_cut_wire_costs_one_timeout_and_heals(proxy, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_used_again() {
    let server = Server::start();
    let (store, server) = (store(&server).await, Mutex::new(server));
    let kill = || server.lock().expect("a lock").kill();
    let start_again = || server.lock().expect("a lock").start_again();
    away::a_server_that_comes_back_is_used_again(&store, TIMEOUT, kill, start_again).await;
}

/// A pooler such as PgBouncer refuses a connection with any start parameter that it does not know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_starts_with_nothing_that_a_pooler_refuses() {
    let pooler = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = pooler.local_addr().expect("an address").port();
    let first = tokio::spawn(async move {
        let (mut socket, _) = pooler.accept().await.expect("a connection");
        let length = socket.read_u32().await.expect("a length");
        let mut start = vec![0; length as usize - 4];
        socket.read_exact(&mut start).await.expect("the start");
        start
    });
    let server = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("oncegate")
        .ssl_mode(PgSslMode::Disable);
    let settings = Settings::of(vec![server], "oncegate");
    assert!(PostgresStore::open(settings, Terms::new(TIMEOUT)).await.is_err(), "it hung up");
    let start = first.await.expect("no panic");
    // The version of the protocol, and then names and values, each ended by a zero.
    let words: Vec<_> = start[4..].split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let names: Vec<_> = words.iter().step_by(2).filter(|name| !name.is_empty()).collect();
    // The parameters that PgBouncer takes. It keeps the last four of them for each client.
    let taken = ["user", "database", "application_name", "client_encoding", "DateStyle", "TimeZone"];
    assert!(names.iter().all(|name| taken.contains(&name.as_ref())), "{names:?}");
}

/// An operator ends all sessions, between two statements or in the middle of a waiting one. Nothing was
/// committed, so the store sends every statement again, and no caller gets an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_ended_by_an_operator_cost_no_answer() {
    let server = Server::start();
    let store = store(&server).await;
    let mut operator = server.options().connect().await.expect("a connection");
    let mut number = 0;
    for _ in 0..5 {
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'oncegate'",
        )
        .execute(&mut operator)
        .await
        .expect("an operator's right");
        for _ in 0..20 {
            number += 1;
            let first = claim(owner(number), STILL).first(Default::default());
            let claimed = store.claim(id(number), first).await;
            assert!(matches!(claimed, Ok(Claimed::Won(_))), "{number}: {claimed:?}");
        }
    }
}

/// The statement waits for a row that another session keeps locked when its own session is ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_ended_in_a_statement_is_asked_again() {
    let server = Server::start();
    let usual = Settings { schema: "oncegate".into(), ..settings(&server) };
    let bench = Bench::of(Arc::new(PostgresStore::open(usual, terms()).await.expect("a store")));
    bench.won(id(1), owner(1), STILL).await;
    let mut operator = server.options().connect().await.expect("a connection");
    let mut locked = server.options().connect().await.expect("a connection");
    let mut holding = locked.begin().await.expect("a transaction");
    sqlx::query("SELECT FROM oncegate.record FOR UPDATE").execute(&mut *holding).await.expect("a lock");
    let completing = tokio::spawn({
        let bench = bench.clone();
        async move { bench.apply(id(1), complete(owner(1), 1)).await }
    });
    let waits = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = 'oncegate' AND wait_event_type = 'Lock'";
    while sqlx::query(waits).execute(&mut operator).await.expect("a right").rows_affected() == 0 {}
    holding.rollback().await.expect("the lock is gone");
    assert_eq!(completing.await.expect("no panic").verdict, Verdict::Stored);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_arrives_after_it_was_given_up_is_not_made() {
    let server = shared();
    let (proxy, store) = through_a_proxy(&server).await;
    away::a_claim_that_arrives_after_it_was_given_up_is_not_made(proxy, store).await;
}

/// The store uses only a primary, and trusts no answer of a server that is no longer one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_is_refused_and_a_promoted_one_is_found() {
    let primary = Server::start();
    let standby = primary.standby(&[]);
    let alone = Settings { servers: vec![standby.options()], ..settings(&primary) };
    let refused = PostgresStore::open(alone, terms()).await.err().expect("a refusal").to_string();
    assert!(refused.contains("standby"), "{refused}");
    let both = Settings { servers: vec![standby.options(), primary.options()], ..settings(&primary) };
    let store = Arc::new(PostgresStore::open(both, terms()).await.expect("a store"));
    let bench = Bench::of(Arc::clone(&store) as Arc<dyn Store>);
    bench.won(id(1), owner(1), STILL).await;
    bench.apply(id(1), complete(owner(1), 1)).await;
    let end: String = primary.value("SELECT pg_current_wal_flush_lsn()::text").await;
    while !standby.value::<bool>(&format!("SELECT pg_last_wal_replay_lsn() >= '{end}'")).await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(primary);
    assert!(store.read(id(2)).await.is_err(), "a standby cannot say that there is nothing");
    tokio::task::block_in_place(|| standby.promote());
    let healed = recovered(&*store, 3).await;
    assert!(healed < 5 * TIMEOUT, "{healed:?}");
    // A connection that was idle meanwhile may still lead to the primary that ended.
    let replayed = async {
        loop {
            if let Ok(replay) = decisions::claim(&bench.ledger, id(1), claim(owner(2), STILL)).await {
                return replay;
            }
        }
    };
    let replay = tokio::time::timeout(5 * TIMEOUT, replayed).await.expect("a replay");
    assert_eq!(replay.response, Some(response_of(owner(1))));
}

/// An operator makes the database read-only. No claim is taken, and stored responses are replayed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_closed_for_writing_takes_no_claim() {
    let server = Server::start();
    let store = store(&server).await;
    try_claim(&store, 1).await.expect("a claim");
    server.run("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    server
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'oncegate'")
        .await;
    until("connections are made anew", || {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                matches!(store.read(id(1)).await, Ok(snapshot) if snapshot.record.is_some())
                    && unavailable(try_claim(&store, 2).await)
            })
        })
    });
    assert!(store.ready().await.is_err());
    let reset = "ALTER DATABASE postgres RESET default_transaction_read_only";
    server.run_each(&["SET default_transaction_read_only = off", reset]).await;
    assert!(recovered(&store, 2).await < 5 * TIMEOUT);
}

/// A commit that waits for a silent standby may become effective or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_does_not_end_is_unclear_and_wins_again() {
    let server = Server::start();
    let terms = Terms { timeout: away::TIMEOUT, ..terms() };
    let store = Arc::new(PostgresStore::open(settings(&server), terms).await.expect("a store"));
    server.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await;
    server.run("SELECT pg_reload_conf()").await;
    while server.value::<String>("SHOW synchronous_standby_names").await != "nobody" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until("commits wait", || {
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            matches!(runtime.block_on(try_claim(&*store, 1)), Err(StoreError::Unclear(_)))
        })
    });
    assert!(store.ready().await.is_err());
    let reset = "ALTER SYSTEM RESET synchronous_standby_names";
    server.run_each(&["SET synchronous_commit = local", reset, "SELECT pg_reload_conf()"]).await;
    recovered(&*store, 2).await;
    let ledger = Ledger::new(Arc::clone(&store) as Arc<dyn Store>, TIMEOUT);
    let again = decisions::claim(&ledger, id(1), claim(owner(1), STILL)).await.expect("an answer");
    assert_eq!(again.verdict, Verdict::Won { n: 1 });
}

/// A row that another session keeps locked delays its own operation and no other, although the statements are
/// sent together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_holds_up_no_other() {
    let server = shared();
    let settings = settings(&server);
    let schema = settings.schema.clone();
    let bench = Bench::of(Arc::new(PostgresStore::open(settings, terms()).await.expect("a store")));
    let mut running = Vec::new();
    for number in 0..40 {
        running.push(bench.won(id(number), owner(number), STILL).await);
    }
    let mut operator = server.options().connect().await.expect("a connection");
    let key = id(7);
    let lock = format!("BEGIN; SELECT * FROM {schema}.record WHERE id = '\\x{key}' FOR UPDATE");
    sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut operator).await.expect("a lock");
    let mut renewals = JoinSet::new();
    for (number, record) in (0..).zip(running) {
        let bench = bench.clone();
        renewals.spawn(async move {
            let renew = Event::Renew { owner: owner(number), n: 1 };
            (number, decisions::apply(&bench.ledger, id(number), Some(&record), &renew, None).await)
        });
    }
    for (number, renewed) in renewals.join_all().await {
        match number {
            7 => assert!(matches!(renewed, Err(StoreError::Unavailable(_))), "{renewed:?}"),
            _ => assert_eq!(renewed.expect("renewed").verdict, Verdict::Renewed, "{number}"),
        }
    }
    operator.close().await.expect("closed");
    bench.check(key, complete(owner(7), 1)).await;
}

/// Two gateways that write the same records at the same time never wait for each other in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_write_the_same_records_do_not_deadlock() {
    let server = Server::start();
    let settings = settings(&server);
    let one = PostgresStore::open(settings.clone(), terms()).await.expect("a store");
    let other = PostgresStore::open(settings.clone(), terms()).await.expect("a store");
    let benches = [Bench::of(Arc::new(one)), Bench::of(Arc::new(other))];
    for round in 0..30 {
        let mut steps = JoinSet::new();
        for number in 0..128 {
            let bench = benches[(number % 2) as usize].clone();
            let (id, owner) = (id(round * 64 + number / 2), owner(number));
            steps.spawn(async move {
                let first = claim(owner, STILL).first(Default::default());
                let won = matches!(bench.store.claim(id, first).await.expect("an answer"), Claimed::Won(_));
                bench
                    .apply(id, Event::Lose { owner, n: 1, reason: oncegate::protocol::Reason::Shutdown })
                    .await;
                bench.apply(id, complete(owner, 1)).await;
                won
            });
        }
        assert_eq!(steps.join_all().await.into_iter().filter(|won| *won).count(), 64);
    }
    let deadlocks: i64 =
        server.value("SELECT sum(deadlocks)::bigint FROM pg_stat_database WHERE datname = 'postgres'").await;
    assert_eq!(deadlocks, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_not_there_is_named_at_start() {
    let server = shared();
    let started = Instant::now();
    let settings = Settings { servers: vec![server.options().username("nobody-here")], ..settings(&server) };
    let refused = PostgresStore::open(settings, terms()).await.err().expect("a refusal").to_string();
    assert!(refused.contains("nobody-here") && started.elapsed() < 2 * TIMEOUT, "{refused}");
}
