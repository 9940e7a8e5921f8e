use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::store::memory::MemoryStore;

fn ledger() -> Ledger {
    Ledger::new(Arc::new(MemoryStore::default()), Duration::from_secs(1))
}

/// Returns an event about the record with an id of the byte `part`.
fn event(part: u8, number: u128) -> Event {
    let record = RecordId::from_bytes(&[part; 20]).expect("twenty bytes");
    let digest = EventDigest(number.to_be_bytes());
    Event { record, id: format!("{record}:1:{number}:unknown"), digest, body: Bytes::new() }
}

async fn standing(told: &mut Told, event: &Event) -> Standing {
    told.standing(event).await.expect("an answer")
}

async fn stored(ledger: &Ledger, part: u8) -> Option<Bytes> {
    ledger.document(DocumentName::Notified(part)).await.expect("an answer").bytes
}

#[tokio::test]
async fn a_told_event_is_known_to_the_next_gateway() {
    let ledger = ledger();
    let (one, other) = (event(7, 1), event(7, 2));
    let mut told = Told::new(ledger.clone());
    assert_eq!(standing(&mut told, &one).await, Standing::New);
    told.add(&one);
    assert_eq!(standing(&mut told, &one).await, Standing::Told);
    told.save().await.expect("it is written");
    let mut next = Told::new(ledger.clone());
    assert_eq!(standing(&mut next, &one).await, Standing::Told);
    assert_eq!(standing(&mut next, &other).await, Standing::New);
    let document = [&[1][..], &[0; 15], &[1]].concat();
    assert_eq!(stored(&ledger, 7).await.as_deref(), Some(&document[..]));
    assert_eq!(stored(&ledger, 8).await, None);
}

#[tokio::test]
async fn events_of_decided_records_leave_the_list_after_a_complete_pass() {
    let ledger = ledger();
    let (kept, decided) = (event(7, 1), event(7, 2));
    let mut told = Told::new(ledger.clone());
    told.add(&kept);
    told.add(&decided);
    told.begin_pass();
    assert_eq!(standing(&mut told, &kept).await, Standing::Told);
    told.end_pass();
    told.save().await.expect("it is written");
    let mut next = Told::new(ledger);
    assert_eq!(standing(&mut next, &kept).await, Standing::Told);
    assert_eq!(standing(&mut next, &decided).await, Standing::New);
}

#[tokio::test]
async fn two_writers_of_one_part_lose_nothing() {
    let ledger = ledger();
    let (mut one, mut other) = (Told::new(ledger.clone()), Told::new(ledger.clone()));
    for told in [&mut one, &mut other] {
        assert_eq!(standing(told, &event(7, 1)).await, Standing::New);
    }
    one.add(&event(7, 1));
    one.save().await.expect("it is written");
    other.add(&event(7, 2));
    other.save().await.expect("it is written");
    let mut next = Told::new(ledger);
    for number in [1, 2] {
        assert_eq!(standing(&mut next, &event(7, number)).await, Standing::Told, "{number}");
    }
}

#[tokio::test]
async fn a_damaged_part_counts_as_empty_and_is_replaced() {
    let ledger = ledger();
    let mut before = None;
    for damaged in [&b"\x02 a later version"[..], b"\x01 half a digest", b""] {
        let name = DocumentName::Notified(7);
        let replaced = ledger.replace_document(name, before, Bytes::from_static(damaged)).await;
        assert_eq!(replaced.expect("an answer"), Replaced::Stored);
        let mut told = Told::new(ledger.clone());
        assert_eq!(standing(&mut told, &event(7, 1)).await, Standing::New, "{damaged:?}");
        told.add(&event(7, 1));
        told.save().await.expect("it is written");
        assert_eq!(standing(&mut Told::new(ledger.clone()), &event(7, 1)).await, Standing::Told);
        before = stored(&ledger, 7).await;
    }
}

#[tokio::test]
async fn a_full_part_takes_no_more() {
    let mut told = Told::new(ledger());
    for number in 0..MOST as u128 {
        told.add(&event(7, number));
    }
    assert_eq!(standing(&mut told, &event(7, u128::MAX)).await, Standing::NoRoom);
    assert_eq!(standing(&mut told, &event(7, 1)).await, Standing::Told);
    assert_eq!(standing(&mut told, &event(8, u128::MAX)).await, Standing::New, "another part");
}
