//! A client looks up its key while the store fails.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use oncegate::routes::{LOOKUP_PATH, RouteTable};
use serde_json::Value;

use super::store::{Fault, Step};
use super::upstream::Play;
use super::world::{LEASE, World};

/// Makes the gateway of this world answer lookups.
fn answering(world: World) -> World {
    let table = RouteTable::new(&[Arc::clone(&world.route)], None).expect("one route");
    world.routes.replace(table.answering_lookups(true));
    world
}

async fn look_up(world: &World, key: &str) -> (StatusCode, Value) {
    let target = format!("{LOOKUP_PATH}?route={}&path=/v1/charges", world.route.name);
    let request = Request::get(target).header("idempotency-key", key).body(Body::empty());
    let answer = world.exchange(request.expect("well-formed")).await;
    (answer.status, serde_json::from_str(&answer.body).expect("JSON"))
}

/// A lookup that learns nothing never says that a key is absent, not even of a response in the replay cache.
#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_not_an_absent_record() {
    let world = answering(World::keeping_replays());
    world.send("paid").await.is_first(201, "call 1");
    for key in ["paid", "never"] {
        for fault in [Fault::Refused, Fault::Lost, Fault::Unanswered, Fault::Silence] {
            world.store.next(Step::Read, &[fault]);
            let (status, problem) = look_up(&world, key).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
            assert_eq!(problem["type"], "urn:oncegate:problem:store-unavailable", "{problem}");
            assert_eq!(problem["executed"], "unknown", "{problem}");
            world.store.heal();
        }
    }
    assert_eq!(look_up(&world, "paid").await.1["state"], "completed");
    assert_eq!(look_up(&world, "never").await.1["state"], "absent");
    assert_eq!(world.upstream.calls(), 1);
}

/// A lookup shows the record as it stands, and changes nothing.
#[tokio::test(start_paused = true)]
async fn time_alone_ends_a_ttl_and_no_lease() {
    let minute = Duration::from_secs(60);
    let world =
        answering(World::with(|route| (route.policy.ttl, route.policy.tombstone_ttl) = (minute, minute)));
    world.upstream.next(&[Play::Answer(201, 3 * LEASE)]);
    let owner = world.begin("slow").await;
    world.store.always(&[Step::Renew, Step::Lose], Fault::Refused);
    tokio::time::sleep(2 * LEASE).await;
    assert_eq!(look_up(&world, "slow").await.1["state"], "running", "its lease is over");
    world.store.heal();
    owner.await.expect("no panic");
    assert_eq!(look_up(&world, "slow").await.1["state"], "completed");
    world.store.always(&Step::ALL[3..], Fault::Refused);
    tokio::time::sleep(minute).await;
    let (status, told) = look_up(&world, "slow").await;
    assert_eq!((status, &told["state"]), (StatusCode::OK, &"expired".into()), "{told}");
    tokio::time::sleep(minute).await;
    assert_eq!(look_up(&world, "slow").await.0, StatusCode::NOT_FOUND);
}
