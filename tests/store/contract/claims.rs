//! The first round trip.

use oncegate::clock::Timestamp;
use oncegate::protocol::{Revision, State};
use oncegate::store::Claimed;

use crate::bench::{Bench, STILL, claim, complete, id, owner, response_of};
use crate::decisions;
use crate::events::{Event, Verdict};

pub async fn a_claim_creates_a_stamped_record(bench: Bench) {
    let before = bench.read(id(1)).await;
    assert_eq!(before.record, None);
    let record = bench.won(id(1), owner(1), STILL).await;
    let after = bench.read(id(1)).await;
    assert_eq!(after.record.as_ref(), Some(&record));
    assert_eq!(record.state, State::Running { owner: owner(1), n: 1, undecided: false });
    assert_eq!(record.revision, Revision::first(owner(1)));
    assert_eq!(record.created_at, record.updated_at);
    assert!(before.now <= record.updated_at && record.updated_at <= after.now);
    assert!(before.now > Timestamp(1_600_000_000_000), "a store's clock tells the time of day");
}

pub async fn a_claim_finds_what_is_there(bench: Bench) {
    let first = bench.won(id(1), owner(1), STILL).await;
    for other in [1, 2] {
        let again = claim(owner(other), STILL).first(Timestamp(0));
        match bench.store.claim(id(1), again).await.expect("a claim") {
            Claimed::Found(found) => assert_eq!((&found.record, found.response), (&first, None)),
            Claimed::Won(record) => panic!("won twice: {record:?}"),
        }
    }
    assert_eq!(bench.record(id(1)).await, first);
}

pub async fn a_claim_whose_answer_was_lost_wins_again(bench: Bench) {
    let first = bench.won(id(1), owner(1), STILL).await;
    let again = decisions::claim(&bench.ledger, id(1), claim(owner(1), STILL)).await.expect("a decision");
    assert_eq!((again.verdict, again.record.as_ref()), (Verdict::Won { n: 1 }, Some(&first)));
    let other = decisions::claim(&bench.ledger, id(1), claim(owner(2), STILL)).await.expect("a decision");
    assert_eq!((other.verdict, other.record), (Verdict::InFlight, Some(first)));
}

pub async fn a_claim_of_a_completed_operation_brings_its_response(bench: Bench) {
    bench.won(id(1), owner(1), STILL).await;
    bench.apply(id(1), complete(owner(1), 1)).await;
    let replay = decisions::claim(&bench.ledger, id(1), claim(owner(2), STILL)).await.expect("a decision");
    assert!(matches!(replay.verdict, Verdict::Replay(response) if response.id == owner(1)));
    assert_eq!(replay.response, Some(response_of(owner(1))));
}

pub async fn an_abandoned_claim_leaves_nothing(bench: Bench) {
    bench.won(id(1), owner(1), STILL).await;
    bench.ledger.abandon(id(1), owner(2)).await.expect("nothing to do");
    assert!(bench.read(id(1)).await.record.is_some(), "another owner's claim was abandoned");
    bench.ledger.abandon(id(1), owner(1)).await.expect("a release");
    assert_eq!(bench.read(id(1)).await.record, None);
    bench.ledger.abandon(id(1), owner(1)).await.expect("nothing to do any more");
    bench.won(id(2), owner(1), STILL).await;
    bench.apply(id(2), complete(owner(1), 1)).await;
    bench.ledger.abandon(id(2), owner(1)).await.expect("nothing to do");
    assert_eq!(bench.check(id(2), Event::Sweep).await, Verdict::Nothing);
}
