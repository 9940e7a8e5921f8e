//! The end of a gateway between deliveries.

use crate::harness::Gateway;
use crate::world::{events, failing_api, leave_unknown, receiver, telling, times, until_told_of};

/// An event is noted before the next one is sent, so a crash repeats only the last ones.
#[tokio::test]
async fn an_event_that_was_noted_is_not_told_again_after_a_crash() {
    let (api, receiver) = (failing_api().await, receiver().await);
    let mut gateway = Gateway::start(&api, telling(receiver.address)).await;
    for (told, key) in ["k-1", "k-2"].into_iter().enumerate() {
        leave_unknown(&gateway, key).await;
        until_told_of(&receiver, told + 1).await;
    }
    gateway.kill().await;
    let first = events(&receiver)[0]["id"].clone();
    let next = gateway.restart(&api, telling(receiver.address)).await;
    leave_unknown(&next, "k-3").await;
    until_told_of(&receiver, 3).await;
    assert_eq!(times(&receiver, &first), 1, "{:#?}", events(&receiver));
}

/// An event that was sent and not noted is sent again, with the same id.
#[tokio::test]
async fn an_event_that_was_under_way_at_a_crash_is_told_again() {
    let (api, receiver) = (failing_api().await, receiver().await);
    receiver.hold();
    let mut gateway = Gateway::start(&api, telling(receiver.address)).await;
    leave_unknown(&gateway, "k-1").await;
    until_told_of(&receiver, 1).await;
    gateway.kill().await;
    receiver.let_go();
    let first = events(&receiver)[0].clone();
    let _next = gateway.restart(&api, telling(receiver.address)).await;
    crate::world::reached(&receiver, 2).await;
    assert_eq!(events(&receiver), [first.clone(), first]);
}

/// A gateway that drains gives its lease back and keeps its list.
#[tokio::test]
async fn a_gateway_that_was_stopped_tells_nothing_again() {
    let (api, receiver) = (failing_api().await, receiver().await);
    let mut gateway = Gateway::start(&api, telling(receiver.address)).await;
    for (told, key) in ["k-1", "k-2"].into_iter().enumerate() {
        leave_unknown(&gateway, key).await;
        until_told_of(&receiver, told + 1).await;
    }
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
    let first = events(&receiver)[0]["id"].clone();
    let next = gateway.restart(&api, telling(receiver.address)).await;
    leave_unknown(&next, "k-3").await;
    until_told_of(&receiver, 3).await;
    assert_eq!(times(&receiver, &first), 1, "{:#?}", events(&receiver));
}
