//! A gateway in front of an API that answers 503, which leaves outcomes unknown, and the receiver of events.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, verify};
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::Value;
use tokio::time::timeout;

use crate::harness::{Gateway, Settings, Upstream, post};

/// The longest time that a test waits for an event.
const PATIENCE: Duration = Duration::from_secs(60);
/// The secret of the signatures, as the environment holds it.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The path of the webhook, with a credential of its own.
pub const PATH: &str = "/hooks/T0CANARY?token=CANARY";

/// Starts an API that answers every request with a status that leaves the outcome unknown.
pub async fn failing_api() -> Arc<Upstream> {
    Upstream::answering(|_| answer(503)).await
}

/// Starts a receiver that takes every event.
pub async fn receiver() -> Arc<Upstream> {
    Upstream::answering(|_| answer(204)).await
}

pub fn answer(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).expect("a response")
}

/// Returns the settings of a gateway that tells the webhook at `receiver`.
pub fn telling(receiver: SocketAddr) -> Settings {
    let section =
        format!("[admin.notify]\nurl = \"http://{receiver}{PATH}\"\nsecret_env = \"ONCEGATE_NOTIFY_SECRET\"");
    Settings::default().more(&section).env("ONCEGATE_NOTIFY_SECRET", SECRET)
}

/// Leaves the outcome of the operation with this key unknown.
pub async fn leave_unknown(gateway: &Gateway, key: &str) {
    let told = post(gateway.address, "/v1/charges", key, "a").await;
    assert_eq!(told.status, 503, "{told:?}");
}

/// Returns the events that a receiver got, each with a valid signature, in the order in which they came.
pub fn events(receiver: &Upstream) -> Vec<Value> {
    let mut events = Vec::new();
    for seen in receiver.seen() {
        assert_eq!(seen.path, PATH);
        assert_eq!(seen.header("content-type"), "application/cloudevents+json");
        let (id, time) = (seen.header("webhook-id"), seen.header("webhook-timestamp"));
        let signed = [format!("{id}.{time}.").as_bytes(), &seen.body].concat();
        let secret = SECRET.strip_prefix("whsec_").map(|text| BASE64.decode(text).expect("base64"));
        let key = Key::new(HMAC_SHA256, &secret.expect("the prefix"));
        let tag = seen.header("webhook-signature").strip_prefix("v1,").expect("version 1");
        verify(&key, &signed, &BASE64.decode(tag).expect("base64")).expect("a valid signature");
        let event: Value = serde_json::from_slice(&seen.body).expect("JSON");
        assert_eq!(event["id"], id, "the id is the event's");
        events.push(event);
    }
    events
}

/// Returns the records that the events are about, in the order in which they came.
pub fn subjects(receiver: &Upstream) -> Vec<String> {
    events(receiver).iter().map(|event| event["subject"].as_str().expect("text").to_owned()).collect()
}

/// Returns how often each of the events came.
pub fn times(receiver: &Upstream, id: &Value) -> usize {
    events(receiver).iter().filter(|event| event["id"] == *id).count()
}

/// Waits until the receiver got this many requests.
pub async fn reached(receiver: &Upstream, count: usize) {
    let late = timeout(PATIENCE, receiver.reached(count)).await.is_err();
    assert!(!late, "{} of {count}: {:#?}", receiver.executions(), events(receiver));
}

/// Waits until the events that came satisfy `condition`.
pub async fn until(receiver: &Upstream, condition: impl Fn(&[Value]) -> bool) {
    let mut count = receiver.executions();
    while !condition(&events(receiver)) {
        count += 1;
        reached(receiver, count).await;
    }
}

/// Waits until events about this many different records came.
pub async fn until_told_of(receiver: &Upstream, records: usize) {
    let different = |events: &[Value]| {
        events.iter().map(|event| event["subject"].to_string()).collect::<BTreeSet<_>>().len()
    };
    until(receiver, |events| different(events) >= records).await;
}
