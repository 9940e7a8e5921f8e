//! Clients that pay without a pause. Each payment has a key, and many are sent more than once: again after
//! the answer, or at the same time through another gateway.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::balancer::Balancer;
use crate::harness::Answer;
use crate::line::Line;
use crate::random::Random;

/// Number of clients that pay at the same time. Half of them speak HTTP/2.
const CLIENTS: usize = 8;
/// The longest time that a test waits for its clients.
const PATIENCE: Duration = Duration::from_secs(60);
/// The path of the payments.
pub const PATH: &str = "/v1/charges";

/// The answers that clients got, by key.
pub type Paid = BTreeMap<String, Vec<u8>>;

pub struct Load {
    stops: Arc<AtomicBool>,
    payments: watch::Sender<usize>,
    clients: JoinSet<Paid>,
}

impl Load {
    pub fn start(balancer: &Arc<Balancer>, random: &Random) -> Self {
        let (stops, payments) = (Arc::<AtomicBool>::default(), watch::Sender::new(0));
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let name = format!("client-{client}");
            let line = |side: &str| {
                Line::new(balancer, random.part(&format!("{name}-{side}")), client.is_multiple_of(2))
            };
            let mut client = Client { lines: [line("one"), line("other")], random: random.part(&name), name };
            let (stops, payments) = (Arc::clone(&stops), payments.clone());
            clients.spawn(async move {
                let mut paid = Paid::new();
                while !stops.load(SeqCst) {
                    let (key, body) = client.pay(paid.len()).await;
                    paid.insert(key, body);
                    payments.send_modify(|count| *count += 1);
                }
                paid
            });
        }
        Self { stops, payments, clients }
    }

    /// Waits until this many further payments are done.
    pub async fn goes_on(&mut self, further: usize) {
        let mut payments = self.payments.subscribe();
        let until = *payments.borrow() + further;
        let all_done = payments.wait_for(|count| *count >= until);
        select! {
            done = timeout(PATIENCE, all_done) => drop(done.expect("clients go on").expect("it is counted")),
            ended = self.clients.join_next() => panic!("a client ended: {ended:?}"),
        }
    }

    /// Ends the clients after their current payments, and returns what they got.
    pub async fn end(self) -> Paid {
        self.stops.store(true, SeqCst);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

struct Client {
    name: String,
    random: Random,
    lines: [Line; 2],
}

impl Client {
    /// Makes one payment. Returns its key and the body of its answer.
    async fn pay(&mut self, number: usize) -> (String, Vec<u8>) {
        let key = format!("{}-{number}", self.name);
        let [one, other] = &mut self.lines;
        let answers = match self.random.below(4) {
            0 => vec![one.pay(PATH, &key).await],
            1 => vec![one.pay(PATH, &key).await, other.pay(PATH, &key).await],
            2 => vec![other.pay(PATH, &key).await, other.pay(PATH, &key).await, one.pay(PATH, &key).await],
            _ => {
                let (first, second) = tokio::join!(one.pay(PATH, &key), other.pay(PATH, &key));
                vec![first, second]
            }
        };
        let body = same(&key, answers);
        (key, body)
    }
}

/// Checks that all answers to one payment are the same, and that at most one is not a replay. Returns their
/// body.
pub fn same(key: &str, answers: Vec<Answer>) -> Vec<u8> {
    assert!(answers.iter().filter(|answer| !answer.is_replay()).count() <= 1, "{key}: {answers:?}");
    let mut bodies = answers.into_iter().map(|answer| answer.body);
    let body = bodies.next().expect("an answer");
    assert!(bodies.all(|other| other == body), "{key}: a replay differs");
    body
}
