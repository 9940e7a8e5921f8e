//! The exact word of the upstream client: *never sent* is said only where not a byte of the request
//! reached the upstream. A raw-socket server closes at every possible point and says what it read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use oncegate::config::{Upstream, UpstreamName};
use oncegate::protocol::{CallError, CallLimit, Reason, Sent};
use oncegate::upstream::Proxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tower::ServiceExt;

const ANSWER: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\nx-a: 1\r\n\r\nhello";
const BODY: &str = "{\"amount\":1200,\"currency\":\"EUR\"}";

/// How one connection ends.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// Read so much of the request, if it comes.
    read: usize,
    /// Then write so much of the answer.
    write: usize,
    /// End with a reset instead of an orderly close.
    reset: bool,
}

/// A server that treats connection after connection as told, and reports how much it read of each.
async fn server(cuts: Vec<Cut>, answer: &'static [u8]) -> (SocketAddr, mpsc::UnboundedReceiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (report, read) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for cut in cuts {
            let Ok((stream, _)) = listener.accept().await else { return };
            let read = treat(stream, cut, answer).await;
            if report.send(read).is_err() {
                return;
            }
        }
    });
    (address, read)
}

async fn treat(mut stream: TcpStream, cut: Cut, answer: &[u8]) -> usize {
    if cut.reset {
        #[expect(deprecated, reason = "it warns of blocking at the close; zero seconds do not block")]
        stream.set_linger(Some(Duration::ZERO)).expect("a socket option");
    }
    let mut request = vec![0; cut.read];
    let mut read = 0;
    while read < cut.read {
        match stream.read(&mut request[read..]).await {
            Ok(0) | Err(_) => break,
            Ok(more) => read += more,
        }
    }
    drop(stream.write_all(&answer[..cut.write]).await);
    read
}

fn proxy(url: &str, upstream: impl FnOnce(&mut Upstream)) -> Proxy {
    // Whoever installs it first does so for all tests of this process.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut checked = Upstream {
        url: url.parse().expect("a URL"),
        ca: None,
        connect_timeout: Duration::from_secs(5),
        response_timeout: Duration::from_secs(5),
        preserve_host: false,
    };
    upstream(&mut checked);
    Proxy::new(&BTreeMap::from([(name(), checked)])).expect("a proxy")
}

fn name() -> UpstreamName {
    UpstreamName("payments".into())
}

async fn call(proxy: &Proxy, limit: CallLimit) -> Result<(Response<()>, Bytes), CallError> {
    let mut request = Request::post("/v1/charges").body(Body::from(BODY)).expect("a request");
    request.extensions_mut().insert(name());
    request.extensions_mut().insert(limit);
    let response = proxy.clone().oneshot(request).await?;
    let (head, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| *error.into_inner().downcast::<CallError>().expect("the client's own error"))?;
    Ok((Response::from_parts(head, ()), body.to_bytes()))
}

/// The length of the request as the server sees it.
async fn request_length() -> usize {
    let (address, mut read) = server(vec![Cut { read: 1 << 16, write: 0, reset: false }], ANSWER).await;
    let proxy = proxy(&format!("http://{address}"), |upstream| {
        upstream.response_timeout = Duration::from_millis(200);
    });
    assert!(call(&proxy, CallLimit::Whole).await.is_err());
    drop(proxy);
    read.recv().await.expect("a report")
}

/// What holds whatever happens on one connection.
async fn check(cut: Cut, answer: &'static [u8]) {
    let (address, mut read) = server(vec![cut], answer).await;
    let proxy = proxy(&format!("http://{address}"), |_| {});
    let called = call(&proxy, CallLimit::Whole).await;
    drop(proxy);
    let read = read.recv().await.expect("a report");
    match called {
        Ok((head, body)) => {
            assert_eq!((head.status().as_u16(), &body[..]), (201, &b"hello"[..]), "{cut:?}");
            assert!(cut.write == answer.len(), "{cut:?}");
        }
        Err(CallError { sent: Sent::Never, .. }) => assert_eq!(read, 0, "{cut:?}: it was read"),
        Err(CallError { sent: Sent::Maybe, .. }) => {}
    }
}

#[tokio::test]
async fn never_sent_is_never_said_of_what_was_read() {
    let length = request_length().await;
    for reset in [false, true] {
        for read in 0..=length {
            check(Cut { read, write: 0, reset }, ANSWER).await;
        }
        for write in 0..=ANSWER.len() {
            check(Cut { read: length, write, reset: false }, ANSWER).await;
            check(Cut { read: length / 2, write, reset }, ANSWER).await;
        }
    }
}

