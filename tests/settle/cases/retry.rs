//! Sending again under the upstream's own keys: only the first attempt's bytes.

use serde_json::json;

use super::{LIMIT, on_every_store, resolve, world};
use crate::api::{Api, Call, Plan, Protection};
use crate::client::{Client, End, is_stored};
use crate::policy::Policy;
use crate::store::{Kind, Store};
use crate::world::{Options, World};

on_every_store!(
    another_body_is_never_sent_again_although_the_fingerprint_ignores_the_difference,
    the_upstreams_word_about_its_key_is_not_the_response,
    a_kept_request_is_sent_again_as_it_was,
    without_keys_of_the_upstream_each_execution_is_a_charge,
    an_outcome_that_is_reopened_waits_for_an_operator,
);

async fn another_body_is_never_sent_again_although_the_fingerprint_ignores_the_difference(store: Kind) {
    let route = "fingerprint = { body = \"json\", ignore = [\"/sent_at\"] }";
    let options = Options { route: route.into(), ..Options::default() };
    let world = world(Policy::Keys, store, &[Plan::NEVER_ARRIVED], options).await;
    let sent_at = |time: u32| {
        let body = format!("{{\"amount\":100,\"sent_at\":{time}}}");
        Client { body, ..world.client("key") }
    };
    let first = sent_at(1).attempt(0).await.expect("an answer");
    first.problem(504, "outcome-unknown", "unknown", "same-key");
    for gateway in 0..6 {
        let answer = sent_at(2).attempt(gateway).await.expect("an answer");
        assert_eq!((answer.status, world.api.calls().len()), (409, 1), "{answer:?}");
        assert_eq!(answer.json()["type"], "urn:oncegate:problem:outcome-unknown", "{answer:?}");
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    }
    let told = sent_at(1).run(0, LIMIT).await;
    assert!(matches!(&told.end, End::Response(answer) if is_stored(answer)), "{told:?}");
    let calls = world.api.calls();
    assert!(calls.len() == 2 && calls[0].body == calls[1].body, "{calls:?}");
    // Now that there is a response, the difference is ignored again.
    let replay = sent_at(2).attempt(1).await.expect("an answer");
    assert!(replay.is_replay() && replay.status == 201, "{replay:?}");
}

/// The decision has dropped what was kept of the first request, so no attempt can show that it has the same
/// bytes.
async fn an_outcome_that_is_reopened_waits_for_an_operator(store: Kind) {
    let world = world(Policy::Keys, store, &[Plan::NEVER_ARRIVED], Options::default()).await;
    drop(world.client("key").attempt(0).await);
    let record = world.record_in(1, "unknown").await;
    let note = json!({ "executed": true, "note": "a test" });
    let resolved = world.fleet[1].admin_post(&resolve(&record), &note).await;
    assert_eq!(resolved.json()["state"], "settled", "{resolved:?}");
    let reopen = resolve(&record).replace("/resolve", "/reopen");
    let reopened = world.fleet[0].admin_post(&reopen, &json!({ "note": "a mistake" })).await;
    assert_eq!((reopened.status, &reopened.json()["state"]), (200, &json!("unknown")), "{reopened:?}");
    let answer = world.client("key").attempt(0).await.expect("an answer");
    answer.problem(409, "outcome-unknown", "unknown", "never");
    assert_eq!(world.api.calls().len(), 1);
}

/// The first request still runs when the second one comes, so the API refuses its key with 409.
async fn the_upstreams_word_about_its_key_is_not_the_response(store: Kind) {
    let slow = crate::api::Pause::For(std::time::Duration::from_secs(4));
    let plans = [Plan::CHARGE.written(slow)];
    let world = world(Policy::Keys, store, &plans, Options::default()).await;
    let told = world.client("key").run(0, LIMIT).await;
    let passed_on = told.answers.iter().find(|answer| answer.header("idempotency-outcome").is_some());
    let passed_on = passed_on.unwrap_or_else(|| panic!("no answer of the API about its key: {told:?}"));
    assert_eq!((passed_on.status, passed_on.header("idempotency-outcome")), (409, Some("unknown")));
    assert!(matches!(&told.end, End::Response(answer) if answer.status == 201), "{told:?}");
    assert_eq!(world.api.effects().await.len(), 1);
}

async fn a_kept_request_is_sent_again_as_it_was(store: Kind) {
    let world = world(Policy::KeptKeys, store, &[Plan::NEVER_ARRIVED], Options::default()).await;
    let client = Client { credential: "Bearer of the payer".into(), ..world.client("key") };
    drop(client.attempt(0).await);
    world.record_in(1, "completed").await;
    let calls = world.api.calls();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert_eq!(calls[0].body, calls[1].body);
    // An execution whose gateway was too slow to send it takes a number, too.
    assert!(calls[0].execution.ends_with(":1") && !calls[1].execution.ends_with(":1"), "{calls:?}");
    for name in ["authorization", "idempotency-key", "content-type", "content-length"] {
        assert_eq!(calls[0].headers.get(name), calls[1].headers.get(name), "{name}");
    }
    let replay = client.attempt(1).await.expect("an answer");
    assert!(replay.is_replay() && replay.status == 201, "{replay:?}");
}

/// The limit of `retry` alone: an upstream that recognises nothing.
async fn without_keys_of_the_upstream_each_execution_is_a_charge(store: Kind) {
    let lost_first = |call: &Call| if call.number == 1 { Plan::ANSWER_LOST } else { Plan::CHARGE };
    let api = Api::start(Protection::Absent, lost_first).await;
    let (store, route) = (Store::of(store).await, "lease = \"700ms\"\non_unknown = \"retry\"");
    let world = World::with_route(api, store, None, route, Options::default()).await;
    let told = world.client("key").run(0, LIMIT).await;
    assert!(matches!(&told.end, End::Response(answer) if is_stored(answer)), "{told:?}");
    let calls = world.api.calls();
    assert!(calls.len() == 2 && calls[0].key == calls[1].key, "{calls:?}");
    assert_eq!(world.api.effects().await.len(), 2);
}
