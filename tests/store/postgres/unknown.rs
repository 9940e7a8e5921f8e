//! The index of unknown outcomes on tables that the release before made.

use std::sync::Arc;
use std::time::Duration;

use oncegate::store::postgres::{PostgresStore, Settings};
use tokio::task::JoinSet;

use super::{settings, terms};
use crate::bench::{Bench, STILL};
use crate::contract::unknown::{listed, tally, unknown_on};
use crate::servers::postgres::{Server, shared};

const INDEX: &str = "record_unknown_since";

async fn bench(settings: &Settings) -> Bench {
    Bench::of(Arc::new(PostgresStore::open(settings.clone(), terms()).await.expect("a store")))
}

/// Tells whether the index is used. Returns `None` where there is no index.
async fn state(server: &Server, schema: &str) -> Option<bool> {
    let all = format!(
        "SELECT array_agg(indisvalid) FROM pg_index WHERE indexrelid = to_regclass('{schema}.{INDEX}')"
    );
    server.value::<Option<Vec<bool>>>(&all).await.map(|all| all[0])
}

async fn is_built(server: &Server, schema: &str) {
    let built = async {
        while state(server, schema).await != Some(true) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), built).await.expect("it is built");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_tables_have_the_index() {
    let server = shared();
    let settings = settings(&server);
    let _bench = bench(&settings).await;
    assert_eq!(state(&server, &settings.schema).await, Some(true));
}

/// Records that the release before wrote are listed and counted at once, and by the index once it is built.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_the_release_before_are_read_and_gain_the_index() {
    let server = shared();
    let settings = settings(&server);
    let before = bench(&settings).await;
    server.run(&format!("DROP INDEX {}.{INDEX}", settings.schema)).await;
    let mut all = Vec::new();
    for number in 0..20 {
        all.push(unknown_on(&before, number, "old", STILL).await);
    }
    all.sort_by_key(|(id, record)| (record.updated_at, *id));
    assert_eq!(listed(&before, None, 3).await, all);
    let after = bench(&settings).await;
    assert_eq!(listed(&after, Some("old"), 3).await, all);
    assert_eq!(tally(&after).await.total(), 20);
    is_built(&server, &settings.schema).await;
    assert_eq!(listed(&after, None, 3).await, all);
    assert_eq!(tally(&after).await.total(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_gateways_that_miss_the_index_build_it_once() {
    let server = shared();
    let settings = settings(&server);
    drop(bench(&settings).await);
    server.run(&format!("DROP INDEX {}.{INDEX}", settings.schema)).await;
    let mut starting = JoinSet::new();
    for _ in 0..6 {
        let settings = settings.clone();
        starting.spawn(async move { bench(&settings).await });
    }
    let benches = starting.join_all().await;
    for (number, bench) in (0..).zip(&benches) {
        unknown_on(bench, number, "contract", STILL).await;
    }
    is_built(&server, &settings.schema).await;
    assert_eq!(listed(&benches[0], None, 100).await.len(), benches.len());
}

/// A gateway ended while it built the index: the server keeps an index that it does not use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_was_left_half_built_is_built_anew() {
    let server = shared();
    let settings = settings(&server);
    let running = bench(&settings).await;
    unknown_on(&running, 1, "contract", STILL).await;
    server
        .run(&format!(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{}.{INDEX}'::regclass",
            settings.schema
        ))
        .await;
    assert_eq!(state(&server, &settings.schema).await, Some(false));
    let next = bench(&settings).await;
    is_built(&server, &settings.schema).await;
    assert_eq!(listed(&next, None, 100).await.len(), 1);
}

/// A role that owns nothing goes on without the index.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_may_not_make_the_index_lists_without_it() {
    let server = Server::start();
    server.run("CREATE ROLE gateway LOGIN").await;
    let owner = settings(&server);
    drop(bench(&owner).await);
    let schema = &owner.schema;
    server.run(&format!("DROP INDEX {schema}.{INDEX}")).await;
    server.run(&format!("GRANT USAGE ON SCHEMA {schema} TO gateway")).await;
    server.run(&format!("GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO gateway")).await;
    let servers = vec![server.options().username("gateway")];
    let bench = bench(&Settings { servers, ..owner.clone() }).await;
    unknown_on(&bench, 1, "contract", STILL).await;
    assert_eq!(listed(&bench, None, 100).await.len(), 1);
    assert_eq!(tally(&bench).await.total(), 1);
    assert_eq!(state(&server, schema).await, None);
}
