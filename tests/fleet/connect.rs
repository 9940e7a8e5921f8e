//! `check --connect` against real servers: the check shows each reason that keeps a gateway from starting,
//! and changes nothing.

use std::process::Command;

use super::harness::{Gateway, Settings, Upstream};
use super::servers::{postgres, redis};

/// Returns the exit code and the output for a configuration with this `[store]`.
fn connected(store: &str) -> (Option<i32>, String) {
    with_route(store, "")
}

/// Returns the exit code and the output with these lines for the route as well.
fn with_route(store: &str, route: &str) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = upstream.local_addr().expect("its address");
    let text = format!(
        "[store]\n{store}\n[upstreams.payments]\nurl = 'http://{address}'\n[[routes]]\nname = 'charges'\n\
         path = '/v1/charges'\nupstream = 'payments'\n{route}\n"
    );
    let file = directory.path().join("gate.toml");
    std::fs::write(&file, text).expect("a writable directory");
    let mut check = Command::new(env!("CARGO_BIN_EXE_oncegate"));
    let ended =
        check.args(["check", "--short", "--connect", "--config"]).arg(&file).output().expect("it runs");
    let text = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8(text).expect("text"))
}

#[test]
fn a_redis_is_looked_at_and_left_as_it_was() {
    let server = redis::Server::with(&["--requirepass", "geheim", "--appendonly", "yes"]);
    let store = |password: &str| format!("url = 'redis://:{password}@127.0.0.1:{}'", server.port);
    let (code, said) = connected(&store("geheim"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("store redis://127.0.0.1:{}: answers\n", server.port)), "{said}");
    assert!(!said.contains("warning") && !said.contains("geheim"), "{said}");

    let (code, said) = connected(&store("falsch"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAILED") && !said.contains("falsch"), "{said}");
}

#[test]
fn a_redis_that_keeps_nothing_is_warned_of() {
    let server = redis::Server::start();
    let (code, said) = connected(&format!("url = 'redis://127.0.0.1:{}'", server.port));
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("writes neither an append-only file nor snapshots: a restart forgets every key"),
        "{said}"
    );
    assert_eq!(server.say::<u64>("DBSIZE"), 0, "looking left something behind");
}

#[test]
fn a_redis_that_evicts_keys_fails() {
    let server = redis::Server::with(&["--maxmemory-policy", "allkeys-lru"]);
    let (code, said) = connected(&format!("url = 'redis://127.0.0.1:{}'", server.port));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("FAILED: ") && said.contains("set `maxmemory-policy noeviction`"), "{said}");
}

#[test]
fn every_primary_of_a_cluster_is_looked_at() {
    let nodes = redis::cluster();
    let store = format!("url = 'redis+cluster://127.0.0.1:{}'", nodes[0].port);
    let (code, said) = connected(&store);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("neither an append-only file nor snapshots").count(), 1, "{said}");
    drop(nodes[2].say::<String>("CONFIG SET maxmemory-policy allkeys-lru"));
    let (code, said) = connected(&store);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{}: its maxmemory-policy", nodes[2].port)), "{said}");
}

#[test]
fn a_store_that_nobody_answers_for_fails() {
    let port = redis::free_port();
    for url in [format!("redis://127.0.0.1:{port}"), format!("postgres://oncegate@127.0.0.1:{port}/postgres")]
    {
        let (code, said) = connected(&format!("url = '{url}'"));
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("FAILED: "), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_is_looked_at_and_left_as_it_was() {
    let server = postgres::shared();
    let schema = postgres::schema();
    let store =
        format!("url = 'postgres://oncegate@127.0.0.1:{}/postgres'\nschema = '{schema}'", server.port);
    let (code, said) = connected(&store);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("answers; its tables are not all there yet"), "{said}");
    let unsafe_one = postgres::Server::with(&["fsync=off"]);
    let url = format!("url = 'postgres://oncegate@127.0.0.1:{}/postgres'", unsafe_one.port);
    let (code, said) = connected(&url);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("warning: fsync is off in Postgres"), "{said}");
    let made: i64 =
        server.value(&format!("SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'")).await;
    assert_eq!(made, 0, "looking made the schema");
}

/// A gateway would refuse to start, and an operator should learn this before.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_names_operations_otherwise_is_told_of() {
    let upstream = Upstream::start().await;
    let redis = redis::Server::with(&["--appendonly", "yes"]);
    let postgres = postgres::shared();
    let stores = [
        format!("url = 'redis://127.0.0.1:{}'", redis.port),
        format!(
            "url = 'postgres://oncegate@127.0.0.1:{}/postgres'\nschema = '{}'",
            postgres.port,
            postgres::schema()
        ),
    ];
    for store in stores {
        let gateway = Gateway::start(&upstream, Settings::default().store(&store)).await;
        drop(gateway);
        let (code, said) = connected(&store);
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = with_route(&store, "scope = ['cookie', { path = true }]");
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("FAILED: it holds operations that this configuration names otherwise"),
            "{said}"
        );
        assert!(said.contains("POST /v1/{*rest}#"), "{said}");
    }
}
