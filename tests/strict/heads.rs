//! Heads with two readings, or with none.

use crate::Bench;
use crate::harness::Connection;

/// Returns a keyed POST to a protected route, with these lines in its head.
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

/// A server that passes headers to programs as CGI and WSGI do reads these headers as the ones that they
/// resemble.
#[tokio::test]
async fn look_alikes_of_framing_headers_are_refused() {
    let bench = Bench::start().await;
    for line in [
        "Transfer_Encoding: chunked",
        "transfer_encoding: identity",
        "TRANSFER.ENCODING: chunked",
        "Transfer~Encoding: chunked",
        "Content_Length: 5",
        "content!length: 0",
    ] {
        bench.refuses(post(&format!("{line}\r\nContent-Length: 1\r\n"), "a"), 400).await;
        bench.refuses(format!("GET /elsewhere HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"), 400).await;
    }
    assert_eq!(bench.send(post("Content_Type: x\r\nContent-Length: 1\r\n", "a")).await.status, 201);
}

/// Headers that `Connection` names are dropped on the way. The upstream would then receive another host,
/// another caller or another request.
#[tokio::test]
async fn connection_cannot_remove_end_to_end_headers() {
    let bench = Bench::start().await;
    for named in [
        "Host",
        "close, host",
        "Authorization",
        "cookie",
        "Content-Length",
        "content-type",
        "Content_Encoding",
        "X-Forwarded-For",
        "x-forwarded-proto",
        "Forwarded",
        "Via",
        "Idempotency-Execution",
        "X-Api-Key",
        "api-key, x-hop",
        "Stripe-Account",
    ] {
        bench.refuses(post(&format!("Connection: {named}\r\nContent-Length: 1\r\n"), "a"), 400).await;
        let two = format!("Connection: keep-alive\r\nConnection: {named}\r\nContent-Length: 1\r\n");
        bench.refuses(post(&two, "a"), 400).await;
    }
    let named = "Connection: x-hop, te, close\r\nX-Hop: 1\r\nTE: trailers\r\nContent-Length: 1\r\n";
    assert_eq!(bench.send(post(named, "a")).await.status, 201);
    assert_eq!(bench.upstream.seen()[0].header("x-hop"), "");
}

#[tokio::test]
async fn a_refused_method_is_answered_with_the_allowed_ones() {
    let bench = Bench::start().await;
    let gateway = &bench.gateway;
    for (to, allow) in [
        (gateway.address, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (gateway.admin, "GET, HEAD, POST, DELETE"),
    ] {
        let answer = crate::harness::request(to, "TRACE", "/healthz", &[], "").await;
        answer.problem(405, "about:blank", "unknown", "never");
        assert_eq!(answer.header("allow"), Some(allow));
    }
    let client = crate::harness::Http2::open(gateway.address).await;
    let answer = client.request("TRACE", "http://a/v1/charges", &[], "").await.expect("an answer");
    assert_eq!((answer.status, answer.header("allow").is_some()), (405, true));
    let answer = crate::harness::request(gateway.admin, "PATCH", "/metrics", &[], "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")));
}

/// The client waits for an answer to its handshake, and would otherwise wait until the timeout for a head.
#[tokio::test]
async fn tls_on_a_plain_listener_is_told_at_once() {
    let bench = Bench::start().await;
    let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x03";
    bench.refuses(hello, 400).await;
    let line = bench.gateway.logs("oncegate::access").await;
    assert!(line.contains("This is TLS"), "{line}");
}

/// The log line of a refusal has the members of any other line, as far as the request is known.
#[tokio::test]
async fn a_refusal_is_logged_like_a_request() {
    let bench = Bench::start().await;
    bench.refuses("POST /v1/charges HTTP/9\r\nHost: a\r\n\r\n", 400).await;
    let line: serde_json::Value =
        serde_json::from_str(&bench.gateway.logs("oncegate::access").await).expect("a JSON line");
    assert_eq!((&line["route"], &line["status"]), (&"".into(), &400.into()), "{line}");
    assert_eq!((&line["client"], &line["took_ms"]), (&"127.0.0.1".into(), &0.0.into()), "{line}");
    assert_eq!((&line["method"], &line["path"]), (&"POST".into(), &"/v1/charges".into()), "{line}");
    bench.refuses(post("Host: b\r\n", ""), 400).await;
    bench.refuses("GET /a?secret=1 HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400).await;
    let line = bench.gateway.logs("\"path\":\"/a\"").await;
    assert!(line.contains("\"method\":\"GET\"") && !line.contains("secret"), "{line}");
    bench.refuses("G(T /b HTTP/1.1\r\nHost: a\r\n\r\n", 400).await;
    assert!(!bench.gateway.log().contains("/b"), "what is no request line says nothing");
    let client = crate::harness::Http2::open(bench.gateway.address).await;
    client.request("POST", "http://a/v1/others?secret=2", &[("host", "b")], "").await.expect("an answer");
    let line: serde_json::Value =
        serde_json::from_str(&bench.gateway.logs("/v1/others").await).expect("a JSON line");
    assert_eq!((&line["path"], &line["status"]), (&"/v1/others".into(), &400.into()), "{line}");
    assert!(!bench.gateway.log().contains("secret"));
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
    // The answer is the same for any cause of the length, and for any size of the pieces.
    bench.refuses(format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n"), 414).await;
    bench.refuses(post(&format!("X: {}\nY: z\r\n", "y".repeat(65 * 1024)), ""), 431).await;
    // The line need not even end.
    bench.refuses(format!("POST /{long}"), 414).await;
    // The gateway adds a few headers, and the upstream has a limit as well.
    let many = post(&"X: y\r\n".repeat(85), "");
    assert_eq!(bench.send(many).await.status, 201);
}

/// A request that comes in single bytes is read like one that comes at once.
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

/// A refused request ends its connection. The requests before it are answered.
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

/// An upgrade of the client is not offered to the upstream.
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
