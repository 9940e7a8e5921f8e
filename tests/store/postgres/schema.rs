//! The tables, which are made once, by the first gateway or by hand.

use std::sync::Arc;

use oncegate::store::postgres::{PostgresStore, Settings, print_schema};
use oncegate::store::{DocumentName, Store};
use tokio::task::JoinSet;

use super::{settings, terms};
use crate::bench::{Bench, STILL, complete, id, owner};
use crate::servers::postgres::{Server, shared};

async fn refused(settings: Settings) -> String {
    let refused = PostgresStore::open(settings, terms()).await.err().expect("a refusal");
    assert!(!refused.may_pass(), "{refused}");
    refused.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_may_come_is_worth_waiting_for_and_a_wrong_setting_is_not() {
    let server = shared();
    let at =
        |options: sqlx::postgres::PgConnectOptions| Settings { servers: vec![options], ..settings(&server) };
    assert!(refused(at(server.options().database("nowhere"))).await.contains("nowhere"));
    let away = at(server.options().port(crate::servers::redis::free_port()));
    let away = PostgresStore::open(away, terms()).await.err().expect("nobody is there");
    assert!(away.may_pass(), "{away}");
    let source = std::error::Error::source(&away).and_then(|source| source.downcast_ref::<sqlx::Error>());
    assert!(matches!(source, Some(sqlx::Error::Io(_))), "{source:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_gateways_that_start_at_once_make_the_tables_once() {
    let server = shared();
    for _ in 0..5 {
        let settings = settings(&server);
        let mut starting = JoinSet::new();
        for _ in 0..10 {
            starting.spawn(PostgresStore::open(settings.clone(), terms()));
        }
        let stores = starting.join_all().await;
        let stores: Vec<_> = stores.into_iter().map(|store| store.expect("a store")).collect();
        let versions = format!("SELECT count(*) FROM {}.migration", settings.schema);
        assert_eq!(server.value::<i64>(&versions).await, 4);
        for (number, store) in (0..).zip(stores) {
            Bench::of(Arc::new(store)).won(id(number), owner(1), STILL).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_gateway_works_beside_newer_tables_that_allow_it_and_refuses_others() {
    let server = shared();
    let settings = settings(&server);
    let running = PostgresStore::open(settings.clone(), terms()).await.expect("a store");
    let schema = &settings.schema;
    server.run(&format!("ALTER TABLE {schema}.record ADD COLUMN later text")).await;
    server.run(&format!("INSERT INTO {schema}.migration (version, needs) VALUES (1000, 1)")).await;
    let bench =
        Bench::of(Arc::new(PostgresStore::open(settings.clone(), terms()).await.expect("it goes on")));
    bench.won(id(1), owner(1), STILL).await;
    bench.check(id(1), complete(owner(1), 1)).await;
    server.run(&format!("UPDATE {schema}.migration SET needs = 1000 WHERE version = 1000")).await;
    assert!(refused(settings).await.contains("needs a newer gateway"));
    running.ready().await.expect("what runs goes on");
}

/// A store of the first release: the tables get their missing parts, and the gateways of that release
/// continue beside the new ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tables_of_the_first_release_are_brought_up_to_date() {
    let server = shared();
    let settings = settings(&server);
    let schema = &settings.schema;
    let running = Bench::of(Arc::new(PostgresStore::open(settings.clone(), terms()).await.expect("a store")));
    running.won(id(1), owner(1), STILL).await;
    server.run(&format!("DROP TABLE {schema}.names, {schema}.clock, {schema}.document")).await;
    server.run(&format!("DELETE FROM {schema}.migration WHERE version > 1")).await;
    let newer = PostgresStore::open(settings.clone(), terms()).await.expect("a store");
    for sheet in [DocumentName::Names, DocumentName::Clock, DocumentName::Notifier, DocumentName::Notified(1)]
    {
        assert!(newer.document(sheet).await.expect("an answer").bytes.is_none());
    }
    let needs = format!("SELECT max(needs) FROM {schema}.migration");
    assert_eq!(server.value::<i32>(&needs).await, 1, "the first release goes on");
    running.check(id(1), complete(owner(1), 1)).await;
    Bench::of(Arc::new(newer)).won(id(2), owner(1), STILL).await;
}

/// The printed SQL, with the rights that are printed below it, is all that a gateway needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_printed_sql_and_rights_are_enough() {
    let server = Server::start();
    server.run("CREATE ROLE gateway LOGIN").await;
    let as_gateway = Settings {
        servers: vec![server.options().username("gateway")],
        schema: "payments".into(),
        ..settings(&server)
    };
    let why = refused(as_gateway.clone()).await;
    assert!(why.contains("permission denied") && why.contains("oncegate check --print-schema"), "{why}");
    let sql = print_schema("payments");
    server.run(&sql).await;
    for right in sql.lines().filter_map(|line| line.strip_prefix("-- GRANT")) {
        server.run(&format!("GRANT{right}")).await;
    }
    let bench = Bench::of(Arc::new(PostgresStore::open(as_gateway, terms()).await.expect("a store")));
    bench.store.ready().await.expect("ready");
    crate::contract::table::every_row_under_hold(bench.clone()).await;
    crate::contract::retention::a_known_outcome_becomes_a_tombstone_and_ends(bench.clone()).await;
    server.run("DELETE FROM payments.record").await;
    crate::contract::lists::a_page_shows_what_fits(bench.clone()).await;
    crate::contract::names::one_of_many_replacements_is_made(bench.clone()).await;
    bench.won(id(100), owner(1), STILL).await;
    let woken = bench.store.watch(id(100)).await.expect("a watch");
    bench.apply(id(100), complete(owner(1), 1)).await;
    woken.await;
}

/// The columns that an operator sees with psql alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_columns_say_what_the_record_says() {
    let server = shared();
    let settings = settings(&server);
    let bench = Bench::of(Arc::new(PostgresStore::open(settings.clone(), terms()).await.expect("a store")));
    bench.won(id(1), owner(1), STILL).await;
    bench.apply(id(1), complete(owner(1), 1)).await;
    bench.won(id(2), owner(2), STILL).await;
    let reason = oncegate::protocol::Reason::Status(503);
    bench.apply(id(2), crate::events::Event::Lose { owner: owner(2), n: 1, reason }).await;
    let said: String = server
        .value(&format!(
            "SELECT string_agg(concat_ws(' ', namespace, route, state, execution, status, reason), '; ' \
             ORDER BY state) FROM {}.record",
            settings.schema
        ))
        .await;
    assert_eq!(said, "contract contract completed 1 201; contract contract unknown 1 503 status 503");
    let record = bench.record(id(1)).await;
    for (column, moment) in [
        ("created_at", record.created_at),
        ("updated_at", record.updated_at),
        ("deadline", record.deadline()),
    ] {
        let key = id(1);
        let sql = format!(
            "SELECT (extract(epoch FROM {column}) * 1000)::bigint FROM {}.record WHERE id = '\\x{key}'",
            settings.schema
        );
        assert_eq!(server.value::<i64>(&sql).await, moment.0 as i64, "{column}");
    }
}
