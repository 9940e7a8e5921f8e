//! The idempotency layer: a [`tower::Layer`] that lets each operation through to the inner service
//! once, and answers every other attempt with what came of it.
//!
//! What it asks of the inner service: answer with a response, or with a
//! [`CallError`] that says whether the request can have been acted on;
//! and never send a request twice by itself. Which upstream is meant stands in the request's
//! extensions as [`UpstreamName`].
//!
//! What it deliberately does not do: guess. A call whose outcome is not known is recorded as
//! unknown and stays so until somebody decides it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::body::Body;
use http::{HeaderMap, Response, Version};
use ipnet::IpNet;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tower::util::BoxCloneSyncService;

use crate::call::CallError;
use crate::config::{self, Server, UpstreamName};
use crate::peer::Peer;
use crate::protocol::Owner;
use crate::routes::RouteTable;
use crate::shares::Shares;
use crate::stop::Stop;
use crate::store::Ledger;
use crate::telemetry::Metrics;

use self::again::Again;
use self::bodies::BodyBudget;
use self::flight::Flights;
use self::location::{Asked, Locations};
use self::outgoing::Outgoing;
use crate::headers::{add_own, clean_request, forwarded_address};

mod access;
mod admission;
mod again;
mod answer;
mod attempt;
mod bodies;
mod body;
mod bypass;
mod conclusion;
mod contest;
mod exchange;
mod execution;
mod flight;
mod layer;
mod lease;
mod location;
mod operation;
mod outgoing;
mod patience;
mod reply;
mod stops;
mod sweeper;
mod unprotected;

pub use layer::{GatewayLayer, GatewayService};
pub use stops::tell_stops;
pub use sweeper::{SWEEP_INTERVAL, lapsed, sweep};

/// The inner service, whatever it is.
pub type Upstream = BoxCloneSyncService<http::Request<Body>, Response<Body>, CallError>;

/// Everything that all exchanges share.
pub struct Gateway {
    routes: RouteTable,
    ledger: Ledger,
    metrics: Metrics,
    stop: Stop,
    /// Makes unguessable tokens.
    new_owner: fn() -> Owner,
    flights: Flights,
    /// What waits for a store that is away.
    again: Again,
    locations: Locations,
    executions: TaskTracker,
    /// The places of executions.
    permits: Shares,
    /// The places of requests that no key protects.
    streams: Shares,
    /// For claims that may stand and are to be released.
    releases: Semaphore,
    bodies: BodyBudget,
    outgoing: Outgoing,
    trusted_proxies: Vec<IpNet>,
    problem_docs: Option<String>,
}

impl Gateway {
    /// A gateway with the limits of `server`, in front of these upstreams. `new_owner` must return tokens that nobody can guess
    /// and that never repeat.
    #[must_use]
    pub fn new(
        server: &Server,
        upstreams: &BTreeMap<UpstreamName, config::Upstream>,
        routes: RouteTable,
        ledger: Ledger,
        metrics: Metrics,
        stop: Stop,
        new_owner: fn() -> Owner,
    ) -> Self {
        let outgoing = Outgoing::new(server.max_in_flight, routes.largest_response());
        Self {
            routes,
            ledger,
            metrics,
            stop,
            new_owner,
            flights: Flights::default(),
            again: Again::default(),
            locations: Locations::of(upstreams),
            executions: TaskTracker::new(),
            permits: Shares::new(server.max_in_flight, 1),
            streams: Shares::new(server.max_streams, 1),
            releases: Semaphore::new(server.max_in_flight),
            bodies: BodyBudget::new(
                server.max_in_flight,
                server.request_body_limit,
                server.body_read_timeout,
            ),
            outgoing,
            trusted_proxies: server.trusted_proxies.clone(),
            problem_docs: server.problem_docs.clone(),
        }
    }

    /// The tasks of executions that run, to be waited for at the end. Close it first.
    #[must_use]
    pub fn executions(&self) -> &TaskTracker {
        &self.executions
    }

    /// Makes the headers of a request fit for the upstream; `read` are those by which it was judged.
    fn prepare<'n>(
        &self,
        headers: &mut HeaderMap,
        version: Version,
        peer: Option<Peer>,
        read: impl Iterator<Item = &'n str> + Clone,
    ) {
        clean_request(headers, self.believes(peer), read);
        add_own(headers, version, peer);
    }

    fn believes(&self, peer: Option<Peer>) -> bool {
        peer.is_some_and(|peer| self.trusted_proxies.iter().any(|net| net.contains(&peer.address)))
    }

    /// What a request asked, scheme and host, and the address of its client as far as it is known.
    fn origin(&self, request: &http::Request<Body>) -> (Asked, Option<IpAddr>) {
        let (headers, peer) = (request.headers(), request.extensions().get().copied());
        let believed = self.believes(peer);
        let address = peer.map(|peer| peer.address);
        let client = if believed { forwarded_address(headers).or(address) } else { address };
        (Asked::of(headers, peer, believed), client)
    }
}
