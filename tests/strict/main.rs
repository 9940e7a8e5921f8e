//! Untrusted input: each request that a strict reader refuses is answered with a reason, over a real socket.
//! Nothing is claimed and nothing is sent.

#![cfg(all(feature = "embedded", feature = "redis", feature = "postgres"))]

mod bodies;
mod floods;
mod frames;
mod heads;
mod http2;
mod vectors;

#[path = "../harness/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it also serves tests of what gateways do with good requests")]
mod harness;

use std::sync::Arc;

use harness::{Answer, Connection, Gateway, Settings, Upstream};

/// A gateway in front of an upstream that must not receive a refused request.
struct Bench {
    gateway: Gateway,
    upstream: Arc<Upstream>,
}

impl Bench {
    async fn start() -> Self {
        let upstream = Upstream::start().await;
        let settings = Settings::default().server("http2 = true").more("[fallback]\nupstream = \"payments\"");
        Self { gateway: Gateway::start(&upstream, settings).await, upstream }
    }

    /// Sends bytes on a connection of their own, and returns the first response.
    async fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut connection = Connection::open(self.gateway.address).await;
        connection.send(bytes).await;
        connection.answer().await
    }

    /// Checks that the bytes are refused with this status, that the connection ends, and that the upstream
    /// receives nothing.
    async fn refuses(&self, bytes: impl AsRef<[u8]>, status: u16) {
        let shown = String::from_utf8_lossy(bytes.as_ref()).chars().take(200).collect::<String>();
        let before = self.upstream.executions();
        let mut connection = Connection::open(self.gateway.address).await;
        connection.send(bytes).await;
        let answer = connection.try_answer().await.unwrap_or_else(|| panic!("no answer to {shown:?}"));
        assert_eq!(answer.status, status, "{shown:?}: {answer:?}");
        answer.problem(status, "about:blank", "unknown", "never");
        assert_eq!(answer.header("connection"), Some("close"), "{shown:?}");
        assert_eq!(connection.try_answer().await, None, "something follows {shown:?}");
        assert_eq!(self.upstream.executions(), before, "{shown:?} was sent");
        assert_eq!(self.gateway.record_count().await, 0, "{shown:?} was claimed");
    }

    /// Checks that nothing was ever sent or claimed.
    async fn untouched(&self, what: &str) {
        assert_eq!(self.upstream.executions(), 0, "{what}: sent");
        assert_eq!(self.gateway.record_count().await, 0, "{what}: claimed");
    }
}
