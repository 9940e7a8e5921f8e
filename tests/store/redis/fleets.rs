//! Redis as a cluster, and under a sentinel.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use oncegate::secret::Secret;
use oncegate::store::redis::{Address, RedisStore, Sentinels, Servers, Settings};
use oncegate::store::{Store, StoreError};

use super::{TIMEOUT, settings, terms};
use crate::bench::{Bench, STILL, claim, complete, id, owner, response_of};
use crate::decisions;
use crate::events::Verdict;
use crate::servers::redis::{Server, cluster, primary_and_replica, sentinel, until};

crate::contract::suite!(open().await);

/// Opens a store of its own in the cluster that concurrent tests share.
async fn open() -> (Arc<dyn Store>, Arc<Vec<Server>>) {
    static SHARED: Mutex<Weak<Vec<Server>>> = Mutex::new(Weak::new());
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nodes = tokio::task::block_in_place(|| {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let nodes = Arc::new(cluster());
            *shared = Arc::downgrade(&nodes);
            nodes
        })
    });
    let prefix = format!("test-{}:", NEXT.fetch_add(1, Ordering::Relaxed));
    let store = RedisStore::open(Settings { prefix, ..cluster_settings(&nodes) }, terms()).await;
    (Arc::new(store.expect("a store")), nodes)
}

fn sentinels(addresses: Vec<Address>) -> Servers {
    Servers::Sentinels(Sentinels { addresses, primary: "main".into() })
}

