//! The configuration file as it is written: names, types and defaults, before any check.
//!
//! The keys are described only here. The reader, the JSON Schema and the names of environment variables are
//! all derived from these types; their doc comments are the schema's descriptions.
//!
//! A required key is an `Option` too, so that its absence is found together with every other mistake.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod key;
mod notify;
mod otel;
mod outcomes;
mod problems;
mod route;
mod scope;
mod settling;
mod size;
mod token;

pub(super) use self::key::{Forward, Key, MembersText, Place};
pub(super) use self::notify::Notify;
pub(super) use self::otel::Otel;
pub(super) use self::outcomes::{Outcomes, ReleaseWhen, StatusText};
pub(super) use self::problems::Problems;
pub(super) use self::route::{
    Anonymous, BodyForm, Fingerprint, InFlight, Match, OnStoreError, Route, UnknownAnswers,
};
pub(super) use self::scope::ScopeText;
pub(super) use self::settling::{Marker, OnUnknown, Probe, RetryHorizon, Seal, UpstreamKeys, When};
pub(super) use self::size::SizeText;
pub(super) use self::token::AdminToken;

/// Configuration of the Oncegate idempotency gateway.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(title = "Oncegate", extend("required" = ["upstreams"]))]
pub(super) struct File {
    /// The public listener and its limits.
    pub server: Server,
    /// The listener for health, metrics, records and the console.
    pub admin: Admin,
    /// The store of the records.
    pub store: Store,
    /// Upstream APIs by name. At least one is required.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Settings of the log.
    pub log: Log,
    /// Destination of a request that no route matches. Without it, such a request is answered 404.
    pub fallback: Option<Fallback>,
    /// Lookups by clients on the public listener.
    pub lookup: Lookup,
    /// The receiver of traces.
    pub otel: Option<Otel>,
    /// Shapes of problems by name, for the routes that name one.
    pub problems: BTreeMap<String, Problems>,
    /// The protected routes.
    pub routes: Vec<Route>,
}

/// The public listener and its limits.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Server {
    /// IP address and port to listen on.
    pub listen: String,
    /// Time that running executions may go on after a signal to stop. After it, they become unknown.
    pub drain_timeout: String,
    /// Time for which new connections and executions are still accepted after a signal to stop, before
    /// `drain_timeout` begins. Meanwhile `/readyz` answers 503, and each connection ends with its current
    /// request.
    pub shutdown_delay: String,
    /// Largest number of open connections. Beyond it, the client with the most connections loses one, or the
    /// new ones wait.
    pub max_connections: i64,
    /// Largest number of executions at once. More are answered `overloaded`, those of the client with the
    /// most executions first.
    pub max_in_flight: i64,
    /// Time that a client has to send the head of a request, and to begin its first request.
    pub header_read_timeout: String,
    /// Time that a client connection may stay open between two requests. Set it higher than the time for
    /// which the balancer in front keeps its connections.
    pub keep_alive_timeout: String,
    /// Time that a client has to send the body of a protected request.
    pub body_read_timeout: String,
    /// Largest body of a protected request.
    pub request_body_limit: SizeText,
    /// Networks or addresses of the proxies that are trusted to send forwarding headers.
    pub trusted_proxies: Vec<String>,
    /// True to offer HTTP/2 beside HTTP/1.1: by ALPN with `tls`, by prior knowledge without.
    pub http2: bool,
    /// TLS settings. With them, the listener accepts TLS only.
    pub tls: Option<ListenerTls>,
    /// Address of pages about the problems. With it, a problem's `type` is this address, `#` and the
    /// problem's slug.
    pub problem_docs: Option<String>,
    /// Pages of other origins that may read the gateway's answers in a browser.
    pub cors: Option<Cors>,
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
            cors: None,
        }
    }
}

/// Pages of other origins (CORS). Preflights for the paths of routes are answered by the gateway.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["origins"]))]
pub(super) struct Cors {
    /// Origins of the pages, like `https://shop.example`. `*` allows every page, without credentials.
    pub origins: Vec<String>,
    /// True if pages may send cookies and client certificates.
    pub credentials: bool,
    /// Time for which a browser remembers the answer to a preflight.
    pub max_age: String,
}

impl Default for Cors {
    fn default() -> Self {
        Self { origins: Vec::new(), credentials: false, max_age: "10m".into() }
    }
}

/// The listener for health, metrics, records and the console.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Admin {
    /// IP address and port to listen on.
    pub listen: String,
    /// Environment variable that holds the bearer token for `/v1`. Without a token, `/v1` is off unless the
    /// listener is loopback.
    pub token_env: Option<String>,
    /// Further bearer tokens for `/v1`, each with a name and a role. The token of `token_env` is named
    /// `admin` and has the role `settle`.
    pub tokens: Vec<AdminToken>,
    /// TLS settings. With them, the listener accepts TLS only.
    pub tls: Option<ListenerTls>,
    /// The webhook that is told of each new unknown outcome, at least once, by a signed POST.
    pub notify: Option<Notify>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { listen: "127.0.0.1:9464".into(), token_env: None, tokens: Vec::new(), tls: None, notify: None }
    }
}

