//! Pages for operators, and due records for the sweeper.

use std::time::Duration;

use oncegate::clock::Timestamp;
use oncegate::protocol::{Policy, Reason, Record, RecordId};
use oncegate::store::{Filter, Page};

use crate::bench::{Bench, SHORT, STILL, claim_on, complete, id, owner};
use crate::events::Event;

/// Makes thirty records on two routes: every third is unknown, every fifth is completed, and the others are
/// running.
async fn thirty(bench: &Bench) -> Vec<(RecordId, Record)> {
    let mut all = Vec::new();
    for number in 0..30 {
        let (id, owner) = (id(number), owner(number));
        let route = if number % 2 == 0 { "even" } else { "odd" };
        let first = claim_on(route, owner, STILL).first(Timestamp(0));
        bench.store.claim(id, first).await.expect("a claim");
        match number {
            _ if number % 3 == 0 => {
                bench.apply(id, Event::Lose { owner, n: 1, reason: Reason::ConnectionLost }).await;
            }
            _ if number % 5 == 0 => drop(bench.apply(id, complete(owner, 1)).await),
            _ => {}
        }
        all.push((id, bench.record(id).await));
    }
    all.sort_by_key(|(id, _)| *id);
    all
}

async fn page(bench: &Bench, filter: &Filter, limit: usize) -> Page {
    bench.ledger.page(filter.clone(), limit).await.expect("a page")
}

/// Follows the cursors to the end and returns all records.
async fn whole(bench: &Bench, filter: &Filter, limit: usize) -> Vec<(RecordId, Record)> {
    let (mut filter, mut all) = (filter.clone(), Vec::new());
    loop {
        let page = page(bench, &filter, limit).await;
        assert!(page.records.len() <= limit);
        assert!(
            page.now >= page.records.iter().map(|(_, record)| record.updated_at).max().unwrap_or_default()
        );
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

pub async fn a_page_shows_what_fits(bench: Bench) {
    assert!(whole(&bench, &Filter::default(), 10).await.is_empty());
    let all = thirty(&bench).await;
    for state in [None, Some("unknown"), Some("completed"), Some("running"), Some("settled")] {
        for route in [None, Some("even"), Some("nowhere")] {
            let filter = Filter { state, route: route.map(str::to_owned), after: None };
            let fits = all.iter().filter(|(_, record)| {
                state.is_none_or(|state| state == record.state.name())
                    && route.is_none_or(|route| *route == *record.route)
            });
            assert_eq!(whole(&bench, &filter, 100).await, fits.cloned().collect::<Vec<_>>(), "{filter:?}");
        }
    }
    // A record that leaves a state leaves the list of that state.
    let (gone, _) = whole(&bench, &Filter { state: Some("unknown"), ..Filter::default() }, 1).await[0];
    let found = oncegate::protocol::Resolution::NotExecuted { force: true };
    bench.check(gone, Event::Resolve(found)).await;
    let unknown = whole(&bench, &Filter { state: Some("unknown"), ..Filter::default() }, 100).await;
    assert_eq!(unknown.len(), 9);
    assert!(unknown.iter().all(|(id, _)| *id != gone));
}

pub async fn pages_follow_each_other(bench: Bench) {
    let all = thirty(&bench).await;
    for limit in [1, 7, 10, 30, 31] {
        assert_eq!(whole(&bench, &Filter::default(), limit).await, all, "limit {limit}");
    }
    let unknown = Filter { state: Some("unknown"), ..Filter::default() };
    assert_eq!(whole(&bench, &unknown, 3).await.len(), 10);
}

/// A page continues after its cursor, even if the record there has changed.
pub async fn a_cursor_outlives_its_record(bench: Bench) {
    let all = thirty(&bench).await;
    let first = page(&bench, &Filter::default(), 10).await;
    let cursor = first.next.expect("more");
    assert_eq!(cursor, all[9].0);
    let record = bench.record(cursor).await;
    let removed =
        bench.store.compare_and_set(cursor, record.revision, oncegate::store::Change::Remove(None)).await;
    removed.expect("a removal");
    let after = Filter { after: Some(cursor), ..Filter::default() };
    assert_eq!(whole(&bench, &after, 10).await, all[10..]);
}

pub async fn the_longest_due_comes_first(bench: Bench) {
    let mut last = Timestamp(0);
    for number in 0..20_u64 {
        // The deadlines follow neither the order of the claims nor that of the ids.
        let lease = Duration::from_millis(20 + (number * 7 % 20) * 5);
        let record = bench.won(id(number), owner(number), Policy { lease, ..STILL }).await;
        last = last.max(record.deadline());
    }
    bench.won(id(20), owner(20), STILL).await;
    bench.reach(last).await;
    let due = bench.store.due(100).await.expect("what is due");
    assert_eq!(due.records.len(), 20);
    assert!(due.now >= last);
    assert!(due.records.is_sorted_by_key(|(_, record)| record.deadline()));
    let some = bench.store.due(5).await.expect("what is due");
    assert_eq!(some.records, due.records[..5]);
    // A record that was handled is no longer due, and the others still are.
    for (id, record) in &some.records {
        let owner = owner((0..20).find(|number| self::id(*number) == *id).expect("one of them"));
        let renewed = Event::Renew { owner, n: record.state.n() };
        bench.check(*id, renewed).await;
    }
    let rest = bench.store.due(100).await.expect("what is due");
    let left = |(id, _): &(RecordId, Record)| due.records[5..].iter().any(|(other, _)| other == id);
    assert_eq!(rest.records.iter().filter(|entry| left(entry)).count(), 15);
}

pub async fn a_look_tells_when_the_next_record_is_due(bench: Bench) {
    let none = bench.store.due(10).await.expect("an answer");
    assert!(none.records.is_empty());
    // A store may know nothing of later deadlines.
    let tells = none.quiet_for > Duration::ZERO;
    assert!(!tells || none.quiet_for == Duration::MAX, "{:?}", none.quiet_for);
    bench.won(id(1), owner(1), STILL).await;
    let first = bench.won(id(2), owner(2), Policy { lease: Duration::from_secs(60), ..STILL }).await;
    let soon = bench.store.due(10).await.expect("an answer");
    assert!(soon.records.is_empty());
    assert!(!tells || soon.quiet_for > Duration::from_secs(50), "{:?}", soon.quiet_for);
    assert!(soon.now.plus(soon.quiet_for) <= first.deadline());
    let earlier = bench.won(id(3), owner(3), Policy { lease: SHORT, ..STILL }).await;
    assert!(bench.store.due(10).await.expect("an answer").quiet_for <= SHORT);
    bench.reach(earlier.deadline()).await;
    let due = bench.store.due(10).await.expect("an answer");
    assert_eq!(due.records.len(), 1);
    assert!(due.now.plus(due.quiet_for) <= first.deadline());
}
