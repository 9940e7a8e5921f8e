//! Operators who declare an operation not executed on a route with markers.

use std::time::{Duration, SystemTime};

use oncegate::clock::Timestamp;
use serde_json::{Value, json};

use tokio::time::sleep;

use super::{LIMIT, fenced, on_every_store, resolve, world};
use crate::api::{Pause, Plan, Point};
use crate::client::{End, is_stored};
use crate::policy::{DEADLINE, Policy};
use crate::servers::proxy::Wire;
use crate::store::Kind;
use crate::world::Options;

on_every_store!(
    not_executed_is_said_only_behind_a_fence,
    not_executed_is_refused_where_the_marker_is_committed,
    not_executed_is_refused_while_the_marker_table_is_away,
    absence_in_a_ledger_needs_the_fence,
);

/// A lease after which gateways settle nothing by themselves in these tests.
fn patient() -> Options {
    Options { lease: Duration::from_secs(60), ..Options::default() }
}

async fn not_executed_is_said_only_behind_a_fence(store: Kind) {
    let paused = [Plan::CHARGE.received(Pause::Gate)];
    let world = world(Policy::Marker, store, &paused, patient()).await;
    drop(world.client("key").attempt(0).await);
    let record = world.record_in(1, "unknown").await;
    let early = json!({ "executed": false, "note": "a test" });
    assert_eq!(world.fleet[1].admin_post(&resolve(&record), &early).await.status, 409);
    assert_eq!(fenced(&world.api).await, []);
    let forced = json!({ "executed": false, "note": "a test", "force": true });
    let resolved = world.fleet[1].admin_post(&resolve(&record), &forced).await;
    assert_eq!((resolved.status, &resolved.json()["state"]), (200, &json!("cleared")), "{resolved:?}");
    assert_eq!(fenced(&world.api).await, [(1, true)]);
    world.api.open_gate();
    world.api.reached(Point::Done, 1).await;
    assert_eq!(world.api.effects().await, []);
    let end = world.client("key").run(0, LIMIT).await.end;
    assert!(matches!(&end, End::Response(answer) if is_stored(answer)), "{end:?}");
    assert_eq!(world.api.effects().await.len(), 1);
}

async fn not_executed_is_refused_where_the_marker_is_committed(store: Kind) {
    let world = world(Policy::Marker, store, &[Plan::ANSWER_LOST], patient()).await;
    drop(world.client("key").attempt(0).await);
    let record = world.record_in(1, "unknown").await;
    let forced = json!({ "executed": false, "note": "a test", "force": true });
    let refused = world.fleet[1].admin_post(&resolve(&record), &forced).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    // `records reconcile` looks for these words.
    assert!(refused.text().contains("the upstream has executed the operation"), "{refused:?}");
    let record = &world.records(1, "").await[0];
    assert_ne!(record["state"], "cleared", "{record}");
    assert_eq!((fenced(&world.api).await, world.api.effects().await.len()), (vec![(1, false)], 1));
}

async fn not_executed_is_refused_while_the_marker_table_is_away(store: Kind) {
    let world = world(Policy::Marker, store, &[Plan::NEVER_ARRIVED], Options::default()).await;
    let wire = world.marker_wire.as_ref().expect("a way to the marker table");
    wire.set(Wire::Closed);
    drop(world.client("key").attempt(0).await);
    let record = world.record_in(1, "unknown").await;
    let note = json!({ "executed": false, "note": "a test" });
    // Beyond the deadline, the missing fence is the only reason for a refusal.
    sleep(DEADLINE).await;
    let refused = world.fleet[1].admin_post(&resolve(&record), &note).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    assert!(refused.text().contains("could not be fenced"), "{refused:?}");
    assert_eq!(world.records(1, "").await[0]["state"], "unknown");
    wire.set(Wire::Whole);
    world.record_in(1, "cleared").await;
    assert_eq!(fenced(&world.api).await, [(1, true)]);
}

async fn absence_in_a_ledger_needs_the_fence(store: Kind) {
    let world = world(Policy::Marker, store, &[Plan::NEVER_ARRIVED], Options::default()).await;
    let wire = world.marker_wire.as_ref().expect("a way to the marker table");
    wire.set(Wire::Closed);
    drop(world.client("key").attempt(0).await);
    let record = world.record_in(1, "unknown").await;
    sleep(DEADLINE).await;
    let to = Timestamp::of_the_wall().to_string();
    let ledger = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(ledger.path(), "execution\n").expect("it can be written");
    // The times of files are coarse.
    let later = SystemTime::now() + Duration::from_secs(1);
    ledger.as_file().set_modified(later).expect("a time of its own");
    let reconciled = tokio::process::Command::new(env!("CARGO_BIN_EXE_oncegate"))
        .args(["records", "reconcile", "--json", "--apply", "--despite-gaps", "--settle-lag", "0s"])
        .args(["--from", "2026-01-01", "--to", &to, "--admin", &format!("http://{}", world.fleet[1].admin)])
        .args(["--route", record["route"].as_str().expect("a route"), "--ledger"])
        .arg(ledger.path())
        .output()
        .await
        .expect("the command runs");
    let report: Value = serde_json::from_slice(&reconciled.stdout).expect("JSON");
    assert_eq!(report["applied"], json!({ "executed": 0, "not_executed": 0, "refused": 1 }), "{report}");
    let refusal = &report["refusals"][0];
    assert_eq!(refusal["record"], record["id"]);
    assert!(refusal["detail"].as_str().is_some_and(|why| why.contains("could not be fenced")), "{refusal}");
    assert_eq!(world.records(1, "").await[0]["state"], "unknown");
    wire.set(Wire::Whole);
    world.record_in(1, "cleared").await;
}