/// Many calls over one pool, against connections that end in every way: what was said to be never
/// sent was not read, and no request came twice.
#[tokio::test]
async fn a_pool_sends_each_request_at_most_once() {
    const CALLS: usize = 500;
    let length = request_length().await;
    // A fixed sequence that looks random: a failure can be run again.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("small") % below
    };
    let cuts: Vec<Cut> = (0..CALLS)
        .map(|_| Cut {
            read: if random(2) == 0 { length } else { random(length + 1) },
            write: if random(2) == 0 { ANSWER.len() } else { random(ANSWER.len() + 1) },
            reset: random(2) == 0,
        })
        .collect();
    let (address, mut read) = server(cuts, ANSWER).await;
    let proxy = proxy(&format!("http://{address}"), |_| {});
    let mut maybe = 0;
    for _ in 0..CALLS {
        match call(&proxy, CallLimit::Whole).await {
            Ok(_) | Err(CallError { sent: Sent::Maybe, .. }) => maybe += 1,
            Err(CallError { sent: Sent::Never, .. }) => {}
        }
    }
    drop(proxy);
    let mut requests = 0;
    while let Ok(Some(read)) = tokio::time::timeout(Duration::from_secs(1), read.recv()).await {
        requests += usize::from(read > 0);
    }
    assert!(requests <= maybe, "{requests} requests were read, {maybe} calls may have sent one");
    assert!(maybe > CALLS / 2);
}

#[tokio::test]
async fn what_never_connects_was_never_sent() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address");
    for url in [format!("http://{closed}"), "http://no-such-host.invalid".into()] {
        let error = call(&proxy(&url, |_| {}), CallLimit::Whole).await.expect_err("nobody is there");
        assert_eq!((error.sent, error.reason), (Sent::Never, Reason::Unreachable), "{url}");
    }
    // Plain text where TLS is expected: the handshake fails before any request.
    let (plain, _read) = server(vec![Cut { read: 1, write: ANSWER.len(), reset: false }], ANSWER).await;
    let (_key, ca) = certificate();
    let url = format!("https://127.0.0.1:{}", plain.port());
    let proxy = proxy(&url, |upstream| upstream.ca = Some(ca.path().to_owned()));
    let error = call(&proxy, CallLimit::Whole).await.expect_err("no TLS there");
    assert_eq!(error.sent, Sent::Never);
}

#[tokio::test]
async fn silence_ends_with_the_response_timeout_and_may_have_been_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let proxy = proxy(&url, |upstream| upstream.response_timeout = Duration::from_millis(100));
    // The system accepts for the listener; nobody ever reads or answers.
    let error = call(&proxy, CallLimit::Whole).await.expect_err("silence");
    assert_eq!((error.sent, error.reason), (Sent::Maybe, Reason::ResponseTimeout));
}

/// A body that comes in drops: a whole call is limited altogether, an unprotected one by silence.
#[tokio::test]
async fn a_protected_answer_has_to_end_and_an_unprotected_one_has_to_go_on() {
    for (limit, ends) in [(CallLimit::Whole, false), (CallLimit::Silence, true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            drop(stream.read(&mut [0; 1024]).await);
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n";
            drop(stream.write_all(head).await);
            for _ in 0..20 {
                tokio::time::sleep(Duration::from_millis(30)).await;
                drop(stream.write_all(b"x").await);
            }
            drop(stream.read(&mut [0; 1024]).await);
        });
        let proxy = proxy(&url, |upstream| upstream.response_timeout = Duration::from_millis(300));
        let called = call(&proxy, limit).await;
        assert_eq!(called.is_ok(), ends, "{limit:?}");
        if let Err(error) = called {
            assert_eq!((error.sent, error.reason), (Sent::Maybe, Reason::ResponseTimeout));
        }
    }
}

#[tokio::test]
async fn redirects_and_encodings_are_the_clients_business() {
    const REDIRECT: &[u8] =
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n";
    const GZIP: &[u8] =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00";
    let length = request_length().await;
    for (answer, status, body) in [(REDIRECT, 307, &b""[..]), (GZIP, 200, &b"\x1f\x8b\x08\x00"[..])] {
        let cut = Cut { read: length, write: answer.len(), reset: false };
        let (address, _read) = server(vec![cut], answer).await;
        let (head, given) =
            call(&proxy(&format!("http://{address}"), |_| {}), CallLimit::Whole).await.expect("an answer");
        assert_eq!((head.status().as_u16(), &given[..]), (status, body));
    }
}

/// A certificate for 127.0.0.1 with its key, and a file to trust it by.
fn certificate() -> (rcgen::CertifiedKey<rcgen::KeyPair>, tempfile::NamedTempFile) {
    let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, key.cert.pem().as_bytes()).expect("written");
    (key, file)
}

/// Serves TLS with this key and answers each request.
async fn tls_server(key: &rcgen::CertifiedKey<rcgen::KeyPair>) -> SocketAddr {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                drop(stream.read(&mut [0; 4096]).await);
                drop(stream.write_all(ANSWER).await);
                drop(stream.shutdown().await);
            }
        }
    });
    address
}

#[tokio::test]
async fn https_is_trusted_by_its_ca_and_by_nothing_else() {
    let (key, ca) = certificate();
    let (_other, other_ca) = certificate();
    let url = format!("https://{}", tls_server(&key).await);
    let trusting = proxy(&url, |upstream| upstream.ca = Some(ca.path().to_owned()));
    let (head, body) = call(&trusting, CallLimit::Whole).await.expect("a trusted answer");
    assert_eq!((head.status().as_u16(), &body[..]), (201, &b"hello"[..]));
    let distrusting = proxy(&url, |upstream| upstream.ca = Some(other_ca.path().to_owned()));
    let error = call(&distrusting, CallLimit::Whole).await.expect_err("a stranger's certificate");
    assert_eq!((error.sent, error.reason), (Sent::Never, Reason::Unreachable));
}
