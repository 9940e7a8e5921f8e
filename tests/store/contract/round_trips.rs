//! What the steps of an operation cost a store on a server.

use crate::bench::{Bench, STILL, claim, complete, id, owner, response_of};
use crate::decisions;
use crate::events::Event;

/// Runs each step once, and checks that `round_trips`, which nothing else adds to, counts one for it.
pub async fn each_step(bench: &Bench, round_trips: impl Fn() -> u64) {
    let mut before = round_trips();
    let mut one = |step: &str| {
        let now = round_trips();
        assert_eq!(now - before, 1, "{step}");
        before = now;
    };
    let running = bench.won(id(1), owner(1), STILL).await;
    one("a claim");
    let renew = Event::Renew { owner: owner(1), n: 1 };
    let renewed =
        decisions::apply(&bench.ledger, id(1), Some(&running), &renew, None).await.expect("a renewal");
    one("a renewal");
    let response = response_of(owner(1));
    let record = renewed.record.as_ref();
    decisions::apply(&bench.ledger, id(1), record, &complete(owner(1), 1), Some(&response))
        .await
        .expect("a completion");
    one("a completion");
    let replay = decisions::claim(&bench.ledger, id(1), claim(owner(2), STILL)).await.expect("a replay");
    assert_eq!(replay.response, Some(response));
    one("a replay with its body");
    let second = bench.won(id(2), owner(1), STILL).await;
    one("another claim");
    let release = Event::Release { owner: owner(1), n: 1 };
    decisions::apply(&bench.ledger, id(2), Some(&second), &release, None).await.expect("a release");
    one("a release");
    bench.store.read(id(1)).await.expect("a read");
    one("a read");
}
