//! One abusive client with payments that do not end, and the other clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{Answer, Connection, Gateway, Http2, Settings, Upstream, read, request_bytes};
use crate::peers::{HONEST, STRANGER, connect, dial, pay};

const SOON: Duration = Duration::from_secs(15);

/// Starts an upstream that answers every request except `/v1/slow`.
async fn holding() -> Arc<Upstream> {
    let upstream = Upstream::start().await;
    upstream.hold_at("/v1/slow");
    upstream
}

async fn gateway(upstream: &Upstream, server: &str) -> Gateway {
    Gateway::start(upstream, Settings::default().server(server)).await
}

/// Returns a payment of the abusive client that the upstream does not answer.
fn slow(number: usize) -> Vec<u8> {
    let key = format!("s-{number}");
    request_bytes("POST", "/v1/slow", &[("idempotency-key", &key)], b"")
}

/// Sends payments of the honest caller, each twice, some at the same time.
async fn payments_run(gateway: &Gateway) {
    let mut paying = JoinSet::new();
    for number in 0..4 {
        let to = gateway.address;
        paying.spawn(async move {
            for is_replay in [false, true] {
                let answer = timeout(SOON, pay(HONEST, to, &format!("k-{number}"))).await.expect("in time");
                assert_eq!((answer.status, answer.is_replay()), (201, is_replay), "{}", answer.text());
            }
        });
    }
    paying.join_all().await;
}

/// Returns the answers to the attempts that were answered at once. These attempts were shed.
async fn shed(asked: Vec<Connection>, count: usize) -> Vec<Answer> {
    let mut answers = JoinSet::new();
    for mut connection in asked {
        answers.spawn(async move { connection.try_answer().await });
    }
    let mut shed = Vec::new();
    while shed.len() < count {
        let answer = timeout(SOON, answers.join_next()).await.expect("the excess is answered at once");
        shed.extend(answer.expect("one is missing").expect("no panic"));
    }
    answers.detach_all();
    shed
}

#[tokio::test]
async fn one_callers_slow_payments_leave_places_for_others() {
    let upstream = holding().await;
    let gateway = gateway(&upstream, "max_in_flight = 64").await;
    let mut asked = Vec::new();
    for number in 0..100 {
        let mut connection = connect(STRANGER, gateway.address).await;
        connection.send(slow(number)).await;
        asked.push(connection);
    }
    // A single party leaves a ninth of the slots free.
    upstream.reached(57).await;
    for answer in shed(asked, 43).await {
        answer.problem(503, "overloaded", "unknown", "same-key");
    }
    payments_run(&gateway).await;
    assert_eq!(upstream.executions(), 57 + 4);
}

/// Every slot is taken. The next free slot goes to the caller that has none.
#[tokio::test]
async fn the_next_place_goes_to_the_caller_that_has_fewest() {
    let upstream = holding().await;
    let gateway = gateway(&upstream, "max_in_flight = 4").await;
    let mut asked = Vec::new();
    for number in 0..4 {
        let mut connection = connect(STRANGER, gateway.address).await;
        connection.send(slow(number)).await;
        asked.push(connection);
    }
    upstream.reached(4).await;
    let paying = tokio::spawn(pay(HONEST, gateway.address, "k"));
    // The new request is refused at once, while the honest caller's request waits.
    let mut more = connect(STRANGER, gateway.address).await;
    more.send(slow(4)).await;
    more.answer().await.problem(503, "overloaded", "unknown", "same-key");
    upstream.let_go();
    assert_eq!(timeout(SOON, paying).await.expect("in time").expect("no panic").status, 201);
    assert_eq!(upstream.executions(), 5);
}

/// A request that waits for a slot gets an answer when none becomes free.
#[tokio::test]
async fn a_place_is_not_waited_for_without_end() {
    let upstream = holding().await;
    let gateway = gateway(&upstream, "max_in_flight = 1").await;
    let mut asked = connect(STRANGER, gateway.address).await;
    asked.send(slow(0)).await;
    upstream.reached(1).await;
    let told = timeout(SOON, pay(HONEST, gateway.address, "k")).await.expect("in time");
    told.problem(503, "overloaded", "unknown", "same-key");
    assert_eq!((upstream.executions(), gateway.record_count().await), (1, 1));
}

#[tokio::test]
async fn callers_behind_a_trusted_proxy_are_parties_of_their_own() {
    let upstream = holding().await;
    let gateway = gateway(&upstream, "max_in_flight = 64\ntrusted_proxies = [\"127.0.0.1/32\"]").await;
    let ask = |client: &'static str, path: &'static str, key: String| {
        let to = gateway.address;
        async move {
            let headers = [("idempotency-key", key.as_str()), ("x-forwarded-for", client)];
            let mut connection = Connection::open(to).await;
            connection.send(request_bytes("POST", path, &headers, b"")).await;
            connection
        }
    };
    let mut asked = Vec::new();
    for number in 0..100 {
        asked.push(ask("2001:db8::1", "/v1/slow", format!("s-{number}")).await);
    }
    upstream.reached(57).await;
    // Another host of the same network is the same party.
    let mut neighbour = ask("2001:db8::2", "/v1/charges", "n".into()).await;
    neighbour.answer().await.problem(503, "overloaded", "unknown", "same-key");
    for number in 0..4 {
        let mut other = ask("2001:db8:0:1::1", "/v1/charges", format!("k-{number}")).await;
        assert_eq!(other.answer().await.status, 201);
    }
}

/// A response may stream for hours, and each one takes a connection to the upstream.
#[tokio::test]
async fn streams_of_one_caller_leave_descriptors_for_others() {
    let upstream = holding().await;
    let settings = Settings::default().descriptors(256);
    let gateway = Gateway::start(&upstream, settings).await;
    let mut asked = Vec::new();
    for _ in 0..400 {
        let Some(stream) = dial(STRANGER, gateway.address).await else { continue };
        let mut connection = Connection::over(stream);
        let stream = request_bytes("POST", "/v1/slow", &[], b"");
        drop(tokio::io::AsyncWriteExt::write_all(&mut connection.stream, &stream).await);
        asked.push(connection);
    }
    payments_run(&gateway).await;
}

/// Over HTTP/2, a few connections are enough for as many requests as are allowed.
#[tokio::test]
async fn streams_of_http2_leave_places_for_others() {
    let upstream = holding().await;
    let gateway = gateway(&upstream, "http2 = true\nmax_connections = 128").await;
    let mut asked = Vec::new();
    let mut clients = Vec::new();
    for number in 0..2 {
        let client = Http2::open(gateway.address).await;
        for stream in 0..100 {
            let key = format!("s-{number}-{stream}");
            asked.push(client.begin("POST", "http://a/v1/slow", &[("idempotency-key", &key)]).await);
        }
        clients.push(client);
    }
    for (_, stream) in &mut asked {
        drop(stream.send_data(bytes::Bytes::new(), true));
    }
    upstream.reached(114).await;
    let honest = Http2::over(dial(HONEST, gateway.address).await.expect("it is accepted")).await;
    for number in 0..4 {
        let answer = timeout(SOON, honest.post("/v1/charges", &format!("k-{number}"), "{}")).await;
        assert_eq!(answer.expect("in time").status, 201);
    }
    upstream.let_go();
    let mut good = 0;
    for (answer, _) in asked {
        good += usize::from(read(answer).await.is_ok_and(|answer| answer.status == 201));
    }
    assert_eq!(good, 114, "as many as one party gets");
}
