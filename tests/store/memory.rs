//! The store `memory:` under the contract.

use std::sync::Arc;

use crate::events::{Event, Next, transition};
use oncegate::clock::{SteadyClock, Timestamp};
use oncegate::protocol::notice::{self, Kind};
use oncegate::protocol::{Policy, Reason, Resolution};
use oncegate::store::memory::MemoryStore;
use oncegate::store::{Change, Store, Swap, Written};

use crate::bench::{Bench, SHORT, STILL, claim, complete, id, owner};

crate::contract::suite!(open());

fn open() -> (Arc<dyn Store>, ()) {
    (Arc::new(MemoryStore::new(Arc::new(SteadyClock::starting(Timestamp(0))))), ())
}

/// The notice for other systems is stored in the step that it reports, and in no other step.
#[tokio::test]
async fn each_step_stores_its_notice_with_the_record() {
    let store = Arc::new(MemoryStore::new(Arc::new(SteadyClock::starting(Timestamp(0)))));
    let bench = Bench::of(Arc::clone(&store) as Arc<dyn Store>);
    let told = |from: usize| -> Vec<_> {
        store.notices().into_iter().skip(from).map(|told| (told.id, told.notice.kind)).collect()
    };
    let lose = |number| Event::Lose { owner: owner(number), n: 1, reason: Reason::ConnectionLost };

    bench.won(id(1), owner(1), STILL).await;
    bench.check(id(1), Event::Renew { owner: owner(1), n: 1 }).await;
    assert_eq!(told(0), [], "nothing is decided yet");
    bench.check(id(1), complete(owner(1), 1)).await;
    let at = bench.record(id(1)).await.updated_at;
    assert_eq!(store.notices()[0].at, at, "by the store's clock");
    bench.check(id(1), complete(owner(1), 1)).await;
    bench.check(id(1), lose(1)).await;
    assert_eq!(told(0), [(id(1), Kind::Completed)], "what changes nothing tells nothing");

    bench.won(id(2), owner(2), STILL).await;
    bench.check(id(2), lose(2)).await;
    bench.check(id(2), Event::Resolve(Resolution::NotExecuted { force: true })).await;
    bench.won(id(3), owner(3), STILL).await;
    bench.check(id(3), Event::Release { owner: owner(3), n: 1 }).await;
    assert_eq!(told(1), [(id(2), Kind::Unknown), (id(2), Kind::Resolved), (id(3), Kind::Released)]);

    let policy = Policy { lease: SHORT, ttl: SHORT, ..STILL };
    let running = bench.won(id(4), owner(4), policy).await;
    bench.reach(running.deadline()).await;
    bench.ledger.sweep().await.expect("a sweep");
    bench.reach(bench.record(id(4)).await.deadline()).await;
    bench.ledger.sweep().await.expect("a sweep");
    assert_eq!(told(4), [(id(4), Kind::Unknown), (id(4), Kind::Expired)]);
}

#[tokio::test]
async fn a_step_that_loses_its_comparison_stores_no_notice() {
    let store = MemoryStore::new(Arc::new(SteadyClock::starting(Timestamp(0))));
    let first = claim(owner(1), STILL).first(Timestamp(0));
    store.claim(id(1), first.clone()).await.expect("a claim");
    let lose = Event::Lose { owner: owner(1), n: 1, reason: Reason::Shutdown };
    let Next::Write(record) = transition(Some(&first), &lose, Timestamp(0)).next else { panic!("a record") };
    let notice = notice::of(lose.kind(), Some(&first), Some(&record));
    assert!(notice.is_some());
    for expected in [first.revision.next(), record.revision] {
        let written = Written { record: record.clone(), response: None, notice: notice.clone() };
        for change in [Change::Write(written), Change::Remove(notice.clone())] {
            let swap = store.compare_and_set(id(1), expected, change).await.expect("an answer");
            assert!(matches!(swap, Swap::Conflict(_)));
        }
    }
    assert_eq!(store.notices(), []);
}
