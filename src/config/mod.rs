//! The configuration as checked types. A value of these types is valid: a mistake was refused, with its file,
//! line and key, when the configuration was read.
//!
//! [`Config::load`] reads a file; [`Config::for_upstream`] works without one. Both take the environment and
//! the command line as values. [`Config::warnings`] reports settings that are valid but unwise.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, Uri};
use ipnet::IpNet;

use crate::headers::HeaderWord;
use crate::problem::Shape;
use crate::protocol::path::Template;
use crate::protocol::{EntryName, LabelSource, Outcomes, Policy, Scheme, ScopePart};
use crate::store::StoreSettings;

pub use self::admin_token::{AdminToken, Role};
pub use self::arguments::Arguments;
pub use self::descriptors::{Beside, Capacity};
pub use self::environment::Environment;
pub use self::error::{ConfigError, ConfigErrors, Place};
pub use self::live::{LiveConfig, LoadedConfig};
pub use self::notify::{Notify, WebhookSecret, WebhookUrl};
pub use self::otel::Otel;
pub use self::read::digest_of;
pub use self::route_key::{KeyForwarding, RouteKey};
pub use self::schema::schema;
pub use self::settling::{EvidenceSource, Marker, Probe, RetryHorizon, SealKey, Settling, UpstreamKeys};
pub use self::upstream_name::UpstreamName;
pub use self::warning::Warning;
pub use self::written::{Changes, Written};

mod admin_token;
mod arguments;
mod continuing;
mod descriptors;
mod document;
mod environment;
mod error;
mod expansion;
mod file;
mod ignored_variables;
mod live;
mod mistakes;
mod notify;
mod otel;
mod overlay;
mod read;
mod route_key;
mod rules;
mod schema;
mod settling;
mod type_error;
pub mod units;
mod upstream_name;
mod warning;
mod warnings;
mod written;

/// A whole configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The public listener.
    pub server: Server,
    /// The admin listener.
    pub admin: Admin,
    /// The store of the records.
    pub store: StoreConfig,
    /// The upstream APIs by name, and one hidden upstream for each probe.
    pub upstreams: BTreeMap<UpstreamName, Upstream>,
    /// Settings of the log.
    pub log: Log,
    /// Destination of a request that no route matches; `None` answers `no-route`.
    pub fallback: Option<Fallback>,
    /// Lookups by clients.
    pub lookup: Lookup,
    /// The receiver of traces.
    pub otel: Option<Otel>,
    /// The shapes of problems that the file defines.
    pub problems: Vec<Arc<Shape>>,
    /// The protected routes, in the order of the file.
    pub routes: Vec<Arc<Route>>,
    /// Warnings found while the configuration was read, beside those that [`Config::warnings`] finds in the
    /// values.
    pub notes: Vec<Warning>,
    /// True if the configuration was made without a file, for one upstream.
    pub quick_start: bool,
    /// The text that the configuration was read from: its digest, and the settings by their keys.
    pub written: Written,
}

impl Config {
    /// Returns the shortest time for which a route replays; `None` without a route.
    #[must_use]
    pub fn shortest_ttl(&self) -> Option<Duration> {
        self.routes.iter().map(|route| route.policy.ttl).min()
    }

    /// Returns the shortest time for which a route keeps an operation from running again: the sum of its ttl
    /// and its tombstone's ttl.
    #[must_use]
    pub fn shortest_retention(&self) -> Option<Duration> {
        let kept = |route: &Arc<Route>| route.policy.ttl.saturating_add(route.policy.tombstone_ttl);
        self.routes.iter().map(kept).min()
    }
}

/// The destination of a request that no route matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// The upstream that receives the request, unprotected.
    pub upstream: UpstreamName,
    /// True if a request that carries a key is refused although no route protects it.
    pub refuses_keyed: bool,
}

/// Lookups by clients on the public listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookup {
    /// True if a client may ask what became of its key.
    pub enabled: bool,
}

