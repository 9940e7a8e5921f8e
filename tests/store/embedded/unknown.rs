//! The list of unknown outcomes of a store that the release before opened in between.

use crate::events::Event;
use oncegate::protocol::Resolution;

use super::reopen::{bench, close, engine};
use crate::bench::{STILL, id};
use crate::contract::unknown::{listed, tally, unknown_on};

#[tokio::test]
async fn entries_that_are_missing_or_left_over_are_mended_after_a_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = bench(dir.path());
    let mut all = Vec::new();
    for number in 0..20 {
        all.push(unknown_on(&first, number, "contract", STILL).await);
    }
    all.sort_by_key(|(id, record)| (record.updated_at, *id));
    let (decided, entry) = (all[0].0, key(&all[0]));
    first.check(decided, Event::Resolve(Resolution::NotExecuted { force: true })).await;
    close(first);
    // The release before knows no such table: it left it alone when it made these unknown or decided that
    // one.
    engine(dir.path(), "unknown-since", |since| {
        since.insert(&entry, "contract")?;
        all[5..10].iter().try_for_each(|listed| since.remove(key(listed)))
    });

    let second = bench(dir.path());
    let before = listed(&second, None, 3).await;
    assert_eq!(before, [&all[1..5], &all[10..]].concat(), "what the record does not bear out is left out");
    assert_eq!(second.store.mend_unknown().await, Ok(6));
    assert_eq!(listed(&second, None, 3).await, all[1..]);
    assert_eq!(tally(&second).await.total(), 19);
    assert_eq!(second.store.mend_unknown().await, Ok(0));
    close(second);
    let third = bench(dir.path());
    assert_eq!(third.store.mend_unknown().await, Ok(0));
    assert_eq!(listed(&third, None, 100).await, all[1..]);
    close(third);
}

#[tokio::test]
async fn a_store_of_the_release_before_gains_the_whole_list() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = bench(dir.path());
    for number in 0..1000 {
        unknown_on(&first, number, "contract", STILL).await;
    }
    let all = listed(&first, None, 1000).await;
    assert_eq!(all.len(), 1000);
    close(first);
    engine(dir.path(), "unknown-since", |since| all.iter().try_for_each(|listed| since.remove(key(listed))));
    let second = bench(dir.path());
    assert_eq!(tally(&second).await.total(), 0);
    assert_eq!(second.store.mend_unknown().await, Ok(1000));
    assert_eq!(listed(&second, None, 100).await, all);
    assert_eq!(second.read(id(1)).await.record.expect("a record").state.name(), "unknown");
    close(second);
}

/// Returns the key of an entry: the time, then the id.
fn key((id, record): &(oncegate::protocol::RecordId, oncegate::protocol::Record)) -> Vec<u8> {
    [&record.updated_at.0.to_be_bytes()[..], id.as_bytes()].concat()
}
