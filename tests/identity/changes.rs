//! A gateway with another scope, namespace or key header does not start on the same store. A gateway with
//! another route name does.

use crate::harness::request;
use crate::place::{Place, on_every_store, printed};
use crate::process::pay;

on_every_store!(
    a_change_of_the_naming_is_refused,
    a_changed_name_is_no_change,
    another_member_is_a_change_and_another_way_to_the_upstream_is_none,
);

const CHARGES: (&str, &str, &str) = ("create-charge", "/v1/charges", "");

async fn a_change_of_the_naming_is_refused(place: Place) {
    let (gateway, address) = place.serve("", &[CHARGES]).await;
    assert_eq!(pay(address, "/v1/charges", "k").await.status, 201);
    gateway.stop().await;
    let kept = "scope = [\"authorization\", \"x-api-key\", \"api-key\", \"stripe-account\", { path = true }]";
    for (changed, kept) in [
        ("scope = [\"x-merchant\", \"authorization\"]", kept),
        ("namespace = \"payments\"", "namespace = \"default\""),
        ("key = { header = \"X-Request-Key\" }", "key = { header = \"idempotency-key\" }"),
        ("key = { json = \"/order\" }", "key = { header = \"idempotency-key\" }"),
        (
            "key = { first = [{ header = \"Idempotency-Key\" }, { json = \"/order\" }] }",
            "key = { header = \"idempotency-key\" }",
        ),
    ] {
        let refusal = place.start("", &[("create-charge", "/v1/charges", changed)]).await.refusal();
        let entry = printed(&refusal, "POST /v1/charges");
        assert!(refusal.contains(&format!("accept_identity_change = [\"{entry}\"]")), "{refusal}");
        assert!(refusal.contains(&format!("\n    {kept}\n")), "{refusal}");
        assert!(
            refusal.contains("namespace = \"default\"") && refusal.contains("while none serves"),
            "{refusal}"
        );
        // The lines that the gateway prints keep the names.
        place.serve("", &[("create-charge", "/v1/charges", kept)]).await.0.stop().await;
    }
    let (_gateway, address) = place.serve("", &[CHARGES]).await;
    let replay = pay(address, "/v1/charges", "k").await;
    assert!(replay.is_replay() && place.upstream.executions() == 1, "{replay:?}");
}

async fn another_member_is_a_change_and_another_way_to_the_upstream_is_none(place: Place) {
    const KEY: &str = "key = { json = [\"/merchant\", \"/order\"] }";
    let route = |key| [("create-charge", "/v1/charges", key)];
    let headers = [("content-type", "application/json"), ("authorization", "Bearer a")];
    let body = "{\"merchant\":\"m\",\"order\":17}";
    let (gateway, address) = place.serve("", &route(KEY)).await;
    assert_eq!(request(address, "POST", "/v1/charges", &headers, body).await.status, 201);
    gateway.stop().await;
    for other in [
        "key = { json = [\"/order\", \"/merchant\"] }",
        "key = { json = \"/order\" }",
        "key = { first = [{ json = [\"/merchant\", \"/order\"] }, { json = \"/id\" }] }",
        "",
    ] {
        let refusal = place.start("", &route(other)).await.refusal();
        assert!(refusal.contains(&format!("\n    {KEY}\n")), "{other}: {refusal}");
    }
    let way = "key = { json = [\"/merchant\", \"/order\"], required = true, forward = \"quoted\", forward_as = \"X-Key\" }";
    for same in [way, "key = { first = [{ json = [\"/merchant\", \"/order\"] }] }"] {
        let (gateway, address) = place.serve("", &route(same)).await;
        let replay = request(address, "POST", "/v1/charges", &headers, body).await;
        assert!(replay.is_replay() && place.upstream.executions() == 1, "{replay:?}");
        gateway.stop().await;
    }
}

async fn a_changed_name_is_no_change(place: Place) {
    let (gateway, address) = place.serve("", &[("create-charge", "/v1/charges/{id}", "")]).await;
    assert_eq!(pay(address, "/v1/charges/1", "k").await.status, 201);
    gateway.stop().await;
    let lines = "ttl = \"1h\"\nanonymous = \"one\"\nmatch = \"equivalent\"";
    let (gateway, address) = place.serve("", &[("renamed", "/v1/charges/{charge}/", lines)]).await;
    let replay = pay(address, "/v1/charges/1", "k").await;
    assert!(replay.is_replay() && place.upstream.executions() == 1, "{replay:?}");
    assert!(!gateway.said().contains("names"), "{}", gateway.said());
}
