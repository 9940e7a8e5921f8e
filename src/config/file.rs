//! The configuration file as it is written: names, types and defaults, nothing checked yet.
//!
//! This is the one description of the keys. Reading, the JSON Schema and what an environment
//! variable may name all come from these types; their doc comments are the schema's descriptions.
//!
//! A key that must be there is an `Option` all the same, so that its absence is found together
//! with every other mistake.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod route;
mod scope;
mod size;

pub(super) use self::route::{
    Anonymous, BodyForm, Fingerprint, InFlight, Match, OnStoreError, OnUnknown, Outcomes, Route,
    UnknownAnswers,
};
pub(super) use self::scope::ScopeText;
pub(super) use self::size::SizeText;

/// Configuration of the Oncegate idempotency gateway.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(title = "Oncegate", extend("required" = ["upstreams"]))]
pub(super) struct File {
    /// The public listener and its limits.
    pub server: Server,
    /// The listener for health, metrics and records.
    pub admin: Admin,
    /// Where records are kept.
    pub store: Store,
    /// The upstream APIs by name; at least one.
    pub upstreams: BTreeMap<String, Upstream>,
    /// How to log.
    pub log: Log,
    /// Where a request goes that no route matches; without it such a request is answered 404.
    pub fallback: Option<Fallback>,
    /// The protected routes.
    pub routes: Vec<Route>,
}

/// The public listener and its limits.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Server {
    /// The IP address and port to listen on.
    pub listen: String,
    /// How long running executions may go on after a signal to stop; after it they become unknown.
    pub drain_timeout: String,
    /// How long new connections and executions are still taken after a signal to stop, before
    /// `drain_timeout` begins; meanwhile `/readyz` says 503.
    pub shutdown_delay: String,
    /// How many connections may be open at once; of more, the client that has most of them loses one, or they wait.
    pub max_connections: i64,
    /// How many executions may run at once; more are answered `overloaded`, the client that has most of them first.
    pub max_in_flight: i64,
    /// How long a client may take to send the head of a request, and to begin its first one.
    pub header_read_timeout: String,
    /// How long a client connection may stay open between two requests. Set it above what the balancer
    /// in front keeps its connections for.
    pub keep_alive_timeout: String,
    /// How long a client may take to send the body of a protected request.
    pub body_read_timeout: String,
    /// The largest body of a protected request.
    pub request_body_limit: SizeText,
    /// Networks or addresses of the proxies whose forwarding headers are believed.
    pub trusted_proxies: Vec<String>,
    /// Whether HTTP/2 is spoken beside HTTP/1.1: by ALPN with `tls`, by prior knowledge without.
    pub http2: bool,
    /// With it the listener speaks TLS and nothing else.
    pub tls: Option<ListenerTls>,
    /// The address of pages about the problems. With it a problem's `type` is this address, `#`
    /// and the problem's slug.
    pub problem_docs: Option<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".into(),
            drain_timeout: "30s".into(),
            shutdown_delay: "0s".into(),
            max_connections: 10_000,
            max_in_flight: 1024,
            header_read_timeout: "10s".into(),
            keep_alive_timeout: "75s".into(),
            body_read_timeout: "30s".into(),
            request_body_limit: "1MiB".into(),
            trusted_proxies: Vec::new(),
            http2: false,
            tls: None,
            problem_docs: None,
        }
    }
}

/// The listener for health, metrics and records.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Admin {
    /// The IP address and port to listen on.
    pub listen: String,
    /// The environment variable that holds the bearer token for `/v1`. Without a token that is off unless
    /// the listener is loopback.
    pub token_env: Option<String>,
    /// With it the listener speaks TLS and nothing else.
    pub tls: Option<ListenerTls>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9464".into(), token_env: None, tls: None }
    }
}

/// TLS on a listener. The files are looked at again on SIGHUP and every few seconds.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["cert", "key"]))]
pub(super) struct ListenerTls {
    /// A PEM file: the listener's certificate, then those that vouch for it.
    pub cert: Option<String>,
    /// A PEM file: the certificate's private key.
    pub key: Option<String>,
    /// A PEM file of certificates: only clients with a certificate that one of them vouches for are
    /// let in.
    pub client_ca: Option<String>,
}

