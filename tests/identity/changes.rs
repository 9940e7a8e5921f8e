//! A gateway with another scope, namespace or key header does not start on the same store. A gateway with
//! another route name does.

use crate::place::{Place, on_every_store, printed};
use crate::process::pay;

on_every_store!(a_change_of_the_naming_is_refused, a_changed_name_is_no_change);

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
