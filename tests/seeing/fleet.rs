//! Gateways in each of the states of which an alert tells.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use http::Response;
use http_body_util::Full;
use oncegate::protocol::RecordId;
use serde_json::json;

use crate::harness::tls::Authority;
use crate::harness::{Connection, Gateway, Settings, Upstream, post, request_bytes};
use crate::process::{Process, free, full_pipe};
use crate::servers::redis::Server;

/// Gateways that are all in trouble, each in its own way.
pub struct Fleet {
    /// A gateway with unknown outcomes, late duplicates, unprotected keys and a webhook that fails.
    holding: Gateway,
    /// A gateway at the limit of its executions.
    crowded: Gateway,
    /// A gateway with a store that is gone.
    storeless: Gateway,
    /// A gateway that may not begin executions yet.
    embargoed: Gateway,
    /// A gateway with a damaged record.
    damaged: Gateway,
    /// A gateway with TLS, and clients without.
    secure: Gateway,
    /// A gateway that refuses its changed file.
    refusing: Gateway,
    /// A gateway with a log that is not read.
    unread: Process,
    /// An address without a gateway.
    gone: SocketAddr,
    _running: Vec<Connection>,
    _upstreams: Vec<Arc<Upstream>>,
    _authority: Authority,
    _pipe: std::io::PipeReader,
}

impl Fleet {
    pub async fn start() -> Self {
        let (upstream, webhook) = (losing().await, failing().await);
        let holding = holding(&upstream, &webhook).await;
        let (crowded, running, held) = crowded().await;
        let authority = Authority::new();
        let tls = format!("tls = {{ {} }}", authority.certify("gateway").keys());
        let (pipe, stuck) = full_pipe();
        let unread = Process::mute(&upstream, stuck).await;
        unread.pass(800).await;
        Self {
            holding,
            crowded,
            storeless: storeless(&upstream).await,
            embargoed: embargoed(&upstream).await,
            damaged: damaged(&upstream).await,
            secure: Gateway::start(&upstream, Settings::default().server(&tls)).await,
            refusing: refusing(&upstream).await,
            unread,
            gone: free(),
            _running: vec![running],
            _upstreams: vec![upstream, webhook, held],
            _authority: authority,
            _pipe: pipe,
        }
    }

    /// Returns the addresses of the admin listeners.
    pub fn admins(&self) -> Vec<SocketAddr> {
        self.gateways().iter().map(|gateway| gateway.admin).chain([self.unread.admin, self.gone]).collect()
    }

    /// Returns the gateways with a log that is read.
    fn gateways(&self) -> [&Gateway; 7] {
        let Self { holding, crowded, storeless, embargoed, damaged, secure, refusing, .. } = self;
        [holding, crowded, storeless, embargoed, damaged, secure, refusing]
    }

    /// Returns the metrics of all gateways.
    pub async fn metrics(&self) -> String {
        let mut all = self.unread.asks("GET", "/metrics").await.text().to_owned();
        for gateway in self.gateways() {
            all.push_str(gateway.admin_get("/metrics").await.text());
        }
        all
    }

    /// Goes on with the traffic that fails, for rules that compare the present with the past.
    pub async fn disturb(&self, round: usize) {
        let key = format!("more-{round}");
        post(self.crowded.address, "/v1/more", &key, "a").await.problem(
            503,
            "overloaded",
            "unknown",
            "same-key",
        );
        post(self.storeless.address, "/v1/more", &key, "a").await;
        post(self.holding.address, "/v1/charges", &key, "a").await;
        assert!(post(self.holding.address, "/v1/charges", "known", "a").await.is_replay());
        self.unread.pass(20).await;
        // A client that only looks whether something listens.
        drop(Connection::open(self.secure.address).await);
        for _ in 0..10 {
            let mut plain = Connection::open(self.secure.address).await;
            plain.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
            drop(plain.try_answer().await);
        }
    }
}

fn answer(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).expect("a response")
}

/// Starts an API that answers 503 to some paths, which leaves outcomes unknown.
async fn losing() -> Arc<Upstream> {
    Upstream::answering(|seen| answer(if seen.path.contains("lost") { 503 } else { 201 })).await
}

async fn failing() -> Arc<Upstream> {
    Upstream::answering(|_| answer(500)).await
}