/// Who the gateway is to an upstream that asks for a certificate.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["cert", "key"]))]
pub(super) struct Identity {
    /// A PEM file: the gateway's certificate, then those that vouch for it.
    pub cert: Option<String>,
    /// A PEM file: the certificate's private key.
    pub key: Option<String>,
}

/// Where records are kept.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Store {
    /// `embedded:DIR` keeps records in a directory of this machine, `redis://` (or `rediss://`,
    /// `unix:PATH`, `redis+cluster://`, `redis+sentinel://`) or `postgres://` on a server that many
    /// gateways share, `memory:` forgets them when the process ends.
    pub url: String,
    /// The longest wait for one answer of the store.
    pub timeout: String,
    /// How long a start waits for a store that does not answer, or that another process still has open.
    pub start_timeout: String,
    /// What a start that was refused printed, as `POST /v1/charges#1f3a9c`: these operations may be named
    /// otherwise from now on, and a retry of one that the store holds may run again.
    pub accept_identity_change: Vec<String>,
    /// As above, of operations that no route covers any more.
    pub retired: Vec<String>,
    /// A file of PEM certificates to trust instead of the usual roots; for `rediss://` and
    /// `postgres://`.
    pub ca: Option<String>,
    /// Who to be on sentinels; the default user if left out.
    pub sentinel_username: Option<String>,
    /// The password for that.
    pub sentinel_password: Option<String>,
    /// What every key in Redis starts with; `oncegate:` if left out.
    pub prefix: Option<String>,
    /// How many Redis replicas must have a claim or completion before it counts; 0 if left out.
    pub wait_replicas: Option<i64>,
    /// Whether claims go on after a restart of Redis that lost data, instead of being refused for
    /// one ttl; false if left out.
    pub accept_lost: Option<bool>,
    /// The schema of the tables in Postgres; `oncegate` if left out.
    pub schema: Option<String>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: "embedded:./oncegate-data".into(),
            timeout: "1s".into(),
            start_timeout: "30s".into(),
            accept_identity_change: Vec::new(),
            retired: Vec::new(),
            ca: None,
            sentinel_username: None,
            sentinel_password: None,
            prefix: None,
            wait_replicas: None,
            accept_lost: None,
            schema: None,
        }
    }
}

/// One upstream API.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["url"]))]
pub(super) struct Upstream {
    /// `http://` or `https://` and the authority, without a path.
    pub url: Option<String>,
    /// A file of PEM certificates to trust instead of the usual roots.
    pub ca: Option<String>,
    /// The certificate to show to an upstream that asks for one; for `https://`.
    pub identity: Option<Identity>,
    /// Whether HTTP/2 is spoken: where the upstream offers it with `https://`, by prior knowledge with
    /// `http://`.
    pub http2: bool,
    /// The longest wait for a connection, TLS included.
    pub connect_timeout: String,
    /// The longest wait from the first byte sent to the last byte of an answer that is kept. An answer that is
    /// passed on as it comes may take any time, but may not be silent for longer than this.
    pub response_timeout: String,
    /// How long an idle connection to the upstream is kept. Let it be shorter than the upstream keeps it.
    pub idle_timeout: String,
    /// The most bytes that the head of an answer may have: its status line and header lines. A larger one is
    /// answered `answer-unusable`.
    pub response_head_limit: SizeText,
    /// Whether the client's `Host` goes upstream instead of the upstream's own authority.
    pub preserve_host: bool,
    /// Whether `Location` and `Content-Location` that name the upstream itself are given the scheme and host
    /// that the client asked.
    pub rewrite_location: bool,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            url: None,
            ca: None,
            identity: None,
            http2: false,
            connect_timeout: "1s".into(),
            response_timeout: "30s".into(),
            idle_timeout: "4s".into(),
            response_head_limit: "256KiB".into(),
            preserve_host: false,
            rewrite_location: true,
        }
    }
}

/// How to log.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Log {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How severe a logged event is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// Where a request goes that no route matches.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["upstream"]))]
pub(super) struct Fallback {
    /// The name of an upstream; requests stream there unprotected.
    pub upstream: Option<String>,
    /// What happens to a request that carries a key although no route protects it: "pass" marks its answer
    /// `Idempotency-Protected: false`, "refuse" answers 404.
    pub keyed: Keyed,
}

/// What happens to a request that carries a key although no route protects it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Keyed {
    #[default]
    Pass,
    Refuse,
}
