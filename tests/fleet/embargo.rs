//! Gateways that start no execution before a certain time, because their store may have forgotten running
//! ones.

use std::time::{Duration, SystemTime};

use tokio::time::sleep;

use crate::harness::{Gateway, Settings, Upstream, post};
use crate::servers::proxy::{Proxy, Wire};
use crate::store::{Store, on_every_store};

on_every_store!(nothing_begins_before_the_time_and_what_is_stored_is_answered);

async fn nothing_begins_before_the_time_and_what_is_stored_is_answered(store: Store) {
    let upstream = Upstream::start().await;
    let route = "on_store_error = \"bypass\"\ni_accept_duplicates = true";
    let settings = Settings::route(route).store(&store.lines());
    let before = Gateway::start(&upstream, settings.clone()).await;
    let first = post(before.address, "/v1/charges", "old", "a").await;
    let until = SystemTime::now() + Duration::from_secs(4);
    let time = humantime::format_rfc3339(until).to_string();
    let proxy = Proxy::to(store.port()).await;
    let settings = settings.store(&store.lines_at(proxy.port)).env("ONCEGATE_NOT_BEFORE", &time);
    let gateway = Gateway::start(&upstream, settings).await;
    gateway.logs("no operation begins before").await;

    let replay = post(gateway.address, "/v1/charges", "old", "a").await;
    assert_eq!((replay.status, &replay.body, replay.is_replay()), (201, &first.body, true));
    post(gateway.address, "/v1/charges", "old", "b").await.problem(422, "payload-mismatch", "no", "new-key");
    // A silent store does not say whether this time has come, so a gateway bypasses nothing either.
    proxy.set(Wire::Closed);
    post(gateway.address, "/v1/charges", "new", "a").await.problem(
        503,
        "store-unavailable",
        "unknown",
        "same-key",
    );
    proxy.set(Wire::Whole);
    while gateway.admin_get("/readyz").await.status != 200 {
        sleep(Duration::from_millis(10)).await;
    }
    let refused = post(gateway.address, "/v1/charges", "new", "a").await;
    assert!(SystemTime::now() < until, "the machine is too busy for this test");
    let members = refused.problem(503, "store-unavailable", "unknown", "same-key");
    assert!(members["detail"].as_str().is_some_and(|detail| detail.contains("stored records")));
    assert_eq!(gateway.admin_get("/readyz").await.status, 200, "it answers what it can");
    assert_eq!(gateway.stopped_for().await.as_deref(), Some("not-before"));
    assert!(gateway.shows("oncegate_claims_stopped{reason=\"not-before\"} 1").await);
    assert_eq!((upstream.executions(), gateway.record_count().await), (1, 1));

    let begun = loop {
        let answer = post(gateway.address, "/v1/charges", "new", "a").await;
        if answer.status != 503 {
            break answer;
        }
        sleep(Duration::from_millis(20)).await;
    };
    // The gateway and the store share the clock of this machine.
    assert!(SystemTime::now() >= until);
    assert_eq!((begun.status, begun.is_replay(), upstream.executions()), (201, false, 2));
    gateway.logs("claims are no longer stopped").await;
    assert_eq!(gateway.stopped_for().await, None);
}