async fn holding(upstream: &Upstream, webhook: &Upstream) -> Gateway {
    let sections = format!(
        "[fallback]\nupstream = \"payments\"\nkeyed = \"pass\"\n\
         [[routes]]\nname = \"short\"\npath = \"/short\"\nupstream = \"payments\"\nanonymous = \"one\"\n\
         ttl = \"1s\"\ntombstone_ttl = \"1h\"\n\
         [[routes]]\nname = \"again\"\npath = \"/again/{{*rest}}\"\nupstream = \"payments\"\nanonymous = \"one\"\n\
         lease = \"300ms\"\non_unknown = \"retry\"\nkeep_request = true\n\
         [admin.notify]\nurl = \"http://{}/hook\"\nsecret_env = \"ONCEGATE_NOTIFY_SECRET\"\n",
        webhook.address
    );
    let store = "url = \"memory:\"\nseal = [{ id = \"one\", env = \"ONCEGATE_SEAL\" }]";
    let settings = Settings::default()
        .store(store)
        .upstream("response_timeout = \"1s\"")
        .more(&sections)
        .env("ONCEGATE_SEAL", "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
        .env("ONCEGATE_NOTIFY_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let gateway = Gateway::start(upstream, settings).await;
    let to = gateway.address;
    post(to, "/v1/charges", "known", "a").await;
    post(to, "/again/lost", "again", "a").await;
    for number in 0..13 {
        post(to, "/v1/lost", &format!("lost-{number}"), "a").await;
    }
    post(to, "/other", "unprotected", "a").await;
    while post(to, "/short", "late", "a").await.status != 410 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let id = gateway.records("unknown").await[0]["id"].as_str().expect("an id").to_owned();
    let decided = gateway
        .admin_post(&format!("/v1/records/{id}/resolve"), &json!({ "executed": true, "note": "a" }))
        .await;
    assert_eq!(decided.status, 200, "{decided:?}");
    gateway
}

/// Starts a gateway at its limit, with the connection and the upstream of the execution that fills it.
async fn crowded() -> (Gateway, Connection, Arc<Upstream>) {
    let upstream = Upstream::start().await;
    upstream.hold();
    let gateway = Gateway::start(
        &upstream,
        Settings::default().server("max_in_flight = 1").upstream("response_timeout = \"10m\""),
    )
    .await;
    let mut running = Connection::open(gateway.address).await;
    running.send(request_bytes("POST", "/v1/held", &[("idempotency-key", "held")], b"a")).await;
    upstream.reached(1).await;
    (gateway, running, upstream)
}

async fn storeless(upstream: &Upstream) -> Gateway {
    let mut server = Server::start();
    let settings = Settings::route("on_store_error = \"bypass\"\ni_accept_duplicates = true")
        .store(&format!("url = \"redis://127.0.0.1:{}\"", server.port));
    let gateway = Gateway::start(upstream, settings).await;
    post(gateway.address, "/v1/charges", "k", "a").await;
    server.kill();
    gateway
}

async fn embargoed(upstream: &Upstream) -> Gateway {
    let settings = Settings::default().env("ONCEGATE_NOT_BEFORE", "2100-01-01T00:00:00Z");
    let gateway = Gateway::start(upstream, settings).await;
    post(gateway.address, "/v1/charges", "k", "a").await;
    gateway
}

async fn refusing(upstream: &Upstream) -> Gateway {
    let gateway = Gateway::start(upstream, Settings::default()).await;
    gateway.rewrite(|text| format!("{text}\nttl = \"soon\"\n"));
    gateway.logs("the configuration was not reloaded").await;
    gateway
}

async fn damaged(upstream: &Upstream) -> Gateway {
    let mut gateway = Gateway::start(upstream, Settings::default()).await;
    let made = post(gateway.address, "/v1/charges", "k", "a").await;
    let id: RecordId = made.header("idempotency-record").expect("a record").parse().expect("an id");
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
    corrupt(&gateway.data(), id);
    let gateway = gateway.restart(upstream, Settings::default()).await;
    post(gateway.address, "/v1/charges", "k", "a").await.problem(
        500,
        "record-unreadable",
        "unknown",
        "never",
    );
    gateway
}

fn corrupt(data: &Path, id: RecordId) {
    let engine = Database::builder(data.join("data")).open().expect("the engine opens");
    let records = engine.keyspace("records", KeyspaceCreateOptions::default).expect("the table is there");
    records.insert(id.as_bytes(), b"\xffgarbage").expect("a write");
    engine.persist(PersistMode::SyncAll).expect("a sync");
}
