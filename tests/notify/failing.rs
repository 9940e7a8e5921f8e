//! Webhooks that do not take an event at once.

use std::sync::OnceLock;

use http::Response;
use http_body_util::Full;
use serde_json::Value;

use crate::harness::{Gateway, Upstream};
use crate::world::{
    answer, events, failing_api, leave_unknown, reached, receiver, telling, times, until, until_told_of,
};

#[tokio::test]
async fn an_event_is_sent_until_it_is_taken() {
    let other = receiver().await;
    let elsewhere = format!("http://{}/", other.address);
    let receiver = Upstream::answering(move |seen| match seen.number {
        1 => answer(500),
        // A redirect is not followed.
        2 => Response::builder()
            .status(307)
            .header("location", &elsewhere)
            .body(Full::default())
            .expect("a response"),
        _ => answer(200),
    })
    .await;
    let api = failing_api().await;
    let gateway = Gateway::start(&api, telling(receiver.address)).await;
    leave_unknown(&gateway, "k-1").await;
    reached(&receiver, 3).await;
    leave_unknown(&gateway, "k-2").await;
    reached(&receiver, 4).await;
    let told = events(&receiver);
    assert_eq!((&told[0]["id"], &told[0]["id"]), (&told[1]["id"], &told[2]["id"]));
    assert_eq!(told[0], told[2]);
    assert_ne!(told[3]["subject"], told[0]["subject"]);
    assert_eq!(other.executions(), 0, "the redirect was followed");
    assert!(gateway.shows("oncegate_notifications_total{outcome=\"failed\"} 2").await);
    let warning = gateway.logs("did not take the event").await;
    assert!(warning.contains("it answered 500") && warning.contains("\"WARN\""), "{warning}");
    gateway.logs("takes events again").await;
    let log = gateway.log();
    assert_eq!(log.matches("did not take the event").count(), 1, "one warning a minute: {log}");
    assert!(!log.contains("CANARY"), "{log}");
}

#[tokio::test]
async fn an_event_that_is_never_taken_does_not_hold_up_the_others() {
    let refused = OnceLock::<String>::new();
    let receiver = Upstream::answering(move |seen| {
        let event: Value = serde_json::from_slice(&seen.body).expect("JSON");
        let id = event["id"].as_str().expect("text").to_owned();
        answer(if *refused.get_or_init(|| id.clone()) == id { 400 } else { 200 })
    })
    .await;
    let api = failing_api().await;
    let gateway = Gateway::start(&api, telling(receiver.address)).await;
    leave_unknown(&gateway, "k-1").await;
    reached(&receiver, 1).await;
    for key in ["k-2", "k-3", "k-4", "k-5", "k-6", "k-7"] {
        leave_unknown(&gateway, key).await;
    }
    until_told_of(&receiver, 7).await;
    // The refused event is still sent.
    let first = events(&receiver)[0]["id"].clone();
    until(&receiver, |events| events.iter().filter(|event| event["id"] == first).count() > 2).await;
    for event in events(&receiver).iter().filter(|event| event["id"] != first) {
        assert_eq!(times(&receiver, &event["id"]), 1, "{event}");
    }
}

#[tokio::test]
async fn a_webhook_without_a_server_is_warned_of_and_nothing_else_suffers() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("an address");
    drop(closed);
    let api = failing_api().await;
    let gateway = Gateway::start(&api, telling(address)).await;
    leave_unknown(&gateway, "k-1").await;
    let warning = gateway.logs("did not take the event").await;
    assert!(warning.contains(&format!("http://{address}\"")), "{warning}");
    assert!(warning.contains("refused") && !warning.contains("CANARY"), "{warning}");
    leave_unknown(&gateway, "k-2").await;
    assert_eq!(gateway.admin_get("/readyz").await.status, 200);
}