fn cluster_settings(nodes: &[Server]) -> Settings {
    let servers = Servers::Cluster(vec![Address::Tcp("127.0.0.1".into(), nodes[0].port)]);
    Settings { servers, ..settings(&nodes[0]) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_spread_over_the_cluster_and_a_moved_slot_is_followed() {
    let nodes = tokio::task::block_in_place(cluster);
    let store = RedisStore::open(cluster_settings(&nodes), terms()).await.expect("a store");
    let bench = Bench::of(Arc::new(store));
    for number in 0..100 {
        bench.won(id(number), owner(number), STILL).await;
    }
    for node in &nodes {
        assert!(node.say::<u64>("DBSIZE") > 20, "a third of the records");
    }
    // A slot without records moves to another node, and the gateway is not told.
    let free = (100..).map(id).find(|id| {
        let slot = slot(&nodes[0], *id);
        nodes[owner_of(slot)].say::<u64>(&format!("CLUSTER COUNTKEYSINSLOT {slot}")) == 1
    });
    let free = free.expect("a slot with nothing but its mark");
    let slot = slot(&nodes[0], free);
    move_slot(&nodes[owner_of(slot)], &nodes[(owner_of(slot) + 1) % 3], slot);
    let target = &nodes[(owner_of(slot) + 1) % 3];
    bench.won(free, owner(7), STILL).await;
    let keys: u64 = target.say(&format!("CLUSTER COUNTKEYSINSLOT {slot}"));
    assert_eq!(keys, 3, "the mark, the record and its index");
    assert_eq!(bench.check(free, complete(owner(7), 1)).await, Verdict::Stored);
}

/// While a slot moves, its records are unavailable and never taken for absent. Before and after the move they
/// are unchanged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_is_moved_with_its_records_loses_none_and_runs_none_twice() {
    let nodes = tokio::task::block_in_place(cluster);
    let bench =
        Bench::of(Arc::new(RedisStore::open(cluster_settings(&nodes), terms()).await.expect("a store")));
    let mut together = (1..).map(id).filter(|other| other.as_bytes()[0] == id(1).as_bytes()[0]);
    let [done, running, free] = [(); 3].map(|()| together.next().expect("ids never end"));
    bench.won(done, owner(1), STILL).await;
    bench.apply(done, complete(owner(1), 1)).await;
    let claimed = bench.won(running, owner(2), STILL).await;

    let slot = slot(&nodes[0], done);
    let (source, target) = (&nodes[owner_of(slot)], &nodes[(owner_of(slot) + 1) % 3]);
    let (from, to): (String, String) = (source.say("CLUSTER MYID"), target.say("CLUSTER MYID"));
    target.say::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {from}"));
    source.say::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {to}"));
    let keys: Vec<String> = source.say(&format!("CLUSTER GETKEYSINSLOT {slot} 100"));
    assert!(keys.len() >= 4, "two records, a response and an index: {keys:?}");
    for key in keys {
        source.say::<()>(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", target.port));
        for id in [running, free] {
            let told = bench.store.claim(id, claim(owner(9), STILL).first(Default::default())).await;
            assert!(matches!(told, Err(StoreError::Unavailable(_))), "{key} is on its way: {told:?}");
        }
        match decisions::claim(&bench.ledger, done, claim(owner(9), STILL)).await {
            Ok(replay) => assert_eq!(replay.response, Some(response_of(owner(1)))),
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    }
    target.say::<()>(&format!("CLUSTER SETSLOT {slot} NODE {to}"));
    target.say::<()>("CLUSTER BUMPEPOCH");
    source.say::<()>(&format!("CLUSTER SETSLOT {slot} NODE {to}"));
    let replay = decisions::claim(&bench.ledger, done, claim(owner(9), STILL)).await.expect("a replay");
    assert_eq!(replay.response, Some(response_of(owner(1))));
    let response = response_of(owner(2));
    let stored =
        decisions::apply(&bench.ledger, running, Some(&claimed), &complete(owner(2), 1), Some(&response))
            .await;
    assert_eq!(stored.expect("an answer").verdict, Verdict::Stored);
    bench.won(free, owner(3), STILL).await;
}

/// The first bucket of a node holds the mark by which a gateway recognizes the node.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_first_slot_moves_away_goes_on() {
    let nodes = tokio::task::block_in_place(cluster);
    let bench =
        Bench::of(Arc::new(RedisStore::open(cluster_settings(&nodes), terms()).await.expect("a store")));
    let of_bucket = |bucket: u8| (0..).map(id).find(|id| id.as_bytes()[0] == bucket).expect("ids never end");
    let mut held = (0..=u8::MAX).map(of_bucket).filter(|id| owner_of(slot(&nodes[0], *id)) == 0);
    let (first, other) = (held.next().expect("a bucket"), held.next().expect("another one"));
    let (source, slot) = (&nodes[0], slot(&nodes[0], first));
    move_slot(source, &nodes[1], slot);
    // The gateway reads the mark whenever it connects.
    source.say::<u64>("CLIENT KILL TYPE normal SKIPME yes");
    let claimed = tokio::time::timeout(Duration::from_secs(20), async {
        while bench.store.claim(other, claim(owner(1), STILL).first(Default::default())).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    claimed.await.expect("the node holds its other slots as before");
    bench.won(first, owner(2), STILL).await;
}

/// Moves a slot with all its keys.
fn move_slot(source: &Server, target: &Server, slot: usize) {
    let (from, to): (String, String) = (source.say("CLUSTER MYID"), target.say("CLUSTER MYID"));
    target.say::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {from}"));
    source.say::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {to}"));
    for key in source.say::<Vec<String>>(&format!("CLUSTER GETKEYSINSLOT {slot} 100")) {
        source.say::<()>(&format!("MIGRATE 127.0.0.1 {} {key} 0 5000", target.port));
    }
    // The new owner is told first, because it informs the other nodes.
    target.say::<()>(&format!("CLUSTER SETSLOT {slot} NODE {to}"));
    target.say::<()>("CLUSTER BUMPEPOCH");
    source.say::<()>(&format!("CLUSTER SETSLOT {slot} NODE {to}"));
}

fn slot(node: &Server, id: oncegate::protocol::RecordId) -> usize {
    node.say(&format!("CLUSTER KEYSLOT {{{}}}", &id.to_string()[..2]))
}

fn owner_of(slot: usize) -> usize {
    [5461, 10_923].into_iter().filter(|first| slot >= *first).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_url_of_the_wrong_kind_is_refused() {
    let nodes = tokio::task::block_in_place(cluster);
    let single = RedisStore::open(settings(&nodes[0]), terms()).await.err().expect("a refusal").to_string();
    assert!(single.contains("redis+cluster://"), "{single}");
    let alone = Server::start();
    let refused =
        RedisStore::open(cluster_settings(&[alone]), terms()).await.err().expect("a refusal").to_string();
    assert!(refused.contains("cluster"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_that_ask_for_a_password_are_told_theirs() {
    let (primary, _replica) = primary_and_replica(&[]);
    let sentinel = sentinel(&primary);
    sentinel.say::<()>("ACL SETUSER gateway on >hush +@all");
    sentinel.say::<()>("ACL SETUSER default off");
    let nobody = Settings {
        servers: sentinels(vec![Address::Tcp("127.0.0.1".into(), sentinel.port)]),
        ..settings(&primary)
    };
    let (gateway, hush) = (Some("gateway".to_owned()), Some("hush".to_owned()));
    let known = |password: Option<String>| Settings {
        sentinel_username: gateway.clone(),
        sentinel_password: password.map(Secret),
        ..nobody.clone()
    };
    for refused in [nobody.clone(), known(Some("loud".into()))] {
        let why = RedisStore::open(refused, terms()).await.err().expect("a refusal").to_string();
        assert!(why.contains("no sentinel says") && !why.contains("loud"), "{why}");
    }
    // The servers ask for no password and are told none.
    RedisStore::open(known(hush), terms()).await.expect("a store").ready().await.expect("a primary");
}

/// The primary dies, a replica is promoted, and the gateway continues with its data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_followed_and_is_no_loss() {
    let (mut primary, replica) = primary_and_replica(&[]);
    let sentinel = sentinel(&primary);
    let settings = Settings {
        servers: sentinels(vec![
            Address::Tcp("127.0.0.1".into(), 1),
            Address::Tcp("127.0.0.1".into(), sentinel.port),
        ]),
        ..settings(&primary)
    };
    let store = Arc::new(RedisStore::open(settings, terms()).await.expect("a store"));
    let bench = Bench::of(Arc::clone(&store) as Arc<dyn Store>);
    let running = bench.won(id(1), owner(1), STILL).await;
    bench.won(id(2), owner(2), STILL).await;
    bench.apply(id(2), complete(owner(2), 1)).await;
    until("the replica has it", || replica.info("slave_repl_offset") == primary.info("master_repl_offset"));
    primary.kill();
    until("the replica is promoted", || replica.info("role") == "master");
    let promoted = Instant::now();
    while store.ready().await.is_err() {
        assert!(promoted.elapsed() < 5 * TIMEOUT, "the new primary was not found");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let response = response_of(owner(1));
    let stored =
        decisions::apply(&bench.ledger, id(1), Some(&running), &complete(owner(1), 1), Some(&response)).await;
    assert_eq!(stored.expect("an answer").verdict, Verdict::Stored);
    let replay = decisions::claim(&bench.ledger, id(2), claim(owner(9), STILL)).await.expect("a replay");
    assert_eq!(replay.response, Some(response_of(owner(2))));
    bench.won(id(3), owner(3), STILL).await;
    // The old primary comes back as a primary, and the gateway does not return to it.
    primary.start_again();
    bench.won(id(4), owner(4), STILL).await;
    assert_eq!((replica.calls("set") > 0, primary.calls("set")), (true, 0));
}
