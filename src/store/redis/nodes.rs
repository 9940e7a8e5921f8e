//! The primary of each bucket: one primary holds all buckets, or the nodes of a cluster share them.
//!
//! The map of a cluster is read from any node that answers. It is read again when a node refuses a command
//! because the node does not own the slot, when a node breaks, and when a node is no longer a primary. A
//! command that was refused in this way was not run. Within its deadline it is sent again to the node that
//! the next map names.
//!
//! While a slot moves between nodes, its records are unavailable. `ASK` is not followed, because that would
//! help in almost no case: a node answers a script about several keys only if all of them are there
//! (`TRYAGAIN` otherwise), and a script about a record without a response, or about no record, always names a
//! key that is on neither node.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::{AsyncConnectionConfig, Value, cmd};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::backoff::jittered;

use super::endpoint::Endpoint;
use super::failure::{Failure, of_connecting};
use super::keys::{BUCKETS, slot};
use super::link::{Common, Link};
use super::script::Request;
use super::settings::{Address, Servers};
use super::setup::Setup;

/// Longest interval between readings of a cluster's map while nothing seems wrong with it.
const MAP_AGE: Duration = Duration::from_secs(30);
/// The wait between two readings, at most.
const MAP_PAUSE: Duration = Duration::from_millis(100);

/// The primaries of one store.
pub(super) enum Nodes {
    /// A single primary that holds all buckets.
    One(Arc<Link>),
    /// The nodes of a cluster.
    Cluster(Cluster),
}

/// The nodes of a cluster. Dropping the value stops the reading of maps.
pub(super) struct Cluster {
    shared: Arc<Shared>,
    reader: AbortHandle,
}

struct Shared {
    setup: Arc<Setup>,
    /// The nodes that the settings name.
    named: Vec<Address>,
    common: Arc<Common>,
    /// The newest map, or the failure of the last reading; `Err(None)` before the first reading ends.
    map: watch::Sender<Result<Arc<Map>, Option<Failure>>>,
    outdated: Notify,
}

/// The map of a cluster: each node with one bucket that it holds, and the link of each bucket.
struct Map {
    nodes: HashMap<Address, (u8, Arc<Link>)>,
    buckets: Vec<Arc<Link>>,
}

impl Nodes {
    /// Creates the primaries that the settings name. Nothing is known of the servers yet.
    pub(super) fn new(common: Arc<Common>) -> Self {
        let endpoint = match common.setup.settings.servers.clone() {
            Servers::One(address) => Endpoint::Fixed(address),
            Servers::Sentinels(sentinels) => Endpoint::Sentinels(sentinels),
            Servers::Cluster(nodes) => return Self::Cluster(Cluster::new(common, nodes)),
        };
        Self::One(Arc::new(Link::new(common, endpoint, (0..=u8::MAX).collect())))
    }

    /// Returns the buckets, in groups that one script may touch together.
    pub(super) fn groups(&self) -> Vec<Vec<u8>> {
        let all = 0..=u8::MAX;
        match self {
            Self::One(_) => vec![all.collect()],
            Self::Cluster(_) => all.map(|bucket| vec![bucket]).collect(),
        }
    }

    /// Returns the links to all primaries, each with one bucket that the primary holds.
    pub(super) async fn primaries(&self) -> Result<Vec<(u8, Arc<Link>)>, Failure> {
        match self {
            Self::One(link) => Ok(vec![(0, Arc::clone(link))]),
            Self::Cluster(cluster) => Ok(cluster.map().await?.nodes.values().cloned().collect()),
        }
    }

    /// Tells whether `what` holds for at least one primary that is known now.
    pub(super) fn any(&self, what: impl Fn(&Link) -> bool) -> bool {
        match self {
            Self::One(link) => what(link),
            Self::Cluster(cluster) => {
                let map = cluster.shared.map.borrow();
                map.as_ref().is_ok_and(|map| map.nodes.values().any(|(_, link)| what(link)))
            }
        }
    }

    /// Returns the link to the primary that holds `bucket`.
    pub(super) async fn link(&self, bucket: u8) -> Result<Arc<Link>, Failure> {
        match self {
            Self::One(link) => Ok(Arc::clone(link)),
            Self::Cluster(cluster) => Ok(Arc::clone(&cluster.map().await?.buckets[usize::from(bucket)])),
        }
    }

    /// Sends `request` to the primary that holds `bucket`, as [`Link::ask`] does.
    pub(super) async fn ask(
        &self,
        bucket: u8,
        request: Request<'_>,
        counted: bool,
    ) -> Result<(Value, u32), Failure> {
        let Self::Cluster(cluster) = self else {
            return self.link(bucket).await?.ask(request, counted).await;
        };
        let give_up_at = Instant::now() + cluster.shared.setup.terms.deadline();
        loop {
            let mut map = cluster.shared.map.subscribe();
            map.mark_unchanged();
            let failure = match self.link(bucket).await?.ask(request, counted).await {
                Err(failure) if failure.is_misplaced() => failure,
                answered => return answered,
            };
            cluster.shared.outdated.notify_one();
            let moved = failure.has_code(&["MOVED"]);
            // The node that provides the next map may not know of the move yet, so this may take several
            // rounds.
            if !moved || timeout_at(give_up_at, map.changed()).await.is_err() {
                return Err(failure);
            }
        }
    }
}

impl Cluster {
    fn new(common: Arc<Common>, named: Vec<Address>) -> Self {
        let (map, setup) = (watch::Sender::new(Err(None)), Arc::clone(&common.setup));
        let shared = Arc::new(Shared { setup, named, common, map, outdated: Notify::new() });
        let reader = tokio::spawn(keep_reading(Arc::clone(&shared))).abort_handle();
        Self { shared, reader }
    }