/// The public listener and its limits.
#[derive(Clone, Debug)]
pub struct Server {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Time that running executions may go on after a signal to stop.
    pub drain_timeout: Duration,
    /// Time for which new connections and executions are still accepted after a signal to stop.
    pub shutdown_delay: Duration,
    /// Largest number of open connections. Beyond it, the party with the most connections loses one, or the
    /// new ones wait.
    pub max_connections: usize,
    /// Largest number of executions at once. A further one is answered `overloaded`.
    pub max_in_flight: usize,
    /// Time that a client has to send the head of a request, and to begin its first request.
    pub header_read_timeout: Duration,
    /// Time that a client connection may stay open between two requests.
    pub keep_alive_timeout: Duration,
    /// Time that a client has to send the body of a protected request.
    pub body_read_timeout: Duration,
    /// The largest body of a protected request, in bytes.
    pub request_body_limit: usize,
    /// Peers with trusted forwarding headers.
    pub trusted_proxies: Vec<IpNet>,
    /// True if HTTP/2 is offered beside HTTP/1.1.
    pub http2: bool,
    /// TLS settings. With them, the listener accepts TLS only.
    pub tls: Option<ListenerTls>,
    /// Largest number of unprotected requests at once. Only the number of descriptors that the process may
    /// have determines this limit.
    pub max_streams: usize,
    /// Prefix of the `type` members of problems, instead of `urn:oncegate:problem:`.
    pub problem_docs: Option<String>,
    /// Pages of other origins that may read answers. Without them, preflights go where other requests go.
    pub cors: Option<Cors>,
}

/// Pages of other origins that may read answers.
#[derive(Clone, Debug)]
pub struct Cors {
    /// The origins of the pages.
    pub origins: Origins,
    /// True if pages may send cookies and client certificates.
    pub credentials: bool,
    /// Time for which a browser remembers the answer to a preflight.
    pub max_age: Duration,
}

/// Origins of pages.
#[derive(Clone, Debug)]
pub enum Origins {
    /// Every origin.
    Any,
    /// These origins, as browsers write them.
    Listed(Vec<String>),
}

/// The admin listener.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Bearer tokens for the paths under `/v1`. Without a token, these paths are off on a listener that is
    /// not loopback.
    pub tokens: Vec<AdminToken>,
    /// TLS settings. With them, the listener accepts TLS only.
    pub tls: Option<ListenerTls>,
    /// The webhook that is told of each new unknown outcome.
    pub notify: Option<Notify>,
}

/// PEM files of a listener that uses TLS. They were usable when they were checked.
#[derive(Clone, Debug)]
pub struct ListenerTls {
    /// Certificate and key of the listener.
    pub identity: IdentityFiles,
    /// Authorities for client certificates. Without them, the listener asks clients for no certificate.
    pub client_ca: Option<PathBuf>,
}

/// A certificate chain and its private key, as PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// File of the certificate chain, with the own certificate first.
    pub cert: PathBuf,
    /// File of the private key.
    pub key: PathBuf,
}

/// The store of the records, and the limits on waiting for it.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The store that `store.url` names, with the keys that only it takes.
    pub settings: Arc<dyn StoreSettings>,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// Time that a start waits for a store that does not answer.
    pub start_timeout: Duration,
    /// Entries with operations that this configuration may name differently from the store.
    pub accept_identity_change: Vec<EntryName>,
    /// Entries with operations that need no route any more.
    pub retired: Vec<EntryName>,
    /// Keys that seal kept requests. The first one seals, and all of them open.
    pub seal: Vec<SealKey>,
}

/// An upstream API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Scheme and authority. A path is not allowed.
    pub url: Uri,
    /// A file of PEM certificates to trust instead of the usual roots.
    pub ca: Option<PathBuf>,
    /// Client certificate and key of the gateway, for an upstream that asks for a certificate.
    pub identity: Option<IdentityFiles>,
    /// True if HTTP/2 is used: with `https` if the upstream offers it, with `http` by prior knowledge.
    pub http2: bool,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest wait from the first byte sent to the last byte of an answer that is kept. For any other
    /// answer, the longest silence.
    pub response_timeout: Duration,
    /// Time that an idle connection is kept.
    pub idle_timeout: Duration,
    /// Largest head of an answer, in bytes.
    pub response_head_limit: usize,
    /// True if the client's `Host` is sent to the upstream instead of the upstream's own authority.
    pub preserve_host: bool,
    /// True if a `Location` or `Content-Location` that names the upstream itself gets the scheme and host of
    /// the client's request instead.
    pub rewrite_location: bool,
}

