//! Thousands of calls against servers that end connections at any point.
//!
//! Each case follows from its seed: one client, some calls one after the other, and a server that chooses at
//! random what it does with each request. The calls of a case have one-letter methods of their own, so that
//! the first byte of a request identifies its call.

use std::time::Duration;

use axum::body::Body;
use http::Method;
use oncegate::call::CallLimit;
use oncegate::protocol::Sent;
use tokio::task::JoinSet;

use super::call::{Caller, request};
use super::raw::{Act, End, RawServer, Read};

const CASES: u64 = 1200;
const AT_ONCE: usize = 24;
const METHODS: &[u8] = b"ABCDE";
const RESPONSE_TIMEOUT: Duration = Duration::from_millis(150);

/// The reported result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    Answered,
    Never,
    Maybe,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_sent_means_that_the_server_has_not_read_it() {
    let (mut seeds, mut running, mut said) = (0..CASES, JoinSet::new(), Vec::new());
    for seed in seeds.by_ref().take(AT_ONCE) {
        running.spawn(case(seed));
    }
    while let Some(case_said) = running.join_next().await {
        said.extend(case_said.expect("the case holds"));
        if let Some(seed) = seeds.next() {
            running.spawn(case(seed));
        }
    }
    let count = |wanted| said.iter().filter(|said| **said == wanted).count();
    let counts = (count(Said::Answered), count(Said::Never), count(Said::Maybe));
    // Each kind of result must have occurred.
    assert!(counts.0 > 500 && counts.1 > 0 && counts.2 > 500, "{counts:?}");
}

async fn case(seed: u64) -> Vec<Said> {
    let mut random = Random::seeded(seed);
    let mut servers_random = Random::seeded(!seed);
    let server = RawServer::start(move || servers_random.act()).await;
    let caller = Caller::impatient(server.address, RESPONSE_TIMEOUT);
    let mut calls = Vec::new();
    for method in METHODS {
        let body = vec![b'x'; [0, 10, 1000, 300_000][random.below(4)]];
        let method_name = Method::from_bytes(&[*method]).expect("a token");
        let called = caller.call(request(method_name, Body::from(body)), CallLimit::Whole).await;
        let said = match called {
            Ok(_) => Said::Answered,
            Err(error) if error.sent == Sent::Never => Said::Never,
            Err(_) => Said::Maybe,
        };
        calls.push((*method, said));
        random.pause().await;
    }
    drop(caller);
    let seen = server.seen().await;
    for (method, said) in &calls {
        let read = seen.requests.iter().filter(|request| request[0] == *method).count();
        assert!(read <= 1, "seed {seed}: {} arrived {read} times", char::from(*method));
        assert!(read == 0 || *said != Said::Never, "seed {seed}: {} was read", char::from(*method));
    }
    calls.into_iter().map(|(_, said)| said).collect()
}

/// SplitMix64, which is enough for a test and gives the same numbers on every machine.
struct Random(u64);

impl Random {
    fn seeded(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_F491_4F6C_DD1D))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("below a usize")
    }

    /// Waits not at all, for one turn of the scheduler, or for a moment.
    async fn pause(&mut self) {
        match self.below(3) {
            0 => {}
            1 => tokio::task::yield_now().await,
            _ => tokio::time::sleep(Duration::from_micros(self.next() % 2000)).await,
        }
    }

    fn act(&mut self) -> Act {
        let answer = [
            "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        ][self.below(4)];
        let pause = Duration::from_micros([0, 0, 50, 500][self.below(4)]);
        let end = match self.below(24) {
            0 => End::Hold,
            1..=11 => End::Close,
            _ => End::Reset,
        };
        let act = match self.below(10) {
            0 => Act::no_answer(Read::Bytes(0), end),
            1 => Act::no_answer(Read::Bytes(1 + self.below(120)), end),
            2 => Act::no_answer(Read::Whole, end),
            3 => Act::answer(&answer[..self.below(answer.len())], end),
            4 => Act { read: Read::Bytes(1 + self.below(120)), ..Act::answer(answer, end) },
            5 => Act::answer(answer, end),
            _ => return Act::answer(answer, End::Next),
        };
        Act { pause, ..act }
    }
}
