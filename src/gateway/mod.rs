//! The idempotency layer: a [`tower::Layer`] that lets each operation through to the inner service once, and
//! answers every other attempt from the outcome of that execution.
//!
//! The inner service must answer with a response, or with a [`CallError`](crate::call::CallError) that says
//! whether the upstream can have acted on the request. It must never send a request twice by itself. The
//! request's extensions name the upstream as [`UpstreamName`].
//!
//! The layer deliberately does not guess. It records a call with an unknown outcome as unknown, and the
//! record stays unknown until evidence, an operator or a late completion decides it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use http::{HeaderMap, Version};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::config::{self, Server, UpstreamName};
use crate::headers::{add_own, clean_request, forwarded_address};
use crate::peer::Peer;
use crate::protocol::Owner;
use crate::routes::LiveRoutes;
use crate::settle::{Keeper, Settler};
use crate::shares::Shares;
use crate::stop::Stop;
use crate::store::Ledger;
use crate::telemetry::{Metrics, Traces};

use self::bodies::BodyBudget;
use self::flight::Flights;
use self::location::ClientOrigin;
use self::outgoing::Outgoing;
use self::pending_writes::PendingWrites;
use self::settings::Settings;

mod access;
mod admission;
mod answer;
mod attempt;
mod bodies;
mod body;
mod builder;
mod bypass;
mod claims_stopped;
mod conclusion;
mod contest;
mod cors;
mod exchange;
mod execution;
mod flight;
mod key_in_body;
mod layer;
mod lease;
mod location;
mod lookup;
mod operation;
mod outgoing;
mod owner;
mod pending_writes;
mod policy;
mod reply;
mod rerun;
mod settings;
#[cfg(test)]
mod sizes;
mod sweeper;
mod unprotected;
mod wait;

pub use crate::call::Upstream;
pub use builder::GatewayBuilder;
pub use claims_stopped::report_stopped_claims;
pub use layer::{GatewayLayer, GatewayService};
pub use owner::new_owner;
pub use rerun::KeptRunner;
pub use sweeper::{SWEEP_INTERVAL, lapsed, sweep};

/// The state that all exchanges share.
pub struct Gateway {
    routes: LiveRoutes,
    ledger: Ledger,
    settler: Settler,
    metrics: Metrics,
    stop: Stop,
    /// Function that makes unguessable tokens.
    new_owner: fn() -> Owner,
    flights: Flights,
    /// Queued writes for a store that is away.
    pending_writes: PendingWrites,
    settings: ArcSwap<Settings>,
    executions: TaskTracker,
    /// Permits of executions.
    permits: Shares,
    /// Permits of requests that no key protects.
    streams: Shares,
    /// Permits of lookups by clients.
    lookups: Shares,
    /// Permits of the tasks that release a claim which may stand although nothing was sent.
    releases: Semaphore,
    bodies: BodyBudget,
    outgoing: Outgoing,
    traces: Traces,
}

impl Gateway {
    /// Returns a gateway with the limits of `server`, in front of these upstreams. `new_owner` must return
    /// tokens that cannot be guessed and never repeat.
    #[must_use]
    pub fn new(
        server: &Server,
        upstreams: &BTreeMap<UpstreamName, config::Upstream>,
        routes: LiveRoutes,
        ledger: Ledger,
        metrics: Metrics,
        stop: Stop,
        new_owner: fn() -> Owner,
    ) -> Self {
        let outgoing = Outgoing::new(server.max_in_flight, routes.table().largest_response());
        Self {
            routes,
            settler: Settler::new(ledger.clone(), metrics.clone(), Keeper::default(), new_owner),
            ledger,
            metrics,
            stop,
            new_owner,
            flights: Flights::default(),
            pending_writes: PendingWrites::default(),
            settings: ArcSwap::from_pointee(Settings::new(server, upstreams)),
            executions: TaskTracker::new(),
            permits: Shares::new(server.max_in_flight, 1),
            streams: Shares::new(server.max_streams, 1),
            lookups: Shares::new(server.max_in_flight, 1),
            releases: Semaphore::new(server.max_in_flight),
            bodies: BodyBudget::new(
                server.max_in_flight,
                server.request_body_limit,
                server.body_read_timeout,
            ),
            outgoing,
            traces: Traces::default(),
        }
    }

    /// Returns the gateway with another settler, which knows the witnesses of the routes.
    #[must_use]
    pub fn settling(self, settler: Settler) -> Self {
        Self { settler, ..self }
    }

    /// Returns the gateway with this source of spans.
    #[must_use]
    pub fn tracing(self, traces: Traces) -> Self {
        Self { traces, ..self }
    }

    /// Waits until the spans so far are exported, but not for long.
    pub async fn finish_traces(&self) {
        self.traces.finish().await;
    }

    /// Takes up other settings and limits. `upstreams` are those of the routes in use, before and after.
    /// `largest_response` is the size of the largest response that a route keeps, in bytes. What runs and
    /// waits already keeps its permits and its memory.
    pub fn reconfigure(
        &self,
        server: &Server,
        upstreams: &BTreeMap<UpstreamName, config::Upstream>,
        largest_response: usize,
    ) {
        self.settings.store(Arc::new(Settings::new(server, upstreams)));
        let executions = server.max_in_flight;
        self.permits.resize(executions, 1);
        self.streams.resize(server.max_streams, 1);
        self.lookups.resize(executions, 1);
        self.bodies.resize(executions, server.request_body_limit);
        self.outgoing.resize(executions, largest_response);
    }

    /// Notes that requests with bodies of up to `bytes` may have been executed, whatever the limit is now.
    pub fn remember_request_of(&self, bytes: u64) {
        self.bodies.remember(usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// Returns the tracker of the running executions, for waiting at the end. Close the tracker before
    /// waiting.
    #[must_use]
    pub fn executions(&self) -> &TaskTracker {
        &self.executions
    }

    /// Makes the headers of a request fit for the upstream. `read` names the headers by which the request was
    /// judged.
    fn prepare<'n>(
        &self,
        headers: &mut HeaderMap,
        version: Version,
        peer: Option<Peer>,
        read: impl Iterator<Item = &'n str> + Clone,
    ) {
        clean_request(headers, self.settings.load().believes(peer), read);
        add_own(headers, version, peer);
    }

    /// Returns the scheme and host that a request asked for, and the address of its client as far as it is
    /// known.
    fn origin(settings: &Settings, request: &http::Request<Body>) -> (ClientOrigin, Option<IpAddr>) {
        let (headers, peer) = (request.headers(), request.extensions().get().copied());
        let believed = settings.believes(peer);
        let address = peer.map(|peer| peer.address);
        let client = if believed { forwarded_address(headers).or(address) } else { address };
        (ClientOrigin::of(headers, peer, believed), client)
    }
}
