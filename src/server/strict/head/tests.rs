use super::*;

fn get(lines: &str) -> Result<Framing, Refusal> {
    check(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes())
}

fn first(line: &str) -> Result<Framing, Refusal> {
    check(format!("{line}\r\nHost: a\r\n\r\n").as_bytes())
}

fn with_host(host: &str) -> Result<Framing, Refusal> {
    check(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
}

fn status(checked: Result<Framing, Refusal>) -> u16 {
    checked.map_or_else(|refusal| refusal.status.as_u16(), |_| 200)
}

#[test]
fn an_ordinary_request_has_one_framing() {
    assert_eq!(get(""), Ok(Framing::Length(0)));
    assert_eq!(get("Content-Length: 10\r\n"), Ok(Framing::Length(10)));
    assert_eq!(get("Transfer-Encoding: Chunked\r\n"), Ok(Framing::Chunked));
    assert_eq!(get("A:\r\nB: \t x\ty \r\nC: \u{e9}\r\n"), Ok(Framing::Length(0)));
    assert_eq!(check(b"GET / HTTP/1.0\r\n\r\n"), Ok(Framing::Length(0)));
}

#[test]
fn request_lines() {
    for (line, expected) in [
        ("GET / HTTP/1.1", 200),
        ("M-SEARCH /a?b=%20&c HTTP/1.1", 200),
        ("OPTIONS * HTTP/1.1", 200),
        ("GET http://a/b HTTP/1.1", 200),
        ("GET HTTPS://A HTTP/1.1", 200),
        ("GET * HTTP/1.1", 400),
        ("GET  / HTTP/1.1", 400),
        ("GET /  HTTP/1.1", 400),
        ("GET / HTTP/1.1 ", 400),
        (" GET / HTTP/1.1", 400),
        ("GET\t/ HTTP/1.1", 400),
        ("GET /", 400),
        ("GET / HTTP/1.2", 400),
        ("GET / HTTP/2.0", 400),
        ("GET / http/1.1", 400),
        ("GET / HTTP/01.1", 400),
        ("G(T / HTTP/1.1", 400),
        ("/ / HTTP/1.1", 400),
        ("GET /a#b HTTP/1.1", 400),
        ("GET /\u{7f} HTTP/1.1", 400),
        ("GET /\u{e9} HTTP/1.1", 400),
        ("GET /a|b\"{c} HTTP/1.1", 200),
        ("GET /a<b HTTP/1.1", 400),
        ("GET /a?b=\"c\" HTTP/1.1", 400),
        ("GET a HTTP/1.1", 400),
        ("GET ftp://a/ HTTP/1.1", 400),
        ("GET http://b/ HTTP/1.1", 400),
        ("CONNECT a:443 HTTP/1.1", 501),
        ("TRACE / HTTP/1.1", 405),
    ] {
        assert_eq!(status(first(line)), expected, "{line:?}");
    }
    assert_eq!(status(first(&format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET - 1)))), 200);
    assert_eq!(status(first(&format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET)))), 414);
}

#[test]
fn header_lines() {
    for (line, expected) in [
        ("X-~!#$%&'*+.^_`|: y\r\n", 200),
        ("X : y\r\n", 400),
        ("X\r\n", 400),
        (": y\r\n", 400),
        ("X: y\r\n z\r\n", 400),
        ("X: y\r\n\tz\r\n", 400),
        ("X(: y\r\n", 400),
        ("X: a\0b\r\n", 400),
        ("X: a\x01b\r\n", 400),
        ("X: a\x7fb\r\n", 400),
        ("X: a\rb\r\n", 400),
        ("X: a\nY: b\r\n", 400),
        ("X: a\r\n\nY: b\r\n", 400),
        ("Expect: 100-Continue\r\n", 200),
        ("Expect: 999\r\n", 417),
        ("Expect: 100-continue, 999\r\n", 417),
    ] {
        assert_eq!(status(get(line)), expected, "{line:?}");
    }
    assert_eq!(status(get(&"A: b\r\n".repeat(MAX_HEADERS - 1))), 200);
    assert_eq!(status(get(&"A: b\r\n".repeat(MAX_HEADERS))), 431);
}

#[test]
fn framings() {
    for (lines, expected) in [
        ("Content-Length: 1\r\nContent-Length: 1\r\n", 400),
        ("Content-Length: 1, 1\r\n", 400),
        ("Content-Length: +1\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: 0x1\r\n", 400),
        ("Content-Length: \r\n", 400),
        ("Content-Length: 1 1\r\n", 400),
        ("Content-Length: 9223372036854775807\r\n", 200),
        ("Content-Length: 9223372036854775808\r\n", 400),
        ("Content-Length: 18446744073709551615\r\n", 400),
        ("Content-Length: 99999999999999999999\r\n", 400),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: chunked, chunked\r\n", 400),
        ("Transfer-Encoding: ,chunked\r\n", 400),
        ("Transfer-Encoding: \r\n", 400),
        ("Transfer-Encoding: gzip, chunked\r\n", 501),
        ("Transfer-Encoding: gzip\r\n", 501),
        ("Transfer-Encoding: identity\r\n", 501),
        ("Transfer-Encoding: xchunked\r\n", 501),
        ("Transfer-Encoding: chunked;q=1\r\n", 501),
        ("Transfer-Encoding: \x0bchunked\r\n", 400),
    ] {
        assert_eq!(status(get(lines)), expected, "{lines:?}");
    }
    assert_eq!(status(check(b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")), 400);
}

#[test]
fn hosts() {
    for (host, expected) in [
        ("a", 200),
        ("api.example.com:8080", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("a:", 400),
        ("", 400),
        (":80", 400),
        ("a:b", 400),
        ("a:65536", 400),
        ("a:80:80", 400),
        ("a b", 400),
        ("a/b", 400),
        ("user@a", 400),
        ("a,b", 200),
        ("[::1", 400),
        ("[x]", 400),
        ("[::1]x", 400),
        ("\u{e9}", 400),
    ] {
        assert_eq!(status(with_host(host)), expected, "{host:?}");
    }
    assert_eq!(status(check(b"GET / HTTP/1.1\r\n\r\n")), 400);
    assert_eq!(status(get("Host: a\r\n")), 400);
    assert_eq!(status(check(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n")), 400);
}

proptest::proptest! {
    /// Checks that no head causes a panic.
    #[test]
    fn nothing_panics(head in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let mut head = head;
        head.extend_from_slice(b"\r\n\r\n");
        let _ = check(&head);
        let request = [b"GET / HTTP/1.1\r\nHost: a\r\n".as_slice(), &head].concat();
        let _ = check(&request);
    }

    /// Checks that the library reads each target that is accepted without asking it.
    #[test]
    fn the_library_reads_plain_targets(target in "/[-/_.?=&0-9A-Za-z]{0,40}") {
        assert!(target.bytes().all(is_plain) && Uri::try_from(&*target).is_ok());
    }
}