/// Settings of the log.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Form of the log lines: for people, or for machines.
    pub format: LogFormat,
    /// Least severe level that is written.
    pub level: tracing::Level,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// A JSON object in each line.
    Json,
}

/// A protected route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Unique name of the route.
    pub name: Arc<str>,
    /// The path template, such as `/v1/{resource}`.
    pub path: String,
    /// The path template, split into segments.
    pub template: Template,
    /// Spellings of a path that this route covers.
    pub matching: Match,
    /// The template in the syntax of the router for its kind.
    pub shape: String,
    /// Methods that the route covers.
    pub methods: Vec<Method>,
    /// Upstream that receives the requests.
    pub upstream: UpstreamName,
    /// Namespace of the keys.
    pub namespace: Arc<str>,
    /// The place of the key in requests, and its way to the upstream.
    pub key: RouteKey,
    /// Parts of a request that tell callers apart.
    pub scope: Vec<ScopePart>,
    /// True if all callers that no part of the scope tells apart count as the same one, instead of being
    /// refused.
    pub anonymous: bool,
    /// Parts of a request that make it the same request as another.
    pub fingerprint: Arc<Scheme>,
    /// Places of the labels by which people find a record.
    pub labels: Vec<LabelSource>,
    /// Lease, retention, and the policy for an unknown outcome.
    pub policy: Policy,
    /// Evidence that settles an unknown outcome. It agrees with the policy.
    pub settling: Settling,
    /// True if the request is kept, sealed, until its operation is settled.
    pub keep_request: bool,
    /// Longest times over which the same request may come again, as the operator declares them.
    pub retry_horizon: Option<RetryHorizon>,
    /// Source of the evidence that settles an unknown outcome; `None` if there is no evidence.
    pub evidence: Option<EvidenceSource>,
    /// Response headers that a replay keeps, of those that it drops by default.
    pub replay_headers: Vec<HeaderName>,
    /// Further response headers that a replay drops.
    pub replay_drop: Vec<HeaderName>,
    /// Treatment of a duplicate while the first attempt runs.
    pub in_flight: InFlight,
    /// Largest response that is kept, in bytes.
    pub max_response_body: usize,
    /// Meaning of the upstream's statuses.
    pub outcomes: Outcomes,
    /// The shape of problems.
    pub problems: Arc<Shape>,
    /// Headers by which the upstream says that it did not act. They count before the status.
    pub release_when: Vec<HeaderWord>,
    /// Answer to the client when the upstream's status leaves the outcome unknown: the upstream's answer, or
    /// a problem in its place.
    pub unknown_answers: UnknownAnswers,
    /// Treatment of an attempt while the store does not answer.
    pub on_store_error: OnStoreError,
}

impl Route {
    /// Returns the headers that requests are judged by: those of the key, the scope and the fingerprint.
    pub fn read_headers(&self) -> impl Iterator<Item = &str> + Clone {
        let scope = self.scope.iter().filter_map(|part| match part {
            ScopePart::Header(name) => Some(name.as_str()),
            _ => None,
        });
        let fingerprint = self.fingerprint.headers.iter().map(String::as_str);
        self.key.headers().iter().map(HeaderName::as_str).chain(scope).chain(fingerprint)
    }
}

/// The spellings of a path that count as the same path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Spellings that usual servers treat as the same path.
    Equivalent,
    /// Spellings that differ only in escapes of unreserved characters or in dot segments.
    Exact,
}

/// Answer to a client when the upstream's status leaves the outcome unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownAnswers {
    /// The upstream's answer, with a header that says that the outcome is unknown.
    Pass,
    /// A problem that carries the upstream's status.
    Problem,
}

/// Treatment of an attempt while the store does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStoreError {
    /// Refuse the attempt and send nothing.
    Reject,
    /// Forward the attempt unprotected: the operator who set this accepts duplicates.
    Bypass,
}

/// Treatment of a duplicate while the first attempt runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InFlight {
    /// Wait this long for the answer.
    Wait(Duration),
    /// Answer `in-flight` at once.
    Reject,
}
