//! The number of payments that honest callers complete beside each flood, as `docs/overload.md` shows it.
//!
//! By default, each flood runs for a moment. `ONCEGATE_FLOOD_SECONDS=5 cargo test --release --test overload
//! goodput -- --nocapture` measures, and prints the lines of the table.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Gateway, Http2, Settings, Upstream, request_bytes};
use crate::idle::allow_files;
use crate::peers::{HONEST, STRANGER, connect, dial};

/// The number of connections that the abusive client keeps busy, which is more than the gateway allows.
const FLOODERS: usize = 400;
/// The number of honest callers, each of which makes one payment after the other.
const CALLERS: usize = 4;
/// The pause of the abusive client before it repeats a refused attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest time that one payment and its replay may take.
const SOON: Duration = Duration::from_secs(10);
const LIMITS: &str = "max_connections = 256\nmax_in_flight = 64\nhttp2 = true";

/// A flood: its name, and the bytes that each connection of the abusive client sends.
struct Flood {
    name: &'static str,
    bytes: fn(usize) -> Vec<u8>,
    /// True if the client reads the responses.
    reads: bool,
}

const FLOODS: [Flood; 9] = [
    Flood { name: "idle connections", bytes: |_| Vec::new(), reads: true },
    Flood {
        name: "heads that do not end",
        bytes: |_| b"POST /v1/charges HTTP/1.1\r\nx: ".into(),
        reads: true,
    },
    Flood { name: "giant heads", bytes: giant, reads: true },
    Flood { name: "1 MiB declared, nothing sent", bytes: |number| body(number, 0), reads: true },
    Flood { name: "1 MiB but for the last byte", bytes: |number| body(number, (1 << 20) - 1), reads: true },
    Flood {
        name: "payments that the upstream does not answer",
        bytes: |number| slow(Some(number)),
        reads: true,
    },
    Flood { name: "duplicates of one such payment", bytes: |_| slow(Some(0)), reads: true },
    Flood { name: "requests without a key, not answered", bytes: |_| slow(None), reads: true },
    Flood { name: "answers of 1 MiB that are not read", bytes: |number| large(number % 8), reads: false },
];

fn giant(_: usize) -> Vec<u8> {
    [b"POST /v1/charges HTTP/1.1\r\nhost: a\r\nx: ".as_slice(), &vec![b'x'; 60 << 10]].concat()
}

fn body(number: usize, sent: usize) -> Vec<u8> {
    let head = "POST /v1/charges HTTP/1.1\r\nhost: a\r\ncontent-length: 1048576\r\nidempotency-key";
    [format!("{head}: s-{number}\r\n\r\n").as_bytes(), &vec![b'b'; sent]].concat()
}

fn slow(key: Option<usize>) -> Vec<u8> {
    let key = key.map(|number| format!("s-{number}"));
    let headers: Vec<_> = key.iter().map(|key| ("idempotency-key", key.as_str())).collect();
    request_bytes("POST", "/v1/slow", &headers, b"")
}

fn large(number: usize) -> Vec<u8> {
    request_bytes("POST", "/v1/large", &[("idempotency-key", &format!("l-{number}"))], b"")
}

/// Opens connections of the abusive client, one after the other.
async fn flood(to: SocketAddr, bytes: Vec<u8>, reads: bool) {
    loop {
        if let Some(mut stream) = dial(STRANGER, to).await {
            drop(stream.write_all(&bytes).await);
            if reads {
                // Reads the first bytes of a response, or the end.
                drop(stream.read(&mut [0; 1024]).await);
            } else {
                drop(stream.ready(tokio::io::Interest::ERROR).await);
            }
        }
        sleep(PAUSE).await;
    }
}

/// Opens HTTP/2 streams that declare a body and send none, on nine connections.
async fn flood_of_streams(to: SocketAddr) {
    loop {
        let client = Http2::open(to).await;
        let mut held = Vec::new();
        for stream in 0..120 {
            let key = format!("h-{stream}");
            let headers = [("idempotency-key", &*key), ("content-length", "1048576")];
            held.push(client.begin("POST", "http://a/v1/charges", &headers).await);
        }
        for (answer, _) in held {
            drop(answer.await);
        }
        sleep(PAUSE).await;
    }
}

/// Lets an honest caller pay until `end`. Returns how often it paid and got its replay, and the longest time
/// that this took.
async fn pay_until(to: SocketAddr, name: String, end: Instant) -> (usize, Duration) {
    let (mut done, mut longest) = (0, Duration::ZERO);
    while Instant::now() < end || done == 0 {
        let began = Instant::now();
        let payment = async {
            let key = format!("{name}-{done}");
            let bytes = request_bytes("POST", "/v1/charges", &[("idempotency-key", &key)], b"a");
            let mut connection = connect(HONEST, to).await;
            for is_replay in [false, true] {
                connection.send(&bytes).await;
                let answer = connection.answer().await;
                assert_eq!((answer.status, answer.is_replay()), (201, is_replay), "{}", answer.text());
            }
        };
        timeout(SOON, payment).await.expect("an honest caller is answered in time");
        longest = longest.max(began.elapsed());
        done += 1;
    }
    (done, longest)
}

/// Pays beside a flood, and prints the result.
async fn measure(name: &str, start: impl FnOnce(SocketAddr, &mut JoinSet<()>)) {
    let upstream = upstream().await;
    let gateway = Gateway::start(&upstream, Settings::default().server(LIMITS)).await;
    let mut flooding = JoinSet::new();
    start(gateway.address, &mut flooding);
    let seconds = std::env::var("ONCEGATE_FLOOD_SECONDS").map_or(0.3, |text| text.parse().expect("seconds"));
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut paying = JoinSet::new();
    for caller in 0..CALLERS {
        paying.spawn(pay_until(gateway.address, format!("p-{caller}"), end));
    }
    let began = Instant::now();
    let paid = paying.join_all().await;
    let done: usize = paid.iter().map(|(done, _)| done).sum();
    let longest = paid.iter().map(|(_, longest)| longest.as_millis()).max().expect("some paid");
    let rate = done as f64 / began.elapsed().as_secs_f64();
    println!("| {name} | {rate:.0} | {longest} ms |");
}

async fn upstream() -> Arc<Upstream> {
    let upstream = Upstream::answering(|seen| {
        let size = if seen.path == "/v1/large" { 1 << 20 } else { 2 };
        http::Response::builder().status(201).body(vec![b'x'; size].into()).expect("a response")
    })
    .await;
    upstream.hold_at("/v1/slow");
    upstream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn goodput_beside_each_flood() {
    allow_files(5000);
    measure("nothing", |_, _| {}).await;
    for Flood { name, bytes, reads } in FLOODS {
        let start = |to, flooding: &mut JoinSet<()>| {
            for number in 0..FLOODERS {
                flooding.spawn(flood(to, bytes(number), reads));
            }
        };
        measure(name, start).await;
    }
    let start = |to, flooding: &mut JoinSet<()>| {
        for _ in 0..9 {
            flooding.spawn(flood_of_streams(to));
        }
    };
    measure("1 MiB declared on each of 1,080 streams", start).await;
}
