//! Lists for the person who has to decide: the oldest unknown outcomes, by reason and by age.

use std::time::Duration;

use oncegate::protocol::{Reason, RecordId};
use serde_json::Value;

use crate::world::{LEASE, TTL, World};

const MINUTE: Duration = Duration::from_secs(60);

async fn page(world: &World, query: &str) -> Value {
    world.get(&format!("/v1/records?{query}")).await.json()
}

fn ids(page: &Value) -> Vec<String> {
    let records = page["records"].as_array().expect("a list has records");
    records.iter().map(|record| record["id"].as_str().expect("a record has an id").to_owned()).collect()
}

async fn listed(world: &World, query: &str) -> Vec<String> {
    ids(&page(world, query).await)
}

/// Makes unknown outcomes that are a minute apart, the oldest first.
async fn minute_by_minute(world: &World, number: usize, reason: Reason) -> Vec<String> {
    let mut made = Vec::new();
    for n in 0..number {
        world.clock.advance(MINUTE);
        made.push(world.unknown_of("pay", &format!("{reason}-{n}").replace(' ', "-"), reason).await.id);
    }
    made.iter().map(RecordId::to_string).collect()
}

#[tokio::test]
async fn the_oldest_unknown_outcome_comes_first() {
    let world = World::start().await;
    let made = minute_by_minute(&world, 8, Reason::ResponseTimeout).await;
    world.running("k-running").await;
    world.clock.advance(MINUTE);
    let other = world.unknown_of("refund", "k-refund", Reason::ResponseTimeout).await.id.to_string();
    assert!(!made.is_sorted(), "the order of time is not the order of ids");
    for query in ["order=oldest&route=pay", "order=oldest&route=pay&state=unknown"] {
        assert_eq!(listed(&world, query).await, made, "{query}");
    }
    assert_eq!(listed(&world, "order=oldest").await.last(), Some(&other));
    let by_id = listed(&world, "order=id&route=pay&state=unknown").await;
    assert!(by_id.is_sorted() && by_id.len() == made.len(), "{by_id:?}");
    assert_eq!(listed(&world, "route=pay&state=unknown").await, by_id, "the default");
}

#[tokio::test]
async fn pages_of_the_oldest_join_to_the_whole_list() {
    let world = World::start().await;
    let mut made = Vec::new();
    for n in 0..3 {
        // Two records of one moment, between records of another reason.
        world.unknown_of("pay", &format!("other-{n}"), Reason::Shutdown).await;
        let mut pair = [0, 1].map(|_| String::new());
        for (half, id) in pair.iter_mut().enumerate() {
            *id = world.unknown_of("pay", &format!("k-{n}-{half}"), Reason::LeaseOver).await.id.to_string();
        }
        pair.sort();
        made.extend(pair);
        world.clock.advance(MINUTE);
    }
    for (filter, limit) in [("reason=lease%20over", 1), ("reason=lease-over&older_than=30s", 4)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let query = format!("order=oldest&{filter}&limit={limit}&cursor={cursor}");
            let page = page(&world, &query).await;
            assert!(ids(&page).len() <= limit, "{page}");
            seen.extend(ids(&page));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(seen, made, "{filter}");
    }
}

#[tokio::test]
async fn a_reason_is_what_a_record_shows_or_its_label() {
    let world = World::start().await;
    let reasons = Reason::WITHOUT_STATUS.into_iter().chain([Reason::Status(503), Reason::Status(502)]);
    let reasons: Vec<Reason> = reasons.collect();
    for (number, reason) in reasons.iter().enumerate() {
        world.unknown_of("pay", &format!("k-{number}"), *reason).await;
    }
    world.running("k-running").await;
    for reason in reasons {
        let text = reason.to_string().replace(' ', "%20");
        for query in [
            format!("reason={text}"),
            format!("reason={}", reason.label()),
            format!("reason={text}&order=oldest&state=unknown"),
        ] {
            let page = page(&world, &query).await;
            assert_eq!(ids(&page).len(), 1, "{query}: {page}");
            assert_eq!(page["records"][0]["reason"], reason.to_string(), "{query}");
        }
    }
}

#[tokio::test]
async fn an_age_is_measured_from_the_last_change() {
    let world = World::start().await;
    let running = world.running("k-running").await.id.to_string();
    let made = minute_by_minute(&world, 3, Reason::ResponseTimeout).await;
    // The ages are 0, 1 and 2 minutes; the running one is 3 minutes old.
    for order in ["id", "oldest"] {
        for (age, oldest) in [("121s", 0), ("2m", 1), ("119s", 1), ("1m", 2), ("0s", 3), ("1h", 0)] {
            let query = format!("order={order}&state=unknown&older_than={age}");
            let page = page(&world, &query).await;
            let mut expected = made[..oldest].to_vec();
            if order == "id" {
                expected.sort();
            }
            assert_eq!(ids(&page), expected, "{query}");
            assert_eq!(page["next_cursor"], Value::Null, "{query}: no younger record is looked for");
        }
    }
    assert_eq!(listed(&world, "older_than=3m").await, [running]);
}

/// An unknown outcome that ended by itself is no unknown outcome any more. No sweep runs in this test.
#[tokio::test]
async fn the_oldest_are_listed_as_of_now() {
    let world = World::start().await;
    world.unknown("k-old").await;
    world.clock.advance(TTL);
    let new = world.unknown("k-new").await.id.to_string();
    assert_eq!(listed(&world, "order=oldest").await, [new]);
    world.running("k-crashed").await;
    world.clock.advance(LEASE);
    world.ledger.sweep().await.expect("the store answers");
    assert_eq!(listed(&world, "order=oldest&reason=lease-over").await.len(), 1);
}

/// The store looks at a bounded number of records for one answer.
#[tokio::test]
async fn a_page_may_be_empty_although_more_records_follow() {
    let world = World::start().await;
    for n in 0..5000 {
        world.unknown(&format!("k-{n}")).await;
    }
    world.clock.advance(MINUTE);
    let wanted = world.unknown_of("pay", "k-wanted", Reason::Status(503)).await.id.to_string();
    let first = page(&world, "order=oldest&reason=status-503&limit=1").await;
    assert!(ids(&first).is_empty(), "{first}");
    let cursor = first["next_cursor"].as_str().expect("more records follow");
    let query = format!("order=oldest&reason=status-503&limit=1&cursor={cursor}");
    assert_eq!(listed(&world, &query).await, std::slice::from_ref(&wanted));
    let list = ["list", "--order", "oldest", "--reason", "status 503", "--limit", "1"];
    let shown = crate::command::json_of(&world, &list).await;
    assert_eq!(ids(&shown), [wanted], "the command follows the cursors");
}
