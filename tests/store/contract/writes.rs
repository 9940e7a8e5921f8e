//! Compare and set, and the effects of writes that are late, lost or repeated.

use oncegate::protocol::{Reason, Resolution, ResponseRef, State};
use oncegate::store::{Change, Swap};

use crate::bench::{Bench, STILL, complete, id, owner, response_of, retained};
use crate::decisions;
use crate::events::{Event, Verdict};

pub async fn a_stale_revision_changes_nothing(bench: Bench) {
    let first = bench.won(id(1), owner(1), STILL).await;
    bench.apply(id(1), complete(owner(1), 1)).await;
    let completed = bench.record(id(1)).await;
    for change in [Change::Remove(None), Change::Write(first.clone().into())] {
        match bench.store.compare_and_set(id(1), first.revision, change).await.expect("an answer") {
            Swap::Conflict(found) => {
                assert_eq!(found.record.as_ref(), Some(&completed));
                assert_eq!(found.response, Some(response_of(owner(1))), "a conflict brings the response");
            }
            Swap::Stored(record) => panic!("a stale write was stored: {record:?}"),
        }
        assert_eq!(bench.record(id(1)).await, completed);
    }
}

pub async fn what_is_absent_cannot_be_written_over(bench: Bench) {
    let first = bench.won(id(1), owner(1), STILL).await;
    for change in [Change::Remove(None), Change::Write(first.clone().into())] {
        let swap = bench.store.compare_and_set(id(2), first.revision, change).await.expect("an answer");
        assert!(matches!(&swap, Swap::Conflict(found) if found.record.is_none()), "{swap:?}");
    }
    assert_eq!(bench.read(id(2)).await.record, None);
}

/// A slow writer still remembers the first record, and the second record must not look like it.
pub async fn a_record_that_was_freed_and_claimed_again_is_another_one(bench: Bench) {
    let first = bench.won(id(1), owner(1), STILL).await;
    bench.check(id(1), Event::Release { owner: owner(1), n: 1 }).await;
    let second = bench.won(id(1), owner(2), STILL).await;
    let late =
        bench.store.compare_and_set(id(1), first.revision, Change::Remove(None)).await.expect("an answer");
    assert!(matches!(&late, Swap::Conflict(found) if found.record.as_ref() == Some(&second)), "{late:?}");
    let renewed = Event::Renew { owner: owner(1), n: 1 };
    let late =
        decisions::apply(&bench.ledger, id(1), Some(&first), &renewed, None).await.expect("a decision");
    assert_eq!(late.verdict, Verdict::Lost);
    assert_eq!(bench.record(id(1)).await, second);
}

/// A completed record stays completed.
pub async fn a_renewal_after_the_completion_changes_nothing(bench: Bench) {
    let running = bench.won(id(1), owner(1), STILL).await;
    bench.apply(id(1), complete(owner(1), 1)).await;
    let completed = bench.record(id(1)).await;
    let renew = Event::Renew { owner: owner(1), n: 1 };
    let late =
        decisions::apply(&bench.ledger, id(1), Some(&running), &renew, None).await.expect("a decision");
    assert_eq!((late.verdict, late.record.as_ref()), (Verdict::Lost, Some(&completed)));
    assert_eq!(bench.record(id(1)).await, completed);
}

/// The owner answers with the resolved outcome, and not with its own response.
pub async fn an_owner_that_lost_answers_from_the_record(bench: Bench) {
    let running = bench.won(id(1), owner(1), STILL).await;
    bench.check(id(1), Event::Lose { owner: owner(1), n: 1, reason: Reason::ResponseTimeout }).await;
    let decided = Resolution::Executed(Some(retained(owner(9))));
    assert_eq!(bench.check(id(1), Event::Resolve(decided)).await, Verdict::Resolved);
    let own = response_of(owner(1));
    let late = complete(owner(1), 1);
    let late =
        decisions::apply(&bench.ledger, id(1), Some(&running), &late, Some(&own)).await.expect("a decision");
    assert_eq!((late.verdict, late.response), (Verdict::Lost, Some(response_of(owner(9)))));
    assert_eq!(bench.read(id(1)).await.response, Some(response_of(owner(9))));
}

