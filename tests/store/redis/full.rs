//! A Redis with a memory limit fills: claims end while there is room for the outcomes of running executions.

use std::sync::Arc;

use oncegate::protocol::StoredResponse;
use oncegate::store::{Stopped, Store, StoreError};

use crate::bench::{Bench, STILL, claim, complete, id, owner, response_of};
use crate::decisions;
use crate::servers::redis::{Server, until};

use super::store;

const MIB: usize = 1024 * 1024;

async fn complete_large(bench: &Bench, number: u64) {
    let large = StoredResponse { body: vec![b'x'; MIB].into(), ..response_of(owner(number)) };
    let event = complete(owner(number), 1);
    let decision = decisions::apply(&bench.ledger, id(number), None, &event, Some(&large)).await;
    let record = decision.unwrap_or_else(|error| panic!("{number}: {error}")).record.expect("a record");
    assert_eq!(record.state.name(), "completed", "{number}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_is_completed_though_strangers_fill_the_memory() {
    let server = Server::with(&["--maxmemory", "20mb"]);
    let store = Arc::new(store(&server).await);
    let bench = Bench::of(Arc::clone(&store) as Arc<dyn Store>);
    for number in 0..5 {
        bench.won(id(number), owner(number), STILL).await;
    }
    let mut taken = 0;
    for number in 100..118 {
        let first = claim(owner(number), STILL).first(Default::default());
        match store.claim(id(number), first).await {
            Ok(_) => {
                complete_large(&bench, number).await;
                taken += 1;
            }
            Err(StoreError::Refused(why)) => assert!(why.contains("maxmemory"), "{why}"),
            Err(other) => panic!("{number}: {other}"),
        }
    }
    assert!((1..18).contains(&taken), "{taken}");
    assert_eq!(store.stopped(), Some(Stopped::Full));
    store.ready().await.expect("it answers");
    // Meanwhile leases are renewed, and every outcome is written.
    for number in 0..5 {
        bench.apply(id(number), crate::events::Event::Renew { owner: owner(number), n: 1 }).await;
    }
    for number in 0..5 {
        complete_large(&bench, number).await;
    }
    server.say::<()>("CONFIG SET maxmemory 200mb");
    until("there is room again", || store.stopped().is_none());
    bench.won(id(300), owner(300), STILL).await;
}
