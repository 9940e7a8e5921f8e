//! Events that are taken at the first delivery.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::harness::{Gateway, post};
use crate::world::{SECRET, events, failing_api, leave_unknown, reached, receiver, subjects, telling};

#[tokio::test]
async fn a_new_unknown_outcome_is_told_once() {
    let (api, receiver) = (failing_api().await, receiver().await);
    let gateway = Gateway::start(&api, telling(receiver.address)).await;
    leave_unknown(&gateway, "first-CANARY").await;
    reached(&receiver, 1).await;
    let record = gateway.record_in("unknown").await;
    let event = events(&receiver).remove(0);
    let id = record["id"].as_str().expect("an id");
    let expected = json!({
        "specversion": "1.0",
        "id": event["id"],
        "source": "oncegate",
        "type": "oncegate.operation.unknown",
        "subject": id,
        "time": record["updated_at"],
        "datacontenttype": "application/json",
        "data": { "namespace": "default", "route": "pay", "execution": 1, "reason": "status 503" },
    });
    assert_eq!(event, expected);
    let parts: Vec<&str> = event["id"].as_str().expect("text").split(':').collect();
    assert!(
        matches!(parts[..], [record, "1", mark, "unknown"] if record == id && mark.len() == 16),
        "{parts:?}"
    );
    let sent: u64 = receiver.seen()[0].header("webhook-timestamp").parse().expect("seconds");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    assert!((now - 30..=now).contains(&sent), "{sent} at {now}");

    // A later pass tells the next outcome, and the first one not again.
    leave_unknown(&gateway, "second-CANARY").await;
    reached(&receiver, 2).await;
    leave_unknown(&gateway, "third-CANARY").await;
    reached(&receiver, 3).await;
    let told = subjects(&receiver);
    assert!(told[0] != told[1] && told[1] != told[2] && told[0] != told[2], "{told:?}");
    assert!(gateway.shows("oncegate_notifications_total{outcome=\"delivered\"} 3").await);
    let log = gateway.log();
    assert!(!log.contains("CANARY") && !log.contains(&SECRET[6..]), "{log}");
    assert!(!String::from_utf8_lossy(&receiver.seen()[0].body).contains("CANARY"));
}

/// A decided outcome that becomes unknown again is another event.
#[tokio::test]
async fn an_outcome_that_is_unknown_again_is_told_again() {
    let (api, receiver) = (failing_api().await, receiver().await);
    let gateway = Gateway::start(&api, telling(receiver.address)).await;
    leave_unknown(&gateway, "k-1").await;
    reached(&receiver, 1).await;
    let id = gateway.record_in("unknown").await["id"].as_str().expect("an id").to_owned();
    let decision = json!({ "executed": false, "force": true, "note": "a test" });
    let resolved = gateway.admin_post(&format!("/v1/records/{id}/resolve"), &decision).await;
    assert_eq!(resolved.status, 200, "{resolved:?}");
    assert_eq!(post(gateway.address, "/v1/charges", "k-1", "a").await.status, 503);
    reached(&receiver, 2).await;
    let told = events(&receiver);
    assert_eq!((&told[0]["subject"], &told[1]["subject"]), (&json!(id), &json!(id)));
    assert_eq!((&told[0]["data"]["execution"], &told[1]["data"]["execution"]), (&json!(1), &json!(2)));
    assert_ne!(told[0]["id"], told[1]["id"]);
}
