//! The effects of time, by the store's own clock.

use std::time::Duration;

use oncegate::protocol::{Executed, Policy, Reason, Resolution, State};
use oncegate::store::ledger::Swept;
use tokio::task::JoinSet;

use crate::bench::{Bench, HOUR, SHORT, STILL, claim, complete, id, owner};
use crate::decisions;
use crate::events::{Event, Verdict};

/// The tombstone is long enough for a slow disk between the end of the ttl and the next read.
const BRIEF: Policy = Policy { ttl: SHORT, tombstone_ttl: Duration::from_millis(1500), ..STILL };

async fn sweep(bench: &Bench) -> Swept {
    bench.ledger.sweep().await.expect("a sweep")
}

async fn pass(bench: &Bench, number: u64) {
    bench.reach(bench.record(id(number)).await.deadline()).await;
}

async fn verdict(bench: &Bench, number: u64) -> Verdict {
    decisions::read(&bench.ledger, id(number)).await.expect("a decision").verdict
}

pub async fn a_known_outcome_becomes_a_tombstone_and_ends(bench: Bench) {
    bench.won(id(1), owner(1), BRIEF).await;
    bench.check(id(1), complete(owner(1), 1)).await;
    pass(&bench, 1).await;
    // For readers a record ends on time, even if it was not swept.
    assert_eq!(verdict(&bench, 1).await, Verdict::Expired(Executed::Yes));
    assert_eq!(sweep(&bench).await, Swept { retired: 1, ..Swept::default() });
    let tombstone = bench.record(id(1)).await;
    assert_eq!(tombstone.state, State::Expired { n: 1, executed: Executed::Yes });
    assert_eq!(bench.store.read(id(1)).await.expect("a read").response, None);
    pass(&bench, 1).await;
    assert_eq!(sweep(&bench).await, Swept { forgotten: 1, ..Swept::default() });
    assert_eq!(bench.read(id(1)).await.record, None);
    assert_eq!(sweep(&bench).await, Swept::default());
}

pub async fn an_unknown_outcome_is_remembered_as_unknown(bench: Bench) {
    bench.won(id(1), owner(1), BRIEF).await;
    bench.check(id(1), Event::Lose { owner: owner(1), n: 1, reason: Reason::ConnectionLost }).await;
    pass(&bench, 1).await;
    assert_eq!(sweep(&bench).await, Swept { retired: 1, ..Swept::default() });
    let late = decisions::claim(&bench.ledger, id(1), claim(owner(2), BRIEF)).await.expect("a decision");
    assert_eq!(late.verdict, Verdict::Expired(Executed::Unknown));
    pass(&bench, 1).await;
    assert_eq!(sweep(&bench).await, Swept { forgotten: 1, ..Swept::default() });
    bench.won(id(1), owner(3), BRIEF).await;
}

pub async fn without_tombstone_only_the_known_is_forgotten(bench: Bench) {
    let policy = Policy { ttl: SHORT, tombstone_ttl: Duration::ZERO, ..STILL };
    bench.won(id(1), owner(1), policy).await;
    bench.won(id(2), owner(1), policy).await;
    bench.check(id(1), complete(owner(1), 1)).await;
    bench.check(id(2), Event::Lose { owner: owner(1), n: 1, reason: Reason::ConnectionLost }).await;
    pass(&bench, 1).await;
    pass(&bench, 2).await;
    assert_eq!(sweep(&bench).await, Swept { retired: 1, forgotten: 1, ..Swept::default() });
    assert_eq!(bench.read(id(1)).await.record, None);
    let kept = bench.record(id(2)).await;
    assert_eq!(kept.state, State::Expired { n: 1, executed: Executed::Unknown });
    assert!(kept.deadline() >= kept.updated_at.plus(Policy::UNKNOWN_TOMBSTONE));
}

pub async fn a_key_is_free_again_before_any_sweep(bench: Bench) {
    let policy = Policy { ttl: SHORT, tombstone_ttl: Duration::ZERO, ..STILL };
    let old = bench.won(id(1), owner(1), policy).await;
    bench.check(id(1), complete(owner(1), 1)).await;
    pass(&bench, 1).await;
    let won = bench.check(id(1), Event::Claim(claim(owner(2), STILL))).await;
    assert_eq!(won, Verdict::Won { n: 1 });
    let new = bench.record(id(1)).await;
    assert!(new.created_at > old.created_at && new.policy == STILL);
    assert_eq!(sweep(&bench).await, Swept::default());
}

