//! The way of clients to the gateways: new connections go to gateways that say that they are ready.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::harness::kept::Kept;
use crate::harness::{Connection, Gateway};
use crate::random::Random;

/// Interval at which a balancer asks again while no gateway is ready.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// A gateway as its clients know it.
#[derive(Debug)]
pub struct Member {
    pub address: SocketAddr,
    admin: SocketAddr,
    is_announced: AtomicBool,
    refuses_from: OnceLock<Instant>,
}

impl Member {
    /// Notes that the gateway is told to stop now, and may refuse requests once `delay` is over.
    pub fn stops(&self, delay: Duration) {
        self.refuses_from.set(Instant::now() + delay).expect("it is told once");
    }

    /// Notes that the gateway has announced its stop.
    pub fn announced(&self) {
        self.is_announced.store(true, SeqCst);
    }

    pub fn is_announced(&self) -> bool {
        self.is_announced.load(SeqCst)
    }

    /// Tells whether the gateway was told to stop.
    pub fn is_told(&self) -> bool {
        self.refuses_from.get().is_some()
    }

    /// Tells whether the gateway may refuse requests, because its drain may have begun.
    pub fn may_refuse(&self) -> bool {
        self.refuses_from.get().is_some_and(|from| Instant::now() >= *from)
    }

    async fn is_ready(&self) -> bool {
        let Some(mut connection) = Connection::try_open(self.admin).await else { return false };
        let request = format!("GET /readyz HTTP/1.1\r\nhost: {}\r\n\r\n", self.admin);
        let _ = connection.stream.write_all(request.as_bytes()).await;
        connection.try_answer().await.is_some_and(|answer| answer.status == 200)
    }
}

/// A balancer over a changing set of gateways.
#[derive(Debug, Default)]
pub struct Balancer {
    members: watch::Sender<Vec<Arc<Member>>>,
    /// Number of requests that a stopping gateway did not serve.
    refused: AtomicUsize,
}

impl Balancer {
    pub fn add(&self, gateway: &Gateway) -> Arc<Member> {
        let (is_announced, refuses_from) = Default::default();
        let (address, admin) = (gateway.address, gateway.admin);
        let member = Arc::new(Member { address, admin, is_announced, refuses_from });
        self.members.send_modify(|members| members.push(Arc::clone(&member)));
        member
    }

    pub fn remove(&self, gone: &Arc<Member>) {
        self.members.send_modify(|members| members.retain(|member| !Arc::ptr_eq(member, gone)));
    }

    /// Opens a connection to any gateway that is ready. Waits until there is one.
    pub async fn connect(&self, random: &mut Random, http2: bool) -> (Arc<Member>, Kept) {
        let mut changes = self.members.subscribe();
        loop {
            let members = changes.borrow_and_update().clone();
            let first = random.next() as usize;
            for at in 0..members.len() {
                let member = &members[(first % members.len() + at) % members.len()];
                if member.is_ready().await
                    && let Some(kept) = Kept::open(member.address, http2).await
                {
                    return (Arc::clone(member), kept);
                }
            }
            drop(timeout(CHECK_INTERVAL, changes.changed()).await);
        }
    }

    /// Counts a request that a stopping gateway did not serve.
    pub fn count_refused(&self) {
        self.refused.fetch_add(1, SeqCst);
    }

    pub fn refused(&self) -> usize {
        self.refused.load(SeqCst)
    }
}
