//! Many attempts at once: one wins, and the others get the winner's record.

use std::future::Future;
use std::sync::Arc;

use oncegate::protocol::{Policy, Reason, Record, State};
use oncegate::store::{Change, Claimed, Swap};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::bench::{Bench, SHORT, STILL, claim, id, owner};
use crate::decisions;
use crate::events::{Event, Verdict};

const MANY: u64 = 64;
const ROUNDS: u64 = 50;

/// Starts `MANY` of them together and collects their results.
async fn together<T, F>(bench: &Bench, each: impl Fn(Bench, u64) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(MANY as usize));
    let mut racers = JoinSet::new();
    for number in 1..=MANY {
        let (barrier, racer) = (Arc::clone(&barrier), each(bench.clone(), number));
        racers.spawn(async move {
            barrier.wait().await;
            racer.await
        });
    }
    racers.join_all().await
}

pub async fn one_of_many_claims_wins(bench: Bench) {
    for round in 0..ROUNDS {
        let claimed = together(&bench, |bench, number| async move {
            let first = claim(owner(round * MANY + number), STILL).first(Default::default());
            match bench.store.claim(id(round), first).await.expect("a claim") {
                Claimed::Won(record) => (true, record),
                Claimed::Found(found) => (false, found.record),
            }
        })
        .await;
        let stored = bench.record(id(round)).await;
        assert_eq!(claimed.iter().filter(|(won, _)| *won).count(), 1, "round {round}");
        assert!(claimed.iter().all(|(_, record)| *record == stored));
    }
}

pub async fn one_of_many_writes_is_stored(bench: Bench) {
    let mut current = bench.won(id(1), owner(1), STILL).await;
    for round in 0..ROUNDS {
        let known = current.clone();
        let swaps = together(&bench, move |bench, number| {
            let state = State::Running { owner: owner(number), n: 1, undecided: false };
            let next = Record { revision: known.revision.next(), state, ..known.clone() };
            let expected = known.revision;
            async move {
                let change = Change::Write(next.into());
                match bench.store.compare_and_set(id(1), expected, change).await.expect("an answer") {
                    Swap::Stored(record) => (true, record),
                    Swap::Conflict(found) => (false, found.record),
                }
            }
        })
        .await;
        current = bench.record(id(1)).await;
        assert_eq!(swaps.iter().filter(|(stored, _)| *stored).count(), 1, "round {round}");
        assert!(swaps.iter().all(|(_, record)| record.as_ref() == Some(&current)));
    }
}

/// Attempts and sweepers all find the lease over. The record becomes unknown once, and stays unknown.
pub async fn a_lease_lapses_once(bench: Bench) {
    for round in 0..5 {
        let policy = Policy { lease: SHORT, ..STILL };
        let running = bench.won(id(round), owner(round + 1), policy).await;
        bench.reach(running.deadline()).await;
        let lapses = together(&bench, |bench, number| async move {
            if number % 2 == 0 {
                return bench.ledger.sweep().await.expect("a sweep").lapsed;
            }
            let late = claim(owner(1000 + number), policy);
            let decision = decisions::claim(&bench.ledger, id(round), late).await.expect("a decision");
            assert_eq!(decision.verdict, Verdict::Unknown);
            0
        })
        .await;
        assert!(lapses.into_iter().sum::<usize>() <= 1);
        let unknown = bench.record(id(round)).await;
        assert_eq!(unknown.revision, running.revision.next(), "it was written once");
        assert!(matches!(unknown.state, State::Unknown { reason: Reason::LeaseOver, n: 1, .. }));
        assert_eq!(
            bench.check(id(round), Event::Renew { owner: owner(round + 1), n: 1 }).await,
            Verdict::Lost
        );
    }
}

pub async fn the_store_answers_and_is_not_broken(bench: Bench) {
    bench.ledger.ready().await.expect("a store that is ready");
    tokio::select! {
        biased;
        cause = bench.store.broken() => panic!("broken: {cause}"),
        ready = bench.store.ready() => ready.expect("a store that is ready"),
    }
}
