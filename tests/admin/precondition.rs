//! Decisions that name their execution and the ledger behind them.

use serde_json::json;

use crate::audit_lines::AuditLines;
use crate::world::{LEASE, RESPONSE_TIMEOUT, World};

#[tokio::test]
async fn a_decision_about_another_execution_is_refused() {
    let (audit, _guard) = AuditLines::capture();
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    let cleared = json!({ "executed": false, "note": "never arrived", "force": true });
    world.resolve(id, cleared).await.json();
    world.unknown("k-1").await;
    world.clock.advance(LEASE + RESPONSE_TIMEOUT);
    for executed in [true, false] {
        let body =
            json!({ "executed": executed, "note": "n", "execution": 1, "ledger_sha256": "0".repeat(64) });
        let detail = world.resolve(id, body).await.problem(409, "about:blank");
        assert!(detail.contains("about execution 1; the record's last one is 2"), "{detail}");
    }
    assert_eq!(world.show(id).await["state"], "unknown");
    let refused = audit.read().into_iter().filter(|line| line["outcome"] == "refused");
    assert_eq!(refused.filter(|line| line["ledger_sha256"] == "0".repeat(64)).count(), 2);
    for sha256 in ["", "zz", &"0".repeat(63), &"g".repeat(64)] {
        let body = json!({ "executed": true, "note": "n", "ledger_sha256": sha256 });
        let detail = world.resolve(id, body).await.problem(400, "about:blank");
        assert!(detail.contains("ledger_sha256"), "{detail}");
    }
    let body = json!({ "executed": false, "note": "n", "execution": 2 });
    assert_eq!(world.resolve(id, body).await.json()["state"], "cleared");
}
