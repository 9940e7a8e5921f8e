//! A start while the store does not answer.

use std::time::{Duration, Instant};

use crate::place::{Place, Store};
use crate::process::{Process, Started, pay};
use crate::servers::proxy::{Proxy, Wire};
use crate::servers::{postgres, redis};

const CHARGES: [(&str, &str, &str); 1] = [("create-charge", "/v1/charges", "")];

fn ended(started: Started) -> (Option<i32>, String) {
    match started {
        Started::Ended { code, said } => (code, said),
        Started::Serving(process, _) => panic!("it serves: {}", process.said()),
    }
}

/// Returns a file that leads to the store's server through another port.
fn by_way_of(place: &Place, port: u16, own: u16, store: &str) -> String {
    place.file(store, &CHARGES).replace(&format!("127.0.0.1:{own}"), &format!("127.0.0.1:{port}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_a_server_that_comes() {
    for (place, own) in [of_redis().await, of_postgres().await] {
        let proxy = Proxy::to(own).await;
        for wire in [Wire::Closed, Wire::Cut] {
            proxy.set(wire);
            let mut process = Process::with_file(&by_way_of(&place, proxy.port, own, ""), place.path());
            process.until("is not there yet").await.expect("it says so");
            proxy.set(Wire::Whole);
            let (gateway, address) = process.started().await.serving();
            assert!(pay(address, "/v1/charges", "k").await.status == 201);
            gateway.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_gives_up_when_its_time_is_over() {
    for (place, own) in [of_redis().await, of_postgres().await] {
        let unused_port = redis::free_port();
        for (store, least, most) in [("1s", 1, 10), ("0s", 0, 5)] {
            let lines = format!("start_timeout = \"{store}\"");
            let began = Instant::now();
            let started =
                Process::with_file(&by_way_of(&place, unused_port, own, &lines), place.path()).started();
            let (code, said) = ended(started.await);
            assert_eq!(code, Some(1), "{said}");
            assert!(said.contains("cannot start") && said.contains(&unused_port.to_string()), "{said}");
            assert_eq!(said.contains("store.start_timeout"), least > 0, "{said}");
            let waited = began.elapsed();
            assert!(waited >= Duration::from_secs(least) && waited < Duration::from_secs(most), "{waited:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_wait_at_once() {
    let (place, own) = of_redis().await;
    for signal in ["-TERM", "-INT"] {
        let mut process = Process::with_file(&by_way_of(&place, redis::free_port(), own, ""), place.path());
        process.until("is not there yet").await.expect("it says so");
        let began = Instant::now();
        process.signal(signal).await;
        assert_eq!(process.ended().await, Some(0), "{}", process.said());
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

/// An error that waiting does not mend is reported at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_setting_is_not_waited_for() {
    let (place, own) = of_redis().await;
    let address = format!("127.0.0.1:{own}");
    let Store::Redis(server) = &place.store else { panic!("it is a Redis") };
    server.say::<()>("ACL SETUSER other on >right ~* +@all");
    let wrong_password = place.file("", &CHARGES).replace(&address, &format!("other:wrong@{address}"));
    server.say::<()>("CONFIG SET maxmemory-policy allkeys-lru");
    let evicting = place.file("", &CHARGES);
    let embedded = Place::embedded().await;
    std::fs::create_dir(embedded.path().join("oncegate-data")).expect("a directory");
    std::fs::write(embedded.path().join("oncegate-data/notes.txt"), "mine").expect("a file");
    let foreign = embedded.file("", &CHARGES);
    let (other, port) = of_postgres().await;
    let port = format!("127.0.0.1:{port}");
    let database = other.file("", &CHARGES).replace(&format!("{port}/postgres"), &format!("{port}/nowhere"));
    for (file, directory, expected) in [
        (&wrong_password, place.path(), "WRONGPASS"),
        (&evicting, place.path(), "noeviction"),
        (&foreign, embedded.path(), "holds files and no store"),
        (&database, other.path(), "nowhere"),
    ] {
        let began = Instant::now();
        let (code, said) = ended(Process::with_file(file, directory).started().await);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(expected) && !said.contains("is not there yet"), "{said}");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

/// A rolling restart on one machine: the earlier process still drains.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_until_the_process_before_has_left_its_directory() {
    let place = Place::embedded().await;
    let (before, address) = place.serve("", &CHARGES).await;
    pay(address, "/v1/charges", "k").await;
    let mut process = Process::with_file(&place.file("", &CHARGES), place.path());
    let line = process.until("is not there yet").await.expect("it says so");
    assert!(line.contains("is in use"), "{line}");
    before.stop().await;
    let (_gateway, address) = process.started().await.serving();
    assert!(pay(address, "/v1/charges", "k").await.is_replay());
}

async fn of_redis() -> (Place, u16) {
    let server = redis::Server::start();
    let port = server.port;
    (Place::of(Store::Redis(server)).await, port)
}

async fn of_postgres() -> (Place, u16) {
    let server = postgres::shared();
    let port = server.port;
    (Place::of(Store::Postgres { server, schema: postgres::schema() }).await, port)
}
