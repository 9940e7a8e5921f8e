//! A client that repeats its request with the same key until it has a final answer, as good clients do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Answer, Connection, request_bytes};

/// The path of all charges.
pub const PATH: &str = "/v1/charges";
/// The longest wait for one answer. A gateway that is stopped gives none.
const ANSWER: Duration = Duration::from_millis(2500);
const PAUSE: Duration = Duration::from_millis(150);

/// The addresses of a fleet. A gateway that was killed comes back under another one.
#[derive(Clone, Default)]
pub struct Addresses(Arc<Mutex<Vec<SocketAddr>>>);

impl Addresses {
    pub fn set(&self, number: usize, address: SocketAddr) {
        let mut addresses = self.0.lock().expect("no panic while locked");
        match addresses.get_mut(number) {
            Some(known) => *known = address,
            None => addresses.push(address),
        }
    }

    fn of(&self, number: usize) -> SocketAddr {
        let addresses = self.0.lock().expect("no panic while locked");
        addresses[number % addresses.len()]
    }
}

/// A client with one operation.
#[derive(Clone)]
pub struct Client {
    pub addresses: Addresses,
    pub key: String,
    pub body: String,
    /// The value of `Authorization`.
    pub credential: String,
}

/// The last answer to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The upstream's response.
    Response(Answer),
    /// A problem that says not to come back with this key.
    Refused(Answer),
    /// No final answer within the limit. The last answer, if there was any.
    GaveUp(Option<Answer>),
}

/// The answers to one client.
#[derive(Clone, Debug)]
pub struct Told {
    pub end: End,
    /// Each answer, in order.
    pub answers: Vec<Answer>,
}

impl Told {
    /// Returns the answers that were given as stored.
    pub fn stored(&self) -> impl Iterator<Item = &Answer> {
        self.answers.iter().filter(|answer| is_stored(answer))
    }
}

/// Tells whether an answer is the stored response.
pub fn is_stored(answer: &Answer) -> bool {
    is_response(answer)
        && answer.header("idempotency-stored") != Some("false")
        && answer.header("idempotency-outcome").is_none()
}

/// Tells whether an answer is the upstream's, and not a problem of the gateway.
pub fn is_response(answer: &Answer) -> bool {
    answer.header("content-type") != Some("application/problem+json")
}

impl Client {
    /// Repeats the request until an answer is final, at the gateways in turn from number `first`.
    pub async fn run(&self, first: usize, limit: Duration) -> Told {
        let (until, mut answers) = (Instant::now() + limit, Vec::new());
        for number in first.. {
            if let Some(answer) = self.attempt(number).await {
                answers.push(answer.clone());
                if let Some(end) = end_of(answer) {
                    return Told { end, answers };
                }
            }
            if Instant::now() > until {
                break;
            }
            sleep(PAUSE).await;
        }
        Told { end: End::GaveUp(answers.last().cloned()), answers }
    }

    /// Sends the request once. Returns `None` if there is no answer.
    pub async fn attempt(&self, gateway: usize) -> Option<Answer> {
        let headers = [
            ("idempotency-key", &*self.key),
            ("authorization", &self.credential),
            ("content-type", "application/json"),
        ];
        let request = request_bytes("POST", PATH, &headers, self.body.as_bytes());
        let to = self.addresses.of(gateway);
        let exchange = async {
            let mut connection = Connection::try_open(to).await?;
            connection.stream.write_all(&request).await.ok()?;
            connection.try_answer().await
        };
        timeout(ANSWER, exchange).await.ok().flatten()
    }
}

/// Returns the end that an answer means for its client, if it is final.
fn end_of(answer: Answer) -> Option<End> {
    if is_response(&answer) {
        return answer.header("idempotency-outcome").is_none().then_some(End::Response(answer));
    }
    (answer.json()["retry"] != "same-key").then_some(End::Refused(answer))
}
