//! An inner service with a bug. Its effects before the panic are unknown.

use super::upstream::Play;
use super::world::{LEASE, MAX_IN_FLIGHT, World};

#[tokio::test(start_paused = true)]
async fn a_panic_leaves_an_unknown_outcome_and_a_gateway_that_works() {
    for play in [Play::Panic, Play::PanicInBody] {
        let world = World::new();
        world.upstream.next(&[play]);
        let (owner, waiter) = (world.begin("a").await, world.begin("a").await);
        owner.await.expect("the panic stays in the execution").is_unknown(504);
        waiter.await.expect("no panic").is_unknown(504);
        assert_eq!(world.state("a"), "unknown");
        world.send("a").await.is_unknown(409);
        world.send("b").await.is_first(201, "call 2");
    }
}

#[tokio::test(start_paused = true)]
async fn panics_cost_no_places_among_the_executions() {
    let world = World::new();
    world.upstream.next(&[Play::Panic; 3 * MAX_IN_FLIGHT]);
    for number in 0..3 * MAX_IN_FLIGHT {
        world.send(&format!("key-{number}")).await.is_unknown(504);
    }
    assert_eq!(world.send("b").await.status, 201);
    assert!(world.metrics.encode().contains("oncegate_executions_in_flight{route=\"default\"} 0"));
    tokio::time::sleep(2 * LEASE).await;
    assert_eq!(world.state("key-0"), "unknown");
}
