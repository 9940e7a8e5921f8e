//! The store is emptied while gateways run, and the claim itself notices it.

use std::sync::Arc;

use oncegate::store::redis::{RedisStore, Settings};
use oncegate::store::{Claimed, Stopped, Store, StoreError};
use tokio::task::JoinSet;

use super::{settings, store, terms};
use crate::away::recovered;
use crate::bench::{Bench, STILL, claim, complete, id, owner};
use crate::servers::redis::{Server, until};

/// The number of keys, which fall into many buckets.
const KEYS: u64 = 100;

/// Claims `KEYS` at once. Returns the number of won claims, and the errors of the refused ones.
async fn claims(store: &Arc<RedisStore>) -> (usize, Vec<StoreError>) {
    let mut claims = JoinSet::new();
    for number in 0..KEYS {
        let store = Arc::clone(store);
        claims.spawn(async move {
            let first = claim(owner(number + 1000), STILL).first(Default::default());
            store.claim(id(number), first).await
        });
    }
    let (mut won, mut refusals) = (0, Vec::new());
    for claimed in claims.join_all().await {
        match claimed {
            Ok(Claimed::Won(_)) => won += 1,
            Ok(Claimed::Found(_)) => {}
            Err(error) => refusals.push(error),
        }
    }
    (won, refusals)
}

async fn paid(store: &Arc<RedisStore>) {
    let bench = Bench::of(Arc::clone(store) as Arc<dyn Store>);
    for number in 0..KEYS {
        bench.won(id(number), owner(number), STILL).await;
        bench.apply(id(number), complete(owner(number), 1)).await;
    }
}

fn all_refused(of: &str, (won, refusals): &(usize, Vec<StoreError>)) {
    assert_eq!(*won, 0, "{of}");
    for refusal in refusals {
        assert!(matches!(refusal, StoreError::Refused(why) if why.contains("emptied")), "{of}: {refusal}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_claim_is_won_after_everything_was_removed() {
    for (how, log) in [("FLUSHALL", "yes"), ("FLUSHDB", "no"), ("FLUSHALL ASYNC", "no")] {
        let server = Server::with(&["--appendonly", log]);
        let (first, second) = (Arc::new(store(&server).await), Arc::new(store(&server).await));
        paid(&first).await;
        server.say::<()>(how);
        let (here, there) = tokio::join!(claims(&first), claims(&second));
        all_refused(how, &here);
        all_refused(how, &there);
        assert_eq!(here.1.len() as u64, KEYS);
        assert_eq!(first.stopped(), Some(Stopped::LostData));
        // An operator removes the note of the loss. Claims are then taken everywhere, and stay allowed.
        server.say::<()>("HDEL oncegate:{00}:run lost");
        for (number, gateway) in [(500, &first), (501, &second)] {
            recovered(&**gateway, number).await;
            until("claims are taken", || gateway.stopped().is_none());
        }
        assert_eq!(claims(&first).await.0 as u64, KEYS, "{how}");
        server.say::<()>(how);
        all_refused("a second time", &claims(&second).await);
    }
}

/// A claim compares only the marks that concern it, because one bucket may be gone and the others not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bucket_that_was_emptied_is_a_loss() {
    let server = Server::start();
    let store = Arc::new(store(&server).await);
    paid(&store).await;
    let bucket = format!("{:02x}", id(7).as_bytes()[0]);
    for key in server.say::<Vec<String>>(&format!("KEYS oncegate:{{{bucket}}}:*")) {
        server.say::<()>(&format!("DEL {key}"));
    }
    all_refused("one bucket", &claims(&store).await);
    assert_eq!(store.stopped(), Some(Stopped::LostData));
}

/// A gateway that starts right after the loss makes marks of its own, which differ from the earlier ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_that_another_gateway_made_after_a_loss_are_not_believed() {
    let server = Server::start();
    let old = Arc::new(store(&server).await);
    paid(&old).await;
    server.say::<()>("FLUSHALL");
    let new = Arc::new(store(&server).await);
    all_refused("the one that knew the data", &claims(&old).await);
    until("the other one is told", || new.stopped() == Some(Stopped::LostData));
    all_refused("the one that did not", &claims(&new).await);
}

/// The gateway that knew the data gets no request, and the new gateway has already recorded that it saw the
/// server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_claims_nothing_tells_the_others_too() {
    let server = Server::start();
    let old = Arc::new(store(&server).await);
    paid(&old).await;
    server.say::<()>("FLUSHALL");
    let new = Arc::new(store(&server).await);
    until("both know", || [&old, &new].iter().all(|store| store.stopped() == Some(Stopped::LostData)));
    all_refused("the new one", &claims(&new).await);
}

/// The data of the previous release has no marks. They are made at the first start of this release.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_an_earlier_release_goes_on_and_is_watched_from_then_on() {
    let server = Server::start();
    let before = Arc::new(store(&server).await);
    paid(&before).await;
    drop(before);
    let marks: Vec<String> = server.say("KEYS oncegate:{*}:mark");
    assert_eq!(marks.len(), 256);
    for mark in marks {
        server.say::<()>(&format!("DEL {mark}"));
    }
    let store = Arc::new(store(&server).await);
    assert_eq!((store.stopped(), claims(&store).await.0), (None, 0), "all are there and replayed");
    Bench::of(Arc::clone(&store) as Arc<dyn Store>).won(id(500), owner(500), STILL).await;
    server.say::<()>("FLUSHALL");
    all_refused("afterwards", &claims(&store).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_that_was_accepted_beforehand_stops_nothing() {
    let server = Server::start();
    let accepting = Settings { accept_lost: true, ..settings(&server) };
    let store = Arc::new(RedisStore::open(accepting, terms()).await.expect("a store"));
    paid(&store).await;
    server.say::<()>("FLUSHALL");
    let (won, refusals) = claims(&store).await;
    assert_eq!((won as u64, refusals.len()), (KEYS, 0), "{refusals:?}");
}
