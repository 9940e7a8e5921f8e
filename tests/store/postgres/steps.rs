//! The cost of each step, and the data that it leaves.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use oncegate::protocol::{Policy, StoredResponse};
use oncegate::store::postgres::{PostgresStore, Settings};
use oncegate::store::{Change, Filter, StoreError};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::task::JoinSet;

use super::{settings, terms};
use crate::bench::{Bench, HOUR, STILL, claim, complete, id, owner, response_of};
use crate::contract::round_trips::each_step;
use crate::decisions;
use crate::events::Event;
use crate::servers::postgres::{Server, shared};
use crate::servers::proxy::Proxy;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_is_one_round_trip() {
    let server = shared();
    let proxy = Proxy::to(server.port).await;
    let servers = vec![server.options().port(proxy.port)];
    let store = PostgresStore::open(Settings { servers, ..settings(&server) }, terms()).await;
    let bench = Bench::of(Arc::new(store.expect("a store")));
    // Once all connections are open, only the steps use the wire.
    proxy.quiet(Duration::from_millis(300)).await;
    each_step(&bench, || proxy.round_trips()).await;
}

/// Steps that wait at the same time are sent together, in far fewer transactions than steps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_that_wait_together_go_together() {
    const STEPS: u64 = 512;
    let server = Server::start();
    let bench = Bench::of(Arc::new(super::store(&server).await));
    // Each writing transaction takes the next number, and so does this query.
    let number = async || {
        let text = server.value::<String>("SELECT pg_current_xact_id()::text").await;
        text.parse::<u64>().expect("a number")
    };
    let before = number().await;
    let mut steps = JoinSet::new();
    for number in 0..STEPS {
        let bench = bench.clone();
        steps.spawn(async move {
            let running = bench.won(id(number), owner(number), STILL).await;
            let response = response_of(owner(number));
            let completed = complete(owner(number), 1);
            decisions::apply(&bench.ledger, id(number), Some(&running), &completed, Some(&response))
                .await
                .expect("stored");
        });
    }
    steps.join_all().await;
    let transactions = number().await - before - 1;
    println!("{} steps in {transactions} transactions", 2 * STEPS);
    assert!((2..2 * STEPS / 8).contains(&transactions), "{transactions}");
}

/// A record costs as much as `docs/stores.md` says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_costs_what_is_documented() {
    const MANY: u64 = 20_000;
    let server = shared();
    let settings = settings(&server);
    let schema = settings.schema.clone();
    let bench = Bench::of(Arc::new(PostgresStore::open(settings, terms()).await.expect("a store")));
    let used = async |tables: &[&str]| {
        let mut bytes = 0;
        for table in tables {
            let table = format!("{schema}.{table}");
            server.run(&format!("VACUUM FULL {table}")).await;
            bytes += server.value::<i64>(&format!("SELECT pg_total_relation_size('{table}')")).await;
        }
        bytes as u64
    };
    let body = StoredResponse {
        status: StatusCode::CREATED,
        headers: response_of(owner(1)).headers,
        body: Bytes::from(vec![b'x'; 300]),
    };
    let mut steps = JoinSet::new();
    for part in 0..64 {
        let (bench, body) = (bench.clone(), body.clone());
        steps.spawn(async move {
            for number in (part..MANY).step_by(64) {
                let running = bench.won(id(number), owner(number), STILL).await;
                let stored = complete(owner(number), 1);
                decisions::apply(&bench.ledger, id(number), Some(&running), &stored, Some(&body))
                    .await
                    .expect("stored");
            }
        });
    }
    steps.join_all().await;
    let (without, with) = (used(&["record"]).await / MANY, used(&["record", "response"]).await / MANY);
    println!("a record {without} bytes, with a 300-byte response {with}");
    assert!((250..500).contains(&without), "{without} bytes a record");
    assert!((700..1300).contains(&with), "{with} bytes a record with its response");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_burdens_no_record_and_goes_with_it() {
    let server = shared();
    let settings = settings(&server);
    let schema = settings.schema.clone();
    let bench = Bench::of(Arc::new(PostgresStore::open(settings, terms()).await.expect("a store")));
    let running = bench.won(id(1), owner(1), STILL).await;
    let large =
        StoredResponse { status: StatusCode::CREATED, headers: vec![], body: Bytes::from(vec![7; 1 << 20]) };
    decisions::apply(&bench.ledger, id(1), Some(&running), &complete(owner(1), 1), Some(&large))
        .await
        .expect("stored");
    let hot = server.value::<i32>(&format!("SELECT pg_column_size(r.*) FROM {schema}.record r")).await;
    assert!(hot < 500, "{hot}");
    let replay = decisions::claim(&bench.ledger, id(1), claim(owner(2), STILL)).await.expect("a replay");
    assert_eq!(replay.response, Some(large));
    bench.apply(id(1), Event::Delete).await;
    assert_eq!(server.value::<i64>(&format!("SELECT count(*) FROM {schema}.response")).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_record_are_an_error_and_stay() {
    let server = shared();
    let settings = settings(&server);
    let schema = settings.schema.clone();
    let bench = Bench::of(Arc::new(PostgresStore::open(settings, terms()).await.expect("a store")));
    let lease = Duration::from_millis(100);
    let running = bench.won(id(1), owner(1), Policy { lease, ..STILL }).await;
    let other = bench.won(id(2), owner(2), Policy { lease, ..STILL }).await;
    let key = id(1);
    server.run(&format!("UPDATE {schema}.record SET encoded = 'x' WHERE id = '\\x{key}'")).await;
    let unreadable = |error: StoreError| matches!(error, StoreError::Unreadable { id, .. } if id == key);
    let first = claim(owner(2), STILL).first(Default::default());
    assert!(bench.store.claim(key, first).await.is_err_and(unreadable));
    assert!(bench.store.read(key).await.is_err_and(unreadable));
    let stale = owner(9);
    let removed = bench.store.compare_and_set(
        key,
        claim(stale, STILL).first(Default::default()).revision,
        Change::Remove(None),
    );
    assert!(removed.await.is_err_and(unreadable));
    bench.reach(other.deadline().max(running.deadline())).await;
    let due = bench.store.due(10).await.expect("the other");
    assert_eq!(due.records.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id(2)]);
    let page = bench.store.page(Filter::default(), 10).await.expect("the other");
    assert_eq!(page.records.len(), 1);
    // The sweep reads such a record again after an hour, and not each time.
    let later = format!(
        "SELECT count(*) FROM {schema}.record WHERE deadline > clock_timestamp() + interval '30 minutes'"
    );
    assert_eq!(server.value::<i64>(&later).await, 1);
    assert_eq!(server.value::<i64>(&format!("SELECT count(*) FROM {schema}.record")).await, 2);
}

/// A record with the stamp of another revision was put together by another program.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revision_that_is_not_the_records_is_an_error() {
    let server = shared();
    let settings = settings(&server);
    let schema = settings.schema.clone();
    let bench = Bench::of(Arc::new(PostgresStore::open(settings, terms()).await.expect("a store")));
    bench.won(id(1), owner(1), STILL).await;
    server.run(&format!("UPDATE {schema}.record SET revision = revision + 1")).await;
    assert!(matches!(bench.store.read(id(1)).await, Err(StoreError::Unreadable { .. })));
}

