//! The stores, opened on servers of their own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use oncegate::clock::{SteadyClock, Timestamp};
use oncegate::protocol::{
    BodyScheme, Claim, ClaimVerdict, Finding, Fingerprint, Key, Labels, OnUnknown, Owner, OwnerVerdict,
    PathScheme, Policy, Record, RecordId, Report, ResponseRef, Scheme, Scope, StoredResponse,
};
use oncegate::store::embedded::EmbeddedStore;
use oncegate::store::memory::MemoryStore;
use oncegate::store::postgres::{self as pg, PostgresStore};
use oncegate::store::redis::{Address, RedisStore, Servers, Settings};
use oncegate::store::{Ledger, Store, Terms};
use tempfile::TempDir;

use crate::floor::OneByOne;
use crate::server::Server;
use crate::servers::{postgres, redis};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Names of the stores that are used through a ledger.
pub const STORES: [&str; 4] = ["memory", "embedded", "redis", "postgres"];

/// Name of the store on three primaries of a Redis Cluster.
pub const CLUSTER: &str = "redis-cluster";

/// How long a response and a tombstone are kept.
#[derive(Clone, Copy)]
pub struct Kept {
    pub ttl: Duration,
    pub tombstone_ttl: Duration,
}

impl From<Duration> for Kept {
    fn from(ttl: Duration) -> Self {
        Self { ttl, tombstone_ttl: 30 * DAY }
    }
}

/// A store under measurement.
pub struct Contender {
    pub name: &'static str,
    pub worker: Arc<dyn Worker>,
    pub server: Server,
}

/// A way to keep the records of payments.
pub trait Worker: Send + Sync {
    /// Claims and completes operation `number`.
    fn cycle(&self, number: u64) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// Reads the outcome of an operation, as a retry would.
    fn replay(&self, number: u64) -> Pin<Box<dyn Future<Output = ()> + Send>>;
    /// Returns the ledger underneath, if there is one.
    fn ledger(&self) -> Option<Ledger>;
}

impl Contender {
    /// Tells whether a sweeper works on the store.
    pub fn sweeps(&self) -> bool {
        self.worker.ledger().is_some()
    }
}

/// Opens the stores of these names, or all.
pub async fn all(names: &[String]) -> Vec<Contender> {
    let mut contenders = Vec::new();
    for name in STORES.into_iter().chain(["postgres, one by one"]) {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            contenders.push(open(name).await);
        }
    }
    contenders
}

/// Opens the store of this name, empty.
pub async fn open(name: &'static str) -> Contender {
    let (worker, server): (Arc<dyn Worker>, Server) = match name {
        "memory" => {
            let clock = Arc::new(SteadyClock::starting(Timestamp::default()));
            (through_a_ledger(MemoryStore::new(clock)), Server::None)
        }
        "embedded" => {
            let directory =
                TempDir::new_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target")).expect("a directory");
            let store = EmbeddedStore::open(&directory.path().join("records")).expect("a store");
            (through_a_ledger(store), Server::Directory(directory))
        }
        "redis" => {
            let server = redis::Server::start();
            let servers = Servers::One(Address::Tcp("127.0.0.1".into(), server.port));
            let store = RedisStore::open(Settings::of(servers), Terms::new(TIMEOUT)).await.expect("a store");
            (through_a_ledger(store), Server::Redis(server))
        }
        CLUSTER => {
            let nodes = tokio::task::block_in_place(redis::cluster);
            let address = |node: &redis::Server| Address::Tcp("127.0.0.1".into(), node.port);
            let servers = Servers::Cluster(nodes.iter().map(address).collect());
            let store = RedisStore::open(Settings::of(servers), Terms::new(TIMEOUT)).await.expect("a store");
            (through_a_ledger(store), Server::Cluster(nodes))
        }
        "postgres" => {
            let server = postgres::Server::start();
            let settings = pg::Settings::of(vec![server.options()], "oncegate");
            let store = PostgresStore::open(settings, Terms::new(TIMEOUT)).await.expect("a store");
            (through_a_ledger(store), Server::Postgres(server))
        }
        _ => {
            let server = postgres::Server::start();
            (Arc::new(OneByOne::on(&server).await), Server::Postgres(server))
        }
    };
    Contender { name, worker, server }
}