/// Each write after the claim can be repeated.
pub async fn repeating_a_write_whose_answer_was_lost_changes_nothing(bench: Bench) {
    let running = bench.won(id(1), owner(1), STILL).await;
    let (once, response) = (complete(owner(1), 1), response_of(owner(1)));
    for _ in 0..3 {
        let known = Some(&running);
        let stored =
            decisions::apply(&bench.ledger, id(1), known, &once, Some(&response)).await.expect("a decision");
        assert_eq!(stored.verdict, Verdict::Stored);
    }
    assert_eq!(bench.record(id(1)).await.revision, running.revision.next());

    let running = bench.won(id(2), owner(1), STILL).await;
    let release = Event::Release { owner: owner(1), n: 1 };
    for _ in 0..3 {
        let released =
            decisions::apply(&bench.ledger, id(2), Some(&running), &release, None).await.expect("a decision");
        assert_eq!((released.verdict, released.record), (Verdict::Released, None));
    }
    let lose = Event::Lose { owner: owner(1), n: 1, reason: Reason::Shutdown };
    bench.won(id(3), owner(1), STILL).await;
    for _ in 0..3 {
        assert_eq!(bench.check(id(3), lose.clone()).await, Verdict::Held);
    }
}

pub async fn a_response_comes_back_byte_for_byte(bench: Bench) {
    let mut large = response_of(owner(1));
    large.body = (0..1_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut empty = response_of(owner(1));
    (empty.headers, empty.body) = (Vec::new(), bytes::Bytes::new());
    for (number, response) in [(1, response_of(owner(1))), (2, large), (3, empty)] {
        bench.won(id(number), owner(1), STILL).await;
        let event = complete(owner(1), 1);
        decisions::apply(&bench.ledger, id(number), None, &event, Some(&response)).await.expect("a decision");
        let kept = bench.store.read(id(number)).await.expect("a read").response.expect("a response");
        let repeated: Vec<_> = kept.headers.iter().filter(|(name, _)| name == "x-b").collect();
        assert!(kept == response, "response {number} is another one");
        assert_eq!(repeated.len(), if number == 3 { 0 } else { 2 });
    }
}

/// A removed response is not found under the next completion of the same id.
pub async fn a_response_goes_with_its_completion(bench: Bench) {
    bench.won(id(1), owner(1), STILL).await;
    bench.check(id(1), complete(owner(1), 1)).await;
    assert_eq!(bench.check(id(1), Event::Delete).await, Verdict::Deleted);
    assert_eq!(bench.store.read(id(1)).await.expect("a read").response, None);

    bench.won(id(2), owner(1), STILL).await;
    bench.check(id(2), complete(owner(1), 1)).await;
    let completed = bench.record(id(2)).await;
    let removed = bench.store.compare_and_set(id(2), completed.revision, Change::Remove(None)).await;
    assert!(matches!(removed, Ok(Swap::Stored(None))), "{removed:?}");
    let running = bench.won(id(2), owner(2), STILL).await;
    // This completion refers to a response that never came. The old response must not take its place.
    let state = State::Completed { owner: owner(2), n: 1, response: retained(owner(2)) };
    let bare = oncegate::protocol::Record { revision: running.revision.next(), state, ..running.clone() };
    let bare = Change::Write(bare.into());
    bench.store.compare_and_set(id(2), running.revision, bare).await.expect("an answer");
    assert_eq!(bench.store.read(id(2)).await.expect("a read").response, None);
    let missing = decisions::read(&bench.ledger, id(2)).await.expect_err("a replay without its body");
    assert!(matches!(missing, oncegate::store::StoreError::Unreadable { id: named, .. } if named == id(2)));
}

pub async fn a_response_that_was_not_retained_is_remembered(bench: Bench) {
    bench.won(id(1), owner(1), STILL).await;
    let response = ResponseRef { id: owner(1), status: 413, retained: false };
    bench.check(id(1), Event::Complete { owner: owner(1), n: 1, response }).await;
    let read = decisions::read(&bench.ledger, id(1)).await.expect("a decision");
    assert_eq!((read.verdict, read.response), (Verdict::Replay(response), None));
}
