//! Record ids that are shortened to their first digits.

use std::time::Duration;

use http::StatusCode;
use oncegate::protocol::RecordId;
use oncegate::store::Store;
use serde_json::json;

use crate::world::{TOMBSTONE, TTL, World};

/// Stores copies of a record under other ids.
async fn copied(world: &World, original: RecordId, ids: &[String]) {
    let record = world.store.read(original).await.expect("the store answers").record.expect("a record");
    for id in ids {
        let id = id.parse().expect("an id");
        world.store.claim(id, record.clone()).await.expect("the store answers");
    }
}

#[tokio::test]
async fn a_unique_beginning_names_its_record() {
    let world = World::start().await;
    let id = world.unknown("k-1").await.id;
    for n in 0..300 {
        world.running(&format!("other-{n}")).await;
    }
    let whole = id.to_string();
    for digits in [6, 7, 12, 39] {
        let short = &whole[..digits];
        assert_eq!(world.get(&format!("/v1/records/{short}")).await.json()["id"], whole, "{short}");
    }
    let upper = whole[..8].to_uppercase();
    assert_eq!(world.get(&format!("/v1/records/{upper}")).await.json()["id"], whole);
    let resolution = json!({ "executed": true, "note": "seen", "response": { "status": 201 } });
    let resolved = world.post(&format!("/v1/records/{}/resolve", &whole[..6]), resolution).await.json();
    assert_eq!((&resolved["id"], &resolved["state"]), (&json!(whole), &json!("completed")));
    let delete = http::Request::delete(world.url(&format!("/v1/records/{}", &whole[..6])));
    assert_eq!(world.send(delete, "").await.json()["state"], "expired");
}

#[tokio::test]
async fn a_beginning_of_several_records_names_none() {
    let world = World::start().await;
    let original = world.unknown("k-1").await.id;
    let beginning = "abcdef";
    let all: Vec<String> = (0..7).map(|n| format!("{beginning}{n}{}", "0".repeat(33))).collect();
    let neighbours = [format!("abcdee{}", "f".repeat(34)), format!("abcdf0{}", "0".repeat(34))];
    copied(&world, original, &[&all[..2], &neighbours[..]].concat()).await;
    let path = format!("/v1/records/{beginning}");
    let detail = world.get(&path).await.problem(409, "about:blank");
    assert!(detail.contains(&all[0]) && detail.contains(&all[1]), "{detail}");
    assert!(!detail.contains("more,") && !neighbours.iter().any(|id| detail.contains(id)), "{detail}");

    copied(&world, original, &all[2..]).await;
    let detail = world.get(&path).await.problem(409, "about:blank");
    assert!(detail.contains(&all[4]) && !detail.contains(&all[5]), "{detail}");
    assert!(detail.contains("and more; give more digits"), "{detail}");
    let body = json!({ "executed": true, "note": "seen" });
    world.post(&format!("{path}/resolve"), body).await.problem(409, "about:blank");
    let delete = http::Request::delete(world.url(&path));
    world.send(delete, "").await.problem(409, "about:blank");
    for id in &all {
        assert_eq!(world.get(&format!("/v1/records/{id}")).await.json()["state"], "unknown");
        assert_eq!(world.get(&format!("/v1/records/{}", &id[..7])).await.json()["id"], *id);
    }
}

#[tokio::test]
async fn a_beginning_without_a_record_is_not_found() {
    let world = World::start().await;
    let id = world.completed("k-1", StatusCode::CREATED, "paid").await.id.to_string();
    for digits in [1, 5] {
        let detail = world.get(&format!("/v1/records/{}", &id[..digits])).await.problem(404, "about:blank");
        assert!(detail.contains("first 6 or more"), "{detail}");
    }
    for other in ["000000", "ffffff", &format!("{}x", &id[..6]), &format!("{id}0")] {
        world.get(&format!("/v1/records/{other}")).await.problem(404, "about:blank");
    }
    // The time of the record is over, and the sweep has not removed it yet.
    world.clock.advance(TTL + TOMBSTONE + Duration::from_secs(1));
    let detail = world.get(&format!("/v1/records/{}", &id[..6])).await.problem(404, "about:blank");
    assert!(detail.contains(&id[..6]), "{detail}");
}

/// The first of all ids has no id before it.
#[tokio::test]
async fn the_first_and_the_last_of_all_ids_are_found() {
    let world = World::start().await;
    let original = world.unknown("k-1").await.id;
    let ends = ["0", "f"].map(|digit| digit.repeat(40));
    copied(&world, original, &ends).await;
    for id in ends {
        assert_eq!(world.get(&format!("/v1/records/{}", &id[..6])).await.json()["id"], id);
    }
}