fn through_a_ledger(store: impl Store) -> Arc<dyn Worker> {
    Arc::new(ThroughALedger(Ledger::new(Arc::new(store), TIMEOUT)))
}

struct ThroughALedger(Ledger);

impl Worker for ThroughALedger {
    fn cycle(&self, number: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let ledger = self.0.clone();
        Box::pin(async move { complete(&ledger, number, DAY).await })
    }

    fn replay(&self, number: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let ledger = self.0.clone();
        Box::pin(async move {
            let replay =
                ledger.claim(id(number), claim(owner(!number), DAY.into())).await.expect("an answer");
            assert!(replay.response.is_some(), "{:?}", replay.verdict);
        })
    }

    fn ledger(&self) -> Option<Ledger> {
        Some(self.0.clone())
    }
}

/// Claims and completes an operation, with a response.
pub async fn complete(ledger: &Ledger, number: u64, kept: impl Into<Kept>) {
    let won = begin(ledger, number, kept).await;
    finish(ledger, number, &won).await;
}

/// Claims an operation.
pub async fn begin(ledger: &Ledger, number: u64, kept: impl Into<Kept>) -> Record {
    let decision = ledger.claim(id(number), claim(owner(number), kept.into())).await.expect("a claim");
    let ClaimVerdict::Won(record) = decision.verdict else { panic!("{number} is not free") };
    assert_eq!(record.state.n(), 1);
    record
}

/// Completes an operation that was claimed.
pub async fn finish(ledger: &Ledger, number: u64, won: &Record) {
    let (id, owner) = (id(number), owner(number));
    let reference = ResponseRef { id: owner, status: 201, retained: true };
    let report = Report { owner, n: 1, finding: Finding::Complete(reference) };
    let stored = ledger.apply(id, Some(won), &report, Some(&response())).await.expect("stored");
    assert!(matches!(stored.verdict, OwnerVerdict::Stored(_)));
}

/// Returns the id of operation `number`.
pub fn id(number: u64) -> RecordId {
    let key = Key::parse(format!("order-{number}").as_bytes()).expect("a valid key");
    RecordId::of("create-charge", &Scope::anonymous(), &key)
}

fn owner(number: u64) -> Owner {
    let mut token = [0x5a; 16];
    // A revision starts from the first bytes of the token, which differ as those of a random token do.
    token[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Owner(token)
}

fn claim(owner: Owner, kept: Kept) -> Claim {
    let scheme =
        Scheme { body: BodyScheme::Raw, headers: vec!["content-type".into()], path: PathScheme::AsSent };
    let policy = Policy {
        on_unknown: OnUnknown::Hold,
        lease: Duration::from_secs(10),
        response_timeout: Duration::from_secs(31),
        ttl: kept.ttl,
        tombstone_ttl: kept.tombstone_ttl,
    };
    Claim {
        owner,
        namespace: "create-charge".into(),
        route: "create-charge".into(),
        fingerprint: Fingerprint { scheme: Arc::new(scheme), digest: [7; 32] },
        policy,
        kept: None,
        labels: Labels::default(),
    }
}

/// Returns a response of 300 bytes and a few headers.
pub fn response() -> StoredResponse {
    let header = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    StoredResponse {
        status: StatusCode::CREATED,
        headers: vec![
            header("content-type", "application/json"),
            header("date", "Sat, 21 Nov 2026 12:00:00 GMT"),
            header("content-length", "300"),
        ],
        body: Bytes::from_static(&[b'x'; 300]),
    }
}
