//! One client fills the disk of the embedded store. The store refuses each claim that would leave no room for
//! the outcomes of the running executions.

use std::fs;
use std::path::Path;

use http::Response;
use http_body_util::Full;
use tokio::task::JoinSet;

use crate::harness::{Gateway, Settings, Upstream, post};
use crate::preload;

const MIB: usize = 1024 * 1024;

/// Starts an upstream with responses that are as large as a route stores.
async fn large() -> std::sync::Arc<Upstream> {
    Upstream::answering(|_| {
        Response::builder().status(201).body(Full::from(vec![b'x'; MIB])).expect("a response")
    })
    .await
}

/// Starts a gateway that may use as much disk as the file at `size` says. Other clients post to `/x/`.
async fn on_a_small_disk(work: &Path, payments: &Upstream, strangers: &Upstream) -> Gateway {
    let library = preload::compile("tests/gateway/small_disk.c", work);
    let text = |path: &Path| path.to_str().expect("text").to_owned();
    let settings = Settings::default()
        .store(&format!("url = \"embedded:{}\"", text(&work.join("data"))))
        .more(&format!(
            "[upstreams.strangers]\nurl = \"http://{}\"\n[[routes]]\nname = \"x\"\npath = \"/x/{{*rest}}\"\n\
             upstream = \"strangers\"\nanonymous = \"one\"",
            strangers.address
        ))
        .env("LD_PRELOAD", &text(&library))
        .env("SMALL_DISK_DIR", &text(&work.join("data")))
        .env("SMALL_DISK_SIZE", &text(&work.join("size")));
    Gateway::start(payments, settings).await
}

#[tokio::test]
async fn every_payment_in_flight_is_recorded_while_a_stranger_fills_the_disk() {
    let work = tempfile::tempdir().expect("a directory");
    let size = work.path().join("size");
    fs::write(&size, (24 * MIB).to_string()).expect("a file");
    let (payments, strangers) = (large().await, large().await);
    let gateway = on_a_small_disk(work.path(), &payments, &strangers).await;
    let address = gateway.address;
    assert_eq!(gateway.stopped_for().await, None);

    payments.hold();
    let mut paying = JoinSet::new();
    for number in 0..5 {
        paying.spawn(async move { post(address, "/v1/charges", &format!("pay-{number}"), "a").await });
    }
    payments.reached(5).await;
    let mut taken = 0;
    for number in 0..18 {
        let answer = post(address, "/x/y", &format!("x-{number}"), "a").await;
        match answer.status {
            201 => taken += 1,
            _ => drop(answer.problem(503, "store-unavailable", "unknown", "same-key")),
        }
    }
    assert!((1..18).contains(&taken), "{taken}");
    assert_eq!(gateway.stopped_for().await.as_deref(), Some("full"));
    while !gateway.shows("oncegate_claims_stopped{reason=\"full\"} 1").await {}
    // A stored response is still replayed, and a refused request ran nowhere.
    let replay = post(address, "/x/y", "x-0", "a").await;
    assert_eq!((replay.status, replay.header("idempotent-replayed")), (201, Some("true")));
    assert_eq!(strangers.executions(), taken);

    payments.let_go();
    for answer in paying.join_all().await {
        assert_eq!((answer.status, answer.header("idempotency-stored")), (201, None));
    }
    assert_eq!(gateway.records("completed").await.len(), taken + 5);
    for number in 0..5 {
        let replay = post(address, "/v1/charges", &format!("pay-{number}"), "a").await;
        assert_eq!((replay.status, replay.header("idempotent-replayed")), (201, Some("true")));
    }
    // The gateway takes claims again once there is room.
    fs::write(&size, (400 * MIB).to_string()).expect("a file");
    while gateway.stopped_for().await.is_some() {}
    assert_eq!(post(address, "/v1/charges", "later", "a").await.status, 201);
}

/// Small responses fill the disk as well. No outcome that fits is refused, and no write fails.
#[tokio::test]
async fn a_store_that_is_full_from_the_start_takes_nothing_and_stays() {
    let work = tempfile::tempdir().expect("a directory");
    fs::write(work.path().join("size"), (4 * MIB).to_string()).expect("a file");
    let (payments, strangers) = (large().await, large().await);
    let mut gateway = on_a_small_disk(work.path(), &payments, &strangers).await;
    for number in 0..3 {
        let refused = post(gateway.address, "/v1/charges", &format!("k-{number}"), "a").await;
        refused.problem(503, "store-unavailable", "unknown", "same-key");
    }
    assert_eq!((gateway.stopped_for().await.as_deref(), payments.executions()), (Some("full"), 0));
    gateway.logs("claims are stopped").await;
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
}
