//! What the operator asked for, as checked types. A value of these types is valid: whatever could
//! be wrong with it was refused, with its file, line and key, when it was read.
//!
//! [`Config::load`] reads a file, [`Config::for_upstream`] does without one. Both take the
//! environment and the command line as values. What is valid but unwise is for [`Config::warnings`] to say.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, Uri};
use ipnet::IpNet;

use crate::protocol::path::Template;
use crate::protocol::{EntryName, Outcomes, Policy, Scheme, ScopePart};
use crate::secret::Secret;
use crate::store::StoreSettings;

pub use self::arguments::Arguments;
pub use self::descriptors::Room;
pub use self::environment::Environment;
pub use self::error::{ConfigError, ConfigErrors, Place};
pub use self::schema::schema;
pub use self::warning::Warning;

mod arguments;
mod descriptors;
mod document;
mod environment;
mod error;
mod expansion;
mod file;
mod misfit;
mod overlay;
mod problem;
mod read;
mod rules;
mod schema;
mod stray;
pub mod units;
mod warning;

/// The most that the head of one request may take, and how much of an answer is read at once, in bytes.
pub const HEADER_BUFFER: usize = 64 << 10;

/// How much of the bodies on one HTTP/2 connection may be on its way or unread, in bytes.
pub const HTTP2_WINDOW: u32 = 256 << 10;

/// How much of one answer that streams may be between its upstream and its client, in bytes: a header
/// buffer that is being read, one that is handed over, and two that wait for the socket.
pub const STREAM_BUFFER: usize = 4 * HEADER_BUFFER;

/// What the answers that were just replayed may take together, in bytes.
pub const REPLAY_CACHE: usize = 32 << 20;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public listener.
    pub server: Server,
    /// The admin listener.
    pub admin: Admin,
    /// Where records are kept.
    pub store: StoreConfig,
    /// The upstream APIs by name.
    pub upstreams: BTreeMap<UpstreamName, Upstream>,
    /// How to log.
    pub log: Log,
    /// Where a request goes that no route matches; `None` answers `no-route`.
    pub fallback: Option<Fallback>,
    /// The protected routes, in the order of the file.
    pub routes: Vec<Arc<Route>>,
    /// What looked wrong while it was read, beside what [`Config::warnings`] sees in the values.
    pub notes: Vec<Warning>,
    /// Whether it was made without a file, for one upstream.
    pub quick_start: bool,
}

impl Config {
    /// The shortest time for which a route replays; `None` without a route.
    #[must_use]
    pub fn shortest_ttl(&self) -> Option<Duration> {
        self.routes.iter().map(|route| route.policy.ttl).min()
    }

    /// The longest time for which a route replays; zero without a route.
    #[must_use]
    pub fn longest_ttl(&self) -> Duration {
        self.routes.iter().map(|route| route.policy.ttl).max().unwrap_or_default()
    }

    /// The shortest time for which a route keeps an operation from running again: its ttl and tombstone.
    #[must_use]
    pub fn shortest_retention(&self) -> Option<Duration> {
        let kept = |route: &Arc<Route>| route.policy.ttl.saturating_add(route.policy.tombstone_ttl);
        self.routes.iter().map(kept).min()
    }
}

/// Where a request goes that no route matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The upstream, to which it streams unprotected.
    pub upstream: UpstreamName,
    /// Whether a request is refused that carries a key although no route protects it.
    pub refuses_keyed: bool,
}

/// The name of an upstream. Put into a request's extensions, it tells the proxy where to go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UpstreamName(pub Arc<str>);

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The public listener and its limits.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How long running executions may go on after a signal to stop.
    pub drain_timeout: Duration,
    /// How long new connections and executions are still taken after a signal to stop.
    pub shutdown_delay: Duration,
    /// How many connections may be open. Of more, the party that has most of them loses one, or they wait.
    pub max_connections: usize,
    /// How many executions may run at once; more are answered `overloaded`.
    pub max_in_flight: usize,
    /// How long a client may take to send the head of a request, and to begin its first one.
    pub header_read_timeout: Duration,
    /// How long a client connection may stay open between two requests.
    pub keep_alive_timeout: Duration,
    /// How long a client may take to send the body of a protected request.
    pub body_read_timeout: Duration,
    /// The largest body of a protected request, in bytes.
    pub request_body_limit: usize,
    /// The peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether HTTP/2 is spoken beside HTTP/1.1.
    pub http2: bool,
    /// With it the listener speaks TLS and nothing else.
    pub tls: Option<ListenerTls>,
    /// How many requests that no key protects may be on their way at once. Nothing sets it but the number of
    /// descriptors that the process may have.
    pub max_streams: usize,
    /// What `type` members of problems start with, instead of `urn:oncegate:problem:`.
    pub problem_docs: Option<String>,
}

