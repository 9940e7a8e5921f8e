//! An operator accepts a change by the name that the refusal printed. The acceptance covers no later change.

use crate::place::{Place, on_every_store, printed};
use crate::process::pay;

on_every_store!(
    a_change_is_accepted_by_name_and_the_next_one_is_not,
    a_route_that_is_gone_is_retired_by_name,
);

fn charges(lines: &str) -> [(&str, &str, &str); 1] {
    [("create-charge", "/v1/charges", lines)]
}

async fn a_change_is_accepted_by_name_and_the_next_one_is_not(place: Place) {
    let (second, third) = (charges("scope = [\"authorization\"]"), charges("namespace = \"other\""));
    let (gateway, address) = place.serve("", &charges("")).await;
    pay(address, "/v1/charges", "k").await;
    gateway.stop().await;
    let first_entry = printed(&place.start("", &second).await.refusal(), "POST /v1/charges");
    let retire = format!("retired = [\"{first_entry}\"]");
    place.start(&retire, &second).await.refusal();
    let accept = format!("accept_identity_change = [\"{first_entry}\"]");
    let (gateway, address) = place.serve(&accept, &second).await;
    assert!(gateway.said().contains(&format!("{first_entry}: accepted")), "{}", gateway.said());
    // The gateway uses the accepted change.
    assert_eq!((pay(address, "/v1/charges", "k").await.status, place.upstream.executions()), (201, 2));
    gateway.stop().await;
    let refusal = place.start(&accept, &third).await.refusal();
    let second_entry = printed(&refusal, "POST /v1/charges");
    assert!(second_entry != first_entry && !refusal.contains(&first_entry), "{refusal}");
    // The way back is a change as well.
    let refusal = place.start(&accept, &charges("")).await.refusal();
    assert_eq!(printed(&refusal, "POST /v1/charges"), second_entry);
    let both = format!("accept_identity_change = [\"{first_entry}\", \"{second_entry}\"]");
    place.serve(&both, &third).await.0.stop().await;
    // A change that was accepted once needs the line no more.
    place.serve("", &third).await.0.stop().await;
}

async fn a_route_that_is_gone_is_retired_by_name(place: Place) {
    let both = [("create-charge", "/v1/charges", ""), ("refund", "/v1/refunds/{id}", "")];
    place.serve("", &both).await.0.stop().await;
    let refusal = place.start("", &both[..1]).await.refusal();
    let entry = printed(&refusal, "POST /v1/refunds/{id}");
    assert!(refusal.contains(&format!("retired = [\"{entry}\"]")), "{refusal}");
    assert!(!refusal.contains("accept_identity_change"), "{refusal}");
    let retired = format!("retired = [\"{entry}\"]");
    place.serve(&retired, &both[..1]).await.0.stop().await;
    place.serve("", &both[..1]).await.0.stop().await;
    place.serve("", &both).await.0.stop().await;
    place.start("", &both[..1]).await.refusal();
}