/// TLS on a listener. The files are checked for changes on SIGHUP and every few seconds.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["cert", "key"]))]
pub(super) struct ListenerTls {
    /// PEM file with the listener's certificate, then the certificates that sign it.
    pub cert: Option<String>,
    /// PEM file with the certificate's private key.
    pub key: Option<String>,
    /// PEM file of certificate authorities. With it, only clients with a certificate signed by one of them
    /// are admitted.
    pub client_ca: Option<String>,
}

/// The certificate that the gateway presents to an upstream that asks for one.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["cert", "key"]))]
pub(super) struct Identity {
    /// PEM file with the gateway's certificate, then the certificates that sign it.
    pub cert: Option<String>,
    /// PEM file with the certificate's private key.
    pub key: Option<String>,
}

/// The store of the records.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Store {
    /// Store URL. `embedded:DIR` keeps records in a directory of this machine; `redis://` (or `rediss://`,
    /// `unix:PATH`, `redis+cluster://`, `redis+sentinel://`) or `postgres://` keeps them on a server that
    /// many gateways share; `memory:` forgets them when the process ends.
    pub url: String,
    /// Longest wait for one answer of the store.
    pub timeout: String,
    /// Time that a start waits for a store that does not answer, or that another process still has open.
    pub start_timeout: String,
    /// Names that a refused start printed, such as `POST /v1/charges#1f3a9c`. These operations may have other
    /// names from now on, and a retry of an operation that the store holds may run again.
    pub accept_identity_change: Vec<String>,
    /// Names that a refused start printed, of operations that no route covers any more.
    pub retired: Vec<String>,
    /// Keys that seal what a record keeps of its request. The first one seals, and all of them open, so that
    /// a new key is put in front of the old one.
    pub seal: Vec<Seal>,
    /// File of PEM certificates to trust instead of the usual roots; for `rediss://` and `postgres://`.
    pub ca: Option<String>,
    /// Username on sentinels; the default user if left out.
    pub sentinel_username: Option<String>,
    /// Password of that user.
    pub sentinel_password: Option<String>,
    /// Prefix of every key in Redis; `oncegate:` if left out.
    pub prefix: Option<String>,
    /// Number of Redis replicas that must have a claim or completion before it counts; 0 if left out.
    pub wait_replicas: Option<i64>,
    /// True to let claims go on after a restart of Redis that lost data, instead of refusing them for one
    /// ttl; false if left out.
    pub accept_lost: Option<bool>,
    /// Schema of the tables in Postgres; `oncegate` if left out.
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
            seal: Vec::new(),
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

/// An upstream API.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["url"]))]
pub(super) struct Upstream {
    /// `http://` or `https://` and the authority, without a path.
    pub url: Option<String>,
    /// File of PEM certificates to trust instead of the usual roots.
    pub ca: Option<String>,
    /// Certificate to present to an upstream that asks for one; for `https://`.
    pub identity: Option<Identity>,
    /// True to use HTTP/2: with `https://` if the upstream offers it, with `http://` by prior knowledge.
    pub http2: bool,
    /// Longest wait for a connection, TLS included.
    pub connect_timeout: String,
    /// Longest wait from the first byte sent to the last byte of an answer that is kept. An answer that is
    /// passed on as it arrives may take any time, but may not be silent for longer than this.
    pub response_timeout: String,
    /// Time that an idle connection to the upstream is kept. Set it lower than the time for which the
    /// upstream keeps the connection.
    pub idle_timeout: String,
    /// Largest head of an answer: its status line and header lines. A larger head is answered
    /// `answer-unusable`.
    pub response_head_limit: SizeText,
    /// True to send the client's `Host` upstream instead of the upstream's own authority.
    pub preserve_host: bool,
    /// True to give a `Location` or `Content-Location` that names the upstream itself the scheme and host of
    /// the client's request.
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

/// Settings of the log.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Log {
    /// Form of the log lines: for people, or for machines.
    pub format: LogFormat,
    /// Least severe level that is written.
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

/// The severity of a logged event.
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

/// Lookups by clients on the public listener.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
pub(super) struct Lookup {
    /// True to answer `GET /.well-known/idempotency/record`, where a client asks what became of its key, and
    /// `GET /.well-known/idempotency`, which publishes what the routes ask of a request. The paths then lead
    /// neither to a route nor to the fallback.
    pub enabled: bool,
}

/// The destination of a request that no route matches.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a table")]
#[schemars(extend("required" = ["upstream"]))]
pub(super) struct Fallback {
    /// Name of an upstream. Requests stream there unprotected.
    pub upstream: Option<String>,
    /// Treatment of a request that carries a key although no route protects it: "pass" marks its answer
    /// `Idempotency-Protected: false`, "refuse" answers 404.
    pub keyed: Keyed,
}

/// The treatment of a request that carries a key although no route protects it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Keyed {
    #[default]
    Pass,
    Refuse,
}
