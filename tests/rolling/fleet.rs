//! Gateways on one store in front of one upstream, and the payments that run while one of them stops.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tokio::task::JoinHandle;

use crate::balancer::{Balancer, Member};
use crate::harness::kept::Kept;
use crate::harness::{Answer, Gateway, Settings, Upstream};
use crate::line::Line;
use crate::load::{Load, PATH, Paid, same};
use crate::random::Random;

/// Time that the upstream takes for a payment.
const PACE: Duration = Duration::from_millis(15);
/// The beginning of the path of the payments that the upstream holds.
const HELD: &str = "/v1/held";
/// Number of payments that are sent once more at the end.
const REPLAYS: usize = 100;

pub struct Fleet {
    pub upstream: Arc<Upstream>,
    pub balancer: Arc<Balancer>,
    pub settings: Settings,
    pub members: Vec<(Gateway, Arc<Member>)>,
    random: Random,
}

/// A payment that is at the upstream while its gateway stops, and a duplicate of it.
pub struct Held {
    key: String,
    http2: bool,
    first: JoinHandle<Answer>,
    duplicate: JoinHandle<Answer>,
}

impl Held {
    /// Waits for the duplicate, which has to get the same answer.
    pub async fn share(self, answer: Answer, paid: &mut Paid) {
        let duplicate = self.duplicate.await.expect("no panic");
        let body = same(&self.key, vec![answer, duplicate]);
        paid.insert(self.key, body);
    }
}

impl Fleet {
    /// Starts gateways with these lines for the store and the server.
    pub async fn start(store: &str, server: &str, gateways: usize, seed: u64) -> Self {
        let upstream = Upstream::answering(|seen| {
            let body =
                format!("{{\"payment\":\"{}\",\"charge\":{}}}", seen.header("idempotency-key"), seen.number);
            Response::builder().status(201).body(Full::<Bytes>::from(body)).expect("a response")
        })
        .await;
        upstream.take(PACE);
        // A slow machine is no reason for another answer.
        let settings = Settings::route("wait_timeout = \"1m\"")
            .store(store)
            .env("ONCEGATE__STORE__TIMEOUT", "20s")
            .upstream("response_timeout = \"2m\"")
            .server(&format!("http2 = true\ndrain_timeout = \"2m\"\n{server}"));
        let (balancer, members) = (Arc::default(), Vec::new());
        let mut fleet = Self { upstream, balancer, settings, members, random: Random::of(seed) };
        for _ in 0..gateways {
            let gateway = Gateway::start(&fleet.upstream, fleet.settings.clone()).await;
            fleet.add(gateway);
        }
        fleet
    }

    pub fn add(&mut self, gateway: Gateway) {
        let member = self.balancer.add(&gateway);
        self.members.push((gateway, member));
    }

    pub fn load(&self) -> Load {
        Load::start(&self.balancer, &self.random.part("load"))
    }

    /// Sends a payment that the upstream holds to one gateway, and a duplicate to any.
    pub async fn hold(&self, member: &Member, key: &str, http2: bool) -> Held {
        self.upstream.hold_at(HELD);
        let (address, key) = (member.address, key.to_owned());
        let first = tokio::spawn({
            let key = key.clone();
            async move {
                let mut connection = Kept::open(address, http2).await.expect("it listens");
                let body = format!("{{\"payment\":\"{key}\"}}");
                connection.post(HELD, &key, &body).await.expect("an answer to what runs already")
            }
        });
        self.upstream.reached_by(&key).await;
        let mut line = self.line(&key);
        let duplicate = tokio::spawn({
            let key = key.clone();
            async move { line.pay(HELD, &key).await }
        });
        Held { key, http2, first, duplicate }
    }

    /// Lets the upstream answer the payment that it holds. Returns the answer of the gateway, which drains.
    pub async fn let_go(&self, held: &mut Held) -> Answer {
        self.upstream.let_go();
        let answer = (&mut held.first).await.expect("no panic");
        assert_eq!((answer.status, answer.is_replay()), (201, false), "{answer:?}");
        let last = answer.header("connection") == Some("close");
        assert_eq!(last, !held.http2, "over HTTP/1 it is the last answer of its connection");
        answer
    }

    /// Checks that each payment ran once, and that it has the same answer now.
    pub async fn settle(&self, paid: &Paid) {
        let executions = self.upstream.executions_by_key();
        assert!(executions.values().all(|times| *times == 1), "{executions:?}");
        assert!(executions.keys().eq(paid.keys()), "each payment was answered, and no other ran");
        let mut line = self.line("settle");
        for (key, body) in paid.iter().step_by(paid.len().div_ceil(REPLAYS)) {
            let path = if key.starts_with("held") { HELD } else { PATH };
            let replay = line.pay(path, key).await;
            assert!(replay.is_replay() && replay.body == *body, "{key}: {replay:?}");
        }
        println!("{} payments, {} requests refused", paid.len(), self.balancer.refused());
    }

    fn line(&self, name: &str) -> Line {
        Line::new(&self.balancer, self.random.part(name), false)
    }
}
