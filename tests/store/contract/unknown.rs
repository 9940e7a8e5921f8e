//! The list of unknown outcomes in the order of time, and their count.

use std::time::Duration;

use crate::events::Event;
use oncegate::protocol::{Policy, Reason, Record, RecordId, Resolution};
use oncegate::store::{Filter, Position, Tally, UnknownFilter};

use crate::bench::{Bench, STILL, claim, claim_on, complete, id, owner};

/// Makes the outcome of a new operation on `route` unknown.
pub async fn unknown_on(bench: &Bench, number: u64, route: &str, policy: Policy) -> (RecordId, Record) {
    let (id, owner) = (id(number), owner(number));
    let first = claim_on(route, owner, policy).first(Default::default());
    bench.store.claim(id, first).await.expect("a claim");
    bench.apply(id, Event::Lose { owner, n: 1, reason: Reason::ConnectionLost }).await;
    (id, bench.record(id).await)
}

/// Makes twelve unknown outcomes on two routes among other records. Returns them in the order of the list.
async fn twelve(bench: &Bench) -> Vec<(RecordId, Record)> {
    let mut unknown = Vec::new();
    for number in 0..12 {
        let route = if number % 3 == 0 { "third" } else { "other" };
        unknown.push(unknown_on(bench, number, route, STILL).await);
        bench.won(id(100 + number), owner(number), STILL).await;
        if number % 4 == 3 {
            // Some share a moment and some do not.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    unknown.sort_by_key(|(id, record)| (record.updated_at, *id));
    unknown
}

/// Follows the cursors to the end.
pub async fn listed(bench: &Bench, route: Option<&str>, limit: usize) -> Vec<(RecordId, Record)> {
    let mut filter = UnknownFilter { route: route.map(str::to_owned), after: None };
    let mut all = Vec::new();
    loop {
        let page = bench.ledger.oldest_unknown(filter.clone(), limit).await.expect("a page");
        assert!(page.records.len() <= limit);
        assert!(page.records.iter().all(|(_, record)| record.updated_at <= page.now));
        all.extend(page.records);
        match page.next {
            Some(next) => {
                assert!(filter.after < Some(next), "a cursor that does not move");
                filter.after = Some(next);
            }
            None => return all,
        }
    }
}

pub async fn tally(bench: &Bench) -> Tally {
    bench.ledger.tally().await.expect("a count")
}

pub async fn the_oldest_unknown_comes_first(bench: Bench) {
    assert!(listed(&bench, None, 10).await.is_empty());
    let all = twelve(&bench).await;
    for limit in [1, 5, 12, 100] {
        assert_eq!(listed(&bench, None, limit).await, all, "limit {limit}");
    }
    for route in ["third", "other", "nowhere"] {
        let fit: Vec<_> = all.iter().filter(|(_, record)| *record.route == *route).cloned().collect();
        for limit in [1, 3, 100] {
            assert_eq!(listed(&bench, Some(route), limit).await, fit, "{route}, limit {limit}");
        }
    }
    let found = bench.ledger.page(Filter { state: Some("unknown"), ..Filter::default() }, 100).await;
    assert_eq!(found.expect("a page").records.len(), all.len());
}

/// A page goes on behind its cursor, even if the record there is gone or changed.
pub async fn a_cursor_of_the_unknown_outlives_its_record(bench: Bench) {
    let all = twelve(&bench).await;
    let first = bench.ledger.oldest_unknown(UnknownFilter::default(), 4).await.expect("a page");
    let cursor = first.next.expect("more");
    assert_eq!(Some(cursor), Position::of(all[3].0, &all[3].1));
    bench.check(cursor.id, Event::Resolve(Resolution::NotExecuted { force: true })).await;
    let after = UnknownFilter { after: Some(cursor), ..UnknownFilter::default() };
    let rest = bench.ledger.oldest_unknown(after, 100).await.expect("a page");
    assert_eq!((rest.records, rest.next), (all[4..].to_vec(), None));
}

pub async fn unknown_outcomes_are_counted_by_route(bench: Bench) {
    assert_eq!(tally(&bench).await.total(), 0);
    let all = twelve(&bench).await;
    for decided in 0..all.len() {
        let left = &all[decided..];
        let counted = tally(&bench).await;
        assert_eq!(counted.total(), left.len() as u64);
        for route in ["third", "other"] {
            let fit: Vec<_> = left.iter().filter(|(_, record)| *record.route == *route).collect();
            let shown = counted.routes.get(route).map(|tally| (tally.records, tally.oldest));
            assert_eq!(
                shown,
                fit.first().map(|(_, oldest)| (fit.len() as u64, oldest.updated_at)),
                "{route}"
            );
        }
        assert!(left.iter().all(|(_, record)| record.updated_at <= counted.now));
        decide(&bench, decided, left[0].0).await;
        assert_eq!(listed(&bench, None, 100).await, left[1..]);
    }
}

/// Ends an unknown outcome in the way with this number.
async fn decide(bench: &Bench, way: usize, id: RecordId) {
    let number = (0..12).find(|number| self::id(*number) == id).expect("one of them");
    let event = match way % 4 {
        0 => complete(owner(number), 1),
        1 => Event::Release { owner: owner(number), n: 1 },
        2 => Event::Resolve(Resolution::NotExecuted { force: true }),
        _ => Event::Resolve(Resolution::Executed(None)),
    };
    bench.check(id, event).await;
}

/// A later execution of the same operation is the newest, if its outcome is unknown too.
pub async fn an_outcome_that_is_unknown_again_goes_to_the_end(bench: Bench) {
    let all = twelve(&bench).await;
    let (again, _) = all[0];
    bench.check(again, Event::Resolve(Resolution::NotExecuted { force: true })).await;
    tokio::time::sleep(Duration::from_millis(2)).await;
    bench.check(again, Event::Claim(claim(owner(50), STILL))).await;
    bench.check(again, Event::Lose { owner: owner(50), n: 2, reason: Reason::Shutdown }).await;
    let listed = listed(&bench, None, 100).await;
    assert_eq!(listed[..11], all[1..]);
    assert_eq!(listed[11], (again, bench.record(again).await));
    assert_eq!(tally(&bench).await.total(), 12);
}

pub async fn what_is_no_longer_remembered_is_not_counted(bench: Bench) {
    let policy = Policy { ttl: Duration::from_millis(50), ..STILL };
    let (_, record) = unknown_on(&bench, 1, "contract", policy).await;
    unknown_on(&bench, 2, "contract", STILL).await;
    bench.reach(record.deadline()).await;
    assert_eq!(bench.ledger.sweep().await.expect("a sweep").retired, 1);
    assert_eq!(tally(&bench).await.total(), 1);
    assert_eq!(listed(&bench, None, 100).await.len(), 1);
}

pub async fn there_is_nothing_to_mend_in_what_this_release_wrote(bench: Bench) {
    let all = twelve(&bench).await;
    for (way, (id, _)) in all.iter().take(4).enumerate() {
        decide(&bench, way, *id).await;
    }
    assert_eq!(bench.store.mend_unknown().await, Ok(0));
    assert_eq!(listed(&bench, None, 100).await, all[4..]);
}