/// The admin listener.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The bearer token for everything under `/v1`; without one that is off on a listener that is
    /// not loopback.
    pub token: Option<Secret>,
    /// With it the listener speaks TLS and nothing else.
    pub tls: Option<ListenerTls>,
}

/// The PEM files of a listener that speaks TLS. They were usable when they were checked.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    /// Who the listener is.
    pub identity: IdentityFiles,
    /// Who vouches for clients; without it clients show no certificate.
    pub client_ca: Option<PathBuf>,
}

/// A certificate chain and its private key, as PEM files.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// The own certificate first.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where records are kept, and how long to wait for an answer from there.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The store that `store.url` names, with the keys that only it takes.
    pub settings: Arc<dyn StoreSettings>,
    /// The longest wait for one answer.
    pub timeout: Duration,
    /// How long a start waits for a store that does not answer.
    pub start_timeout: Duration,
    /// The entries whose operations may be named otherwise than the store knows them.
    pub accept_identity_change: Vec<EntryName>,
    /// The entries whose operations need no route any more.
    pub retired: Vec<EntryName>,
}

/// One upstream API.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Scheme and authority; a path is not allowed.
    pub url: Uri,
    /// A file of PEM certificates to trust instead of the usual roots.
    pub ca: Option<PathBuf>,
    /// Who the gateway is to this upstream, where it asks.
    pub identity: Option<IdentityFiles>,
    /// Whether HTTP/2 is spoken: where it is offered with `https`, by prior knowledge with `http`.
    pub http2: bool,
    /// The longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// The longest wait from the first byte sent to the last byte of an answer that is kept; of any other, the
    /// longest silence.
    pub response_timeout: Duration,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// The most bytes of an answer's head.
    pub response_head_limit: usize,
    /// Whether the client's `Host` goes upstream instead of the upstream's own authority.
    pub preserve_host: bool,
    /// Whether `Location` and `Content-Location` that name the upstream itself are given the scheme and host
    /// that the client asked.
    pub rewrite_location: bool,
}

/// How to log.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: tracing::Level,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One protected route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name, unique.
    pub name: Arc<str>,
    /// The path template, such as `/v1/{resource}`.
    pub path: String,
    /// The same in segments.
    pub template: Template,
    /// Which spellings of a path are this route's.
    pub matching: Match,
    /// The template as the router of its kind knows it.
    pub shape: String,
    /// The methods it covers.
    pub methods: Vec<Method>,
    /// Where its requests go.
    pub upstream: UpstreamName,
    /// What groups its keys.
    pub namespace: Arc<str>,
    /// The header that carries the key.
    pub key_header: HeaderName,
    /// Whether a request without a key is refused.
    pub key_required: bool,
    /// What tells callers apart.
    pub scope: Vec<ScopePart>,
    /// Whether all callers that nothing tells apart count as the same one, instead of being refused.
    pub anonymous: bool,
    /// What makes two requests the same.
    pub fingerprint: Arc<Scheme>,
    /// Lease, retention and what an unknown outcome allows.
    pub policy: Policy,
    /// Of the response headers that a replay drops by default, those it keeps.
    pub replay_headers: Vec<HeaderName>,
    /// Further response headers that a replay drops.
    pub replay_drop: Vec<HeaderName>,
    /// What a duplicate does while the first attempt runs.
    pub in_flight: InFlight,
    /// The largest response that is kept, in bytes.
    pub max_response_body: usize,
    /// Which statuses mean what.
    pub outcomes: Outcomes,
    /// Whether an upstream's answer that leaves the outcome unknown is passed on, or a problem given in its
    /// place.
    pub unknown_answers: UnknownAnswers,
    /// What happens while the store does not answer.
    pub on_store_error: OnStoreError,
}

impl Route {
    /// The headers by which its requests are judged: those of the key, the scope and the fingerprint.
    pub fn read_headers(&self) -> impl Iterator<Item = &str> + Clone {
        let scope = self.scope.iter().filter_map(|part| match part {
            ScopePart::Header(name) => Some(name.as_str()),
            _ => None,
        });
        let fingerprint = self.fingerprint.headers.iter().map(String::as_str);
        [self.key_header.as_str()].into_iter().chain(scope).chain(fingerprint)
    }
}

/// Which spellings of a path are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Those that usual servers take for one.
    Equivalent,
    /// Those that differ in escapes of unreserved characters or in dot segments only.
    Exact,
}

/// What a client is told when the upstream's status leaves the outcome unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownAnswers {
    /// The upstream's answer, with a header that says so.
    Pass,
    /// A problem that carries the upstream's status.
    Problem,
}

/// What happens to an attempt while the store does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStoreError {
    /// It is refused, and nothing is sent.
    Reject,
    /// It is forwarded unprotected: whoever set this accepts duplicates.
    Bypass,
}

/// What a duplicate does while the first attempt runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlight {
    /// Waits this long for the answer.
    Wait(Duration),
    /// Is told at once.
    Reject,
}
