//! Heads that have two readings, or none.

use crate::Bench;
use crate::harness::Connection;

/// A keyed POST to a protected route, with these lines in its head.
fn post(lines: &str, body: &str) -> String {
    format!("POST /v1/charges HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\n{lines}\r\n{body}")
}

#[tokio::test]
async fn a_body_has_one_framing() {
    let bench = Bench::start().await;
    for (lines, status) in [
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: gzip\r\n", 501),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        ("Content-Length: 1\r\nContent-Length: 1\r\n", 400),
        ("Content-Length: 1, 1\r\n", 400),
        ("Content-Length: +1\r\n", 400),
        ("Content-Length: 1x\r\n", 400),
        ("Content-Length: 18446744073709551615\r\n", 400),
    ] {
        bench.refuses(post(lines, "1\r\na\r\n0\r\n\r\n"), status).await;
    }
}

#[tokio::test]
async fn a_request_names_one_host() {
    let bench = Bench::start().await;
    for head in [
        "POST /v1/charges HTTP/1.1\r\nIdempotency-Key: k\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\nHost: a\r\nIdempotency-Key: k\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a b\r\nIdempotency-Key: k\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: \r\nIdempotency-Key: k\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a@b\r\nIdempotency-Key: k\r\n\r\n",
        "POST http://b/v1/charges HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\n\r\n",
    ] {
        bench.refuses(head, 400).await;
    }
}

#[tokio::test]
async fn lines_end_with_cr_lf_and_are_not_folded() {
    let bench = Bench::start().await;
    for head in [
        "POST /v1/charges HTTP/1.1\nHost: a\n\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a\nIdempotency-Key: k\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\n\nIdempotency-Key: k\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a\rIdempotency-Key: k\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\n folded: y\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost : a\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "POST /v1/charges HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
    ] {
        bench.refuses(head, 400).await;
    }
}

#[tokio::test]
async fn request_lines_have_one_form() {
    let bench = Bench::start().await;
    for (line, status) in [
        ("POST /v1/charges HTTP/1.2", 400),
        ("POST /v1/charges HTTP/2.0", 400),
        ("POST  /v1/charges HTTP/1.1", 400),
        ("POST /v1/charges", 400),
        ("POST /v1/char ges HTTP/1.1", 400),
        ("POST /v1/charges#x HTTP/1.1", 400),
        ("POST v1/charges HTTP/1.1", 400),
        ("POST /v1/charges/<id> HTTP/1.1", 400),
        ("PO(ST /v1/charges HTTP/1.1", 400),
        ("PRI * HTTP/2.0", 400),
        ("CONNECT a:443 HTTP/1.1", 501),
        ("TRACE /v1/charges HTTP/1.1", 405),
    ] {
        bench.refuses(format!("{line}\r\nHost: a\r\nIdempotency-Key: k\r\n\r\n"), status).await;
    }
    bench.refuses(post("Expect: 999\r\nContent-Length: 1\r\n", "a"), 417).await;
}

#[tokio::test]
async fn heads_have_limits() {
    let bench = Bench::start().await;
    bench.refuses(post(&"X: y\r\n".repeat(99), ""), 431).await;
    bench.refuses(post(&format!("X: {}\r\n", "y".repeat(65 * 1024)), ""), 431).await;
    let long = "a".repeat(9 * 1024);
    bench.refuses(format!("POST /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414).await;
    // Whatever makes the line long, and in whichever pieces it comes.
    bench.refuses(format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n"), 414).await;
    bench.refuses(post(&format!("X: {}\nY: z\r\n", "y".repeat(65 * 1024)), ""), 431).await;
    // It need not even end.
    bench.refuses(format!("POST /{long}"), 414).await;
    // The gateway adds a few, and the upstream has a limit too.
    let many = post(&"X: y\r\n".repeat(85), "");
    assert_eq!(bench.send(many).await.status, 201);
}

/// What comes in single bytes is read like what comes at once.
#[tokio::test]
async fn pieces_make_no_difference() {
    let bench = Bench::start().await;
    for (request, status) in [
        ("\r\n\r\nPOST /free HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab".to_owned(), 201),
        ("POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: x\r\n\r\n".into(), 201),
        (post("Content-Length: 1\r\nContent-Length: 1\r\n", "a"), 400),
    ] {
        let mut connection = Connection::open(bench.gateway.address).await;
        for byte in request.as_bytes() {
            connection.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        assert_eq!(connection.answer().await.status, status, "{request:?}");
    }
    assert!(bench.upstream.seen().iter().all(|seen| &seen.body[..] == b"ab"));
}

/// A request that is refused ends its connection; those before it are answered.
#[tokio::test]
async fn pipelined_requests_are_answered_until_one_is_refused() {
    let bench = Bench::start().await;
    let good = "POST /free HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab";
    let chunked =
        "POST /free HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: x\r\n\r\n";
    let mut connection = Connection::open(bench.gateway.address).await;
    connection.send(format!("{good}{chunked}{good}{}{good}", post("Content-Length: x\r\n", ""))).await;
    for _ in 0..3 {
        assert_eq!(connection.answer().await.status, 201);
    }
    assert_eq!(connection.answer().await.status, 400);
    assert_eq!(connection.try_answer().await, None);
    assert_eq!(bench.upstream.executions(), 3);
}

/// An upgrade that nobody asked for is not offered to the upstream.
#[tokio::test]
async fn an_upgrade_is_stripped() {
    let bench = Bench::start().await;
    let upgrade =
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    assert_eq!(bench.send(post(&format!("{upgrade}Content-Length: 1\r\n"), "a")).await.status, 201);
    let seen = bench.upstream.seen();
    for name in ["connection", "upgrade", "http2-settings"] {
        assert_eq!(seen[0].header(name), "", "{name}");
    }
}
