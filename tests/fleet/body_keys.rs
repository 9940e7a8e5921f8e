//! Keys in members of bodies, on gateways that share a store: a first attempt, duplicates, replays and lookups.

use serde_json::json;

use crate::harness::{Answer, Connection, Gateway, Settings, Upstream, request, request_bytes};
use crate::store::{Store, on_every_store};

on_every_store!(an_operation_of_a_body_is_one_on_every_gateway);

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("content-type", "application/json");
const ROUTE: &str =
    "key = { first = [{ header = \"X-Event-Id\" }, { json = [\"/merchant\", \"/metadata/order\"] }] }";

async fn pay(gateway: &Gateway, headers: &[(&str, &str)], body: &str) -> Answer {
    request(gateway.address, "POST", "/v1/charges", headers, body).await
}

async fn an_operation_of_a_body_is_one_on_every_gateway(store: Store) {
    let upstream = Upstream::start().await;
    let settings = Settings::route(ROUTE).store(&store.lines());
    let one = Gateway::start(&upstream, settings.clone()).await;
    let other = Gateway::start(&upstream, settings).await;
    let body = "merchant=a%3Ab&metadata[order]=17";

    upstream.hold();
    let mut first = Connection::open(one.address).await;
    first.send(request_bytes("POST", "/v1/charges", &[FORM], body.as_bytes())).await;
    upstream.reached(1).await;
    let mut duplicate = Connection::open(other.address).await;
    duplicate.send(request_bytes("POST", "/v1/charges", &[FORM], body.as_bytes())).await;
    other.duplicates(1).await;
    upstream.let_go();
    let (first, duplicate) = (first.answer().await, duplicate.answer().await);
    assert_eq!((first.status, first.is_replay()), (201, false));
    assert_eq!((&duplicate.body, duplicate.is_replay()), (&first.body, true));
    for gateway in [&one, &other] {
        let replay = pay(gateway, &[FORM], body).await;
        assert_eq!((&replay.body, replay.is_replay()), (&first.body, true));
        let mismatch = pay(gateway, &[FORM], &format!("{body}&amount=2")).await;
        mismatch.problem(422, "payload-mismatch", "no", "new-key");
        let lookup = json!({ "route": "pay", "path": "/v1/charges", "key": "a%3Ab:17" });
        let record = gateway.admin_post("/v1/lookup", &lookup).await.json();
        assert_eq!(
            (&record["state"], record["id"].as_str()),
            (&json!("completed"), first.header("idempotency-record"))
        );
    }
    // The same text in a header is the same key, and this is another request.
    let keyed = [("x-event-id", "a%3Ab:17"), FORM];
    pay(&other, &keyed, "amount=2").await.problem(422, "payload-mismatch", "no", "new-key");
    // Members that are joined otherwise are another operation.
    let apart = pay(&other, &[JSON], "{\"merchant\":\"a\",\"metadata\":{\"order\":\"b:17\"}}").await;
    assert_eq!((apart.status, apart.is_replay()), (201, false));
    assert_eq!(upstream.executions(), 2);
    for (seen, key) in upstream.seen().iter().zip(["a%3Ab:17", "a:b%3A17"]) {
        assert_eq!(seen.header("x-event-id"), key);
    }
}