    /// Returns the newest map. Waits for the first reading.
    async fn map(&self) -> Result<Arc<Map>, Failure> {
        let mut map = self.shared.map.subscribe();
        let silent = || Failure::Down("no node of the cluster answers".into());
        let read = map.wait_for(|map| !matches!(map, Err(None)));
        match timeout(self.shared.setup.terms.deadline(), read).await {
            Ok(Ok(map)) => map.clone().map_err(|failure| failure.unwrap_or_else(silent)),
            _ => Err(silent()),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn keep_reading(shared: Arc<Shared>) {
    loop {
        let old = shared.map.borrow().clone();
        match (shared.read(old.as_deref().ok()).await, old) {
            (Ok(map), _) => drop(shared.map.send_replace(Ok(Arc::new(map)))),
            (Err(failure), Err(_)) => drop(shared.map.send_replace(Err(Some(failure)))),
            // The old map is better than none: nodes that have no part in the failure still serve.
            (Err(failure), Ok(_)) => tracing::warn!("the cluster's map cannot be read: {failure}"),
        }
        sleep(jittered(MAP_PAUSE)).await;
        let old = shared.map.borrow().is_ok();
        let age = jittered(if old { MAP_AGE } else { MAP_PAUSE });
        // The notice and the timeout are both a reason to read.
        drop(timeout(age, shared.outdated.notified()).await);
    }
}

impl Shared {
    /// Reads the map from the first node that has a complete one, and keeps the links to nodes that stay.
    async fn read(&self, old: Option<&Map>) -> Result<Map, Failure> {
        let known = old.into_iter().flat_map(|map| map.nodes.keys().cloned());
        let mut causes = Vec::new();
        for address in known.chain(self.named.iter().cloned()) {
            match timeout(self.setup.terms.timeout / 2, owners(&self.setup, &address)).await {
                Ok(Ok(owners)) => return Ok(self.map(&owners, old)),
                Ok(Err(failure)) => causes.push(failure.about(&address)),
                Err(_) => causes.push(Failure::down(format!("{address}: no answer"))),
            }
        }
        Err(Failure::of_all("no node of the cluster returns the map of its slots: ", &causes))
    }

    fn map(&self, owners: &[Address], old: Option<&Map>) -> Map {
        let mut map = Map { nodes: HashMap::new(), buckets: Vec::with_capacity(BUCKETS) };
        for (bucket, owner) in (0..=u8::MAX).zip(owners) {
            let (_, link) = map.nodes.entry(owner.clone()).or_insert_with(|| {
                let holds = || {
                    (0..=u8::MAX).zip(owners).filter(|(_, other)| *other == owner).map(|(bucket, _)| bucket)
                };
                match old.and_then(|map| map.nodes.get(owner)) {
                    Some((marked, link)) if owners[usize::from(*marked)] == *owner => {
                        link.now_holds(holds().collect());
                        (*marked, Arc::clone(link))
                    }
                    // The node is new, or it gave away the bucket in which its link keeps the mark of `loss`.
                    before => {
                        let link = self.link(owner, holds().collect(), before.map(|(_, link)| &**link));
                        (bucket, Arc::new(link))
                    }
                }
            });
            map.buckets.push(Arc::clone(link));
        }
        map
    }

    /// Creates a link to `owner`, which holds `buckets`, to replace the link `before`.
    fn link(&self, owner: &Address, buckets: Vec<u8>, before: Option<&Link>) -> Link {
        let mut link = Link::new(Arc::clone(&self.common), Endpoint::Fixed(owner.clone()), buckets);
        if let Some(held) = before.and_then(Link::held) {
            link.hold_for(held);
        }
        link
    }
}

/// Returns the primary of each bucket, as the node at `address` knows it.
pub(super) async fn owners(setup: &Setup, address: &Address) -> Result<Vec<Address>, Failure> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(setup.terms.timeout / 2));
    let connecting = setup.client(address)?;
    let connecting = connecting.get_multiplexed_async_connection_with_config(&config).await;
    let mut connection = connecting.map_err(|error| of_connecting(&address.to_string(), error))?;
    let ranges: Vec<Vec<Value>> = cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await?;
    let ranges: Option<Vec<_>> = ranges.iter().map(|range| parse_range(range, address)).collect();
    let ranges = ranges.ok_or_else(|| Failure::Down("a bad answer to CLUSTER SLOTS".into()))?;
    let owner = |bucket: u8| {
        let slot = slot(bucket);
        let range = ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
        range
            .map(|(_, _, owner)| owner.clone())
            .ok_or_else(|| Failure::down(format!("no node holds slot {slot}")))
    };
    (0..=u8::MAX).map(owner).collect()
}

/// Parses a range of slots: its first slot, its last slot and its primary. A node that does not know its own
/// name leaves the name out.
fn parse_range(range: &[Value], asked: &Address) -> Option<(u16, u16, Address)> {
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = range else { return None };
    let [host, Value::Int(port), ..] = primary.as_slice() else { return None };
    let host = match (host, asked) {
        (Value::BulkString(host), _) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
        (_, Address::Tcp(host, _)) => host.clone(),
        (_, Address::Unix(_)) => return None,
    };
    let owner = Address::Tcp(host, u16::try_from(*port).ok()?);
    Some((u16::try_from(*first).ok()?, u16::try_from(*last).ok()?, owner))
}
