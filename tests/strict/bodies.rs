//! Malformed chunked bodies, and bodies that do not come.

use crate::Bench;
use crate::harness::Connection;

fn chunked(body: &str) -> String {
    format!(
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn a_chunk_that_is_wrong_is_refused_without_a_claim() {
    let bench = Bench::start().await;
    for body in [
        "x\r\n",
        " 1\r\na\r\n0\r\n\r\n",
        "1 \r\na\r\n0\r\n\r\n",
        "0x1\r\na\r\n0\r\n\r\n",
        "-1\r\na\r\n0\r\n\r\n",
        "1\na\r\n0\r\n\r\n",
        "1\r\nab\r\n0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "11111111111111111\r\na\r\n0\r\n\r\n",
        "1;\0\r\na\r\n0\r\n\r\n",
        "1\r\na\r\n0\r\nbroken trailer\r\n\r\n",
    ] {
        let answer = bench.send(chunked(body)).await;
        assert_eq!(answer.status, 400, "{body:?}: {answer:?}");
        assert_eq!(answer.json()["executed"], "unknown", "{body:?}");
        assert_eq!((bench.upstream.executions(), bench.gateway.record_count().await), (0, 0), "{body:?}");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_no_request() {
    let bench = Bench::start().await;
    for request in [
        chunked("4\r\nab"),
        chunked("2\r\nab\r\n"),
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 3\r\n\r\nab".into(),
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\nIdempotency-".into(),
    ] {
        let mut connection = Connection::open(bench.gateway.address).await;
        connection.send(&request).await;
        tokio::io::AsyncWriteExt::shutdown(&mut connection.stream).await.expect("half-closed");
        if let Some(answer) = connection.try_answer().await {
            assert_eq!(answer.status, 400, "{request:?}");
        }
        assert_eq!((bench.upstream.executions(), bench.gateway.record_count().await), (0, 0), "{request:?}");
    }
}

/// A key in a trailer does not protect a request, and no trailer goes to the upstream.
#[tokio::test]
async fn trailers_are_dropped() {
    let bench = Bench::start().await;
    let head = "POST /v1/charges HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTrailer: Idempotency-Key\r\n";
    let body = "2\r\nab\r\n0\r\nIdempotency-Key: k\r\n\r\n";
    let answer = bench.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{body}")).await;
    assert_eq!(answer.status, 201);
    let seen = bench.upstream.seen();
    assert_eq!((seen[0].header("idempotency-key"), &seen[0].body[..]), ("", &b"ab"[..]));
    assert_eq!(bench.gateway.record_count().await, 0);
}

/// The body of a request without a key is streamed on, with any method. A malformed body is the fault of the
/// client, and not of the upstream.
#[tokio::test]
async fn a_body_that_streams_on_is_checked_as_well() {
    let bench = Bench::start().await;
    for method in ["GET", "POST", "DELETE"] {
        let head = format!("{method} /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(bench.send(format!("{head}2\r\nab\r\n0\r\n\r\n")).await.status, 201, "{method}");
        let answer = bench.send(format!("{head}2\r\nab\r\nx\r\n\r\n")).await;
        assert_eq!(answer.status, 400, "{method}: {answer:?}");
    }
    assert!(bench.upstream.seen().iter().all(|seen| &seen.body[..] == b"ab"));
    assert_eq!(bench.upstream.executions(), 3);
}