/// A record that is running inside its lease, or unknown inside its ttl, stays.
pub async fn a_sweep_leaves_alone_what_is_not_due(bench: Bench) {
    for number in 1..=4 {
        bench.won(id(number), owner(1), STILL).await;
    }
    bench.check(id(2), Event::Lose { owner: owner(1), n: 1, reason: Reason::Shutdown }).await;
    bench.check(id(3), complete(owner(1), 1)).await;
    // A renewal moves the deadline, and the sweep must not find the old one.
    let renewable = Policy { lease: Duration::from_millis(400), ..STILL };
    let started = bench.won(id(5), owner(1), renewable).await;
    bench.reach(started.updated_at.plus(SHORT)).await;
    assert_eq!(bench.check(id(5), Event::Renew { owner: owner(1), n: 1 }).await, Verdict::Renewed);
    let renewed = bench.record(id(5)).await;
    bench.reach(started.deadline()).await;
    let swept = sweep(&bench).await;
    let in_time = bench.read(id(5)).await.now < renewed.deadline();
    assert!(!in_time || swept == Swept::default(), "{swept:?}");
    for (number, state) in [(1, "running"), (2, "unknown"), (3, "completed"), (4, "running")] {
        assert_eq!(bench.record(id(number)).await.state.name(), state);
    }
    bench.reach(renewed.deadline()).await;
    sweep(&bench).await;
    assert_eq!(bench.record(id(5)).await.state.name(), "unknown");
}

/// No client comes back, and the sweeper records the lost executions.
pub async fn thousands_lapse_in_small_batches(bench: Bench) {
    const DUE: u64 = 2_000;
    let policy = Policy { lease: SHORT, ..STILL };
    let mut claims = JoinSet::new();
    for number in 0..DUE {
        let bench = bench.clone();
        claims.spawn(async move { bench.won(id(number), owner(number), policy).await.deadline() });
    }
    bench.won(id(DUE), owner(1), STILL).await;
    bench.reach(claims.join_all().await.into_iter().max().expect("some")).await;
    let (mut lapsed, mut steps) = (0, 0);
    loop {
        let swept = sweep(&bench).await;
        assert!(swept.lapsed <= 512, "a step of the sweep is small: {swept:?}");
        (lapsed, steps) = (lapsed + swept.lapsed, steps + 1);
        assert!(steps <= DUE, "what was swept is found again and again");
        if !swept.more {
            break;
        }
    }
    assert_eq!(lapsed as u64, DUE, "in {steps} steps");
    assert!(steps > 3);
    for number in 0..DUE {
        let state = bench.record(id(number)).await.state;
        assert!(matches!(state, State::Unknown { reason: Reason::LeaseOver, .. }), "{state:?}");
    }
    assert_eq!(bench.record(id(DUE)).await.state.name(), "running");
    assert_eq!(sweep(&bench).await, Swept::default());
}

pub async fn a_completion_may_come_after_the_lapse(bench: Bench) {
    let policy = Policy { lease: SHORT, response_timeout: HOUR, ..STILL };
    let running = bench.won(id(1), owner(1), policy).await;
    bench.reach(running.deadline()).await;
    // An attempt finds the lease over and records it.
    let found = decisions::claim(&bench.ledger, id(1), claim(owner(2), policy)).await.expect("a decision");
    assert_eq!(found.verdict, Verdict::Unknown);
    assert_eq!(bench.record(id(1)).await.state.name(), "unknown");
    assert_eq!(bench.check(id(1), Event::Renew { owner: owner(1), n: 1 }).await, Verdict::Lost);
    assert_eq!(bench.check(id(1), complete(owner(1), 1)).await, Verdict::Stored);
}

/// An execution that never sent its request leaves no record, even if other attempts took it for unknown
/// meanwhile.
pub async fn a_claim_may_be_abandoned_after_the_lapse(bench: Bench) {
    let policy = Policy { lease: SHORT, ..STILL };
    let running = bench.won(id(1), owner(1), policy).await;
    bench.reach(running.deadline()).await;
    assert_eq!(sweep(&bench).await.lapsed, 1);
    bench.ledger.abandon(id(1), owner(2)).await.expect("nothing to do");
    assert_eq!(bench.record(id(1)).await.state.name(), "unknown");
    bench.ledger.abandon(id(1), owner(1)).await.expect("a release");
    assert_eq!(bench.read(id(1)).await.record, None);
}

/// "Not executed" can be decided once the call can no longer be under way.
pub async fn an_unknown_outcome_can_be_cleared_once_it_is_quiet(bench: Bench) {
    let policy = Policy { lease: SHORT, response_timeout: SHORT, ..STILL };
    bench.won(id(1), owner(1), policy).await;
    bench.check(id(1), Event::Lose { owner: owner(1), n: 1, reason: Reason::ResponseTimeout }).await;
    let State::Unknown { quiet_at, .. } = bench.record(id(1)).await.state else { panic!("not unknown") };
    bench.reach(quiet_at).await;
    let cleared = Event::Resolve(Resolution::NotExecuted { force: false });
    assert_eq!(bench.check(id(1), cleared).await, Verdict::Resolved);
    assert_eq!(bench.check(id(1), Event::Claim(claim(owner(2), policy))).await, Verdict::Won { n: 2 });
}