/// Plans that were made for empty tables are still good for full ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_step_reads_a_whole_table_however_it_grew() {
    let server = Server::start();
    let settings = settings(&server);
    // A connection reports its statistics when it ends. The statistics of making the tables are reset.
    let all_said = async || {
        let there = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'oncegate'";
        while server.value::<i64>(there).await > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    drop(PostgresStore::open(settings.clone(), terms()).await.expect("a store"));
    for table in ["record", "response"] {
        server.run(&format!("VACUUM ANALYZE {}.{table}", settings.schema)).await;
    }
    all_said().await;
    server.run("SELECT pg_stat_reset()").await;
    let bench = Bench::of(Arc::new(PostgresStore::open(settings, terms()).await.expect("a store")));
    for number in 0..100 {
        let running = bench.won(id(number), owner(number), STILL).await;
        let stored = complete(owner(number), 1);
        let response = response_of(owner(number));
        decisions::apply(&bench.ledger, id(number), Some(&running), &stored, Some(&response))
            .await
            .expect("stored");
        bench.check(id(number), Event::Delete).await;
        decisions::claim(&bench.ledger, id(number), claim(owner(999), STILL)).await.expect("an answer");
    }
    drop(bench);
    all_said().await;
    let tables = "FROM pg_stat_user_tables WHERE relname IN ('record', 'response')";
    assert_eq!(server.value::<i64>(&format!("SELECT sum(n_tup_ins)::bigint {tables}")).await, 200);
    assert_eq!(server.value::<i64>(&format!("SELECT sum(seq_scan)::bigint {tables}")).await, 0);
    // Each step finds its one record, and perhaps some dead versions of it.
    let read =
        "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE indexrelname = 'record_pkey'";
    assert!((100..100 * 20).contains(&server.value::<i64>(read).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_in_the_file_system_is_an_address() {
    let server = shared();
    let socket = PgConnectOptions::new_without_pgpass().socket(server.socket()).port(server.port);
    let servers = vec![socket.username("oncegate").database("postgres")];
    let store = PostgresStore::open(Settings { servers, ..settings(&server) }, terms()).await;
    let bench = Bench::of(Arc::new(store.expect("a store")));
    bench.won(id(1), owner(1), Policy { ttl: HOUR, ..STILL }).await;
    bench.check(id(1), complete(owner(1), 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_spoken_and_the_certificate_is_checked() {
    let signed = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("a certificate");
    let mut server = Server::start();
    server.put("server.crt", &signed.cert.pem());
    server.put("server.key", &signed.signing_key.serialize_pem());
    server.configure("ssl = on");
    server.restart();
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let verified = server.options().host("localhost").ssl_mode(PgSslMode::VerifyFull);
    let trusting = verified.clone().ssl_root_cert_from_pem(signed.cert.pem().into_bytes());
    let known = Settings { servers: vec![trusting], ..settings(&server) };
    let bench = Bench::of(Arc::new(PostgresStore::open(known.clone(), terms()).await.expect("a store")));
    bench.won(id(1), owner(1), STILL).await;
    let spoken = "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                  WHERE ssl AND application_name = 'oncegate'";
    assert!(server.value::<i64>(spoken).await >= 2);
    let strange = Settings { servers: vec![verified], ..known };
    let refused =
        PostgresStore::open(strange, terms()).await.err().expect("a stranger's certificate").to_string();
    assert!(refused.contains("certificate"), "{refused}");
}
