//! Upstreams over `https`: the client sends no byte of a request before the server has proved its identity.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use oncegate::config::Upstream;
use oncegate::upstream::Proxy;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::call::{Caller, assert_maybe_sent, assert_never_sent, upstream};
use super::raw::{Act, End, RawServer, Read};

const ANSWER: &[u8] = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok";

/// A self-signed certificate, its key, and the file by which a client trusts it.
struct Identity {
    config: Arc<ServerConfig>,
    ca: PathBuf,
    _dir: TempDir,
}

impl Identity {
    fn of(name: &str) -> Self {
        Self::issued(CertificateParams::new([name.to_owned()]).expect("a name"))
    }

    fn issued(params: CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let dir = tempfile::tempdir().expect("a directory");
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, certificate.pem()).expect("a file");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).expect("a fitting key");
        Self { config: Arc::new(config), ca, _dir: dir }
    }

    /// Serves one connection. Returns the port, and the decrypted bytes that arrive.
    async fn serve_one(&self, answer: &'static [u8]) -> (u16, JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let acceptor = TlsAcceptor::from(Arc::clone(&self.config));
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("accepting works");
            let mut received = vec![0; 4096];
            let Ok(mut tls) = acceptor.accept(stream).await else { return Vec::new() };
            // A client that distrusts the server reports it here, after a handshake that succeeded for the
            // server.
            let length = tls.read(&mut received).await.unwrap_or(0);
            received.truncate(length);
            if length > 0 {
                tls.write_all(answer).await.expect("the client reads");
                tls.shutdown().await.expect("the client reads");
            }
            received
        });
        (port, served)
    }
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_named() {
    let identity = Identity::of("localhost");
    let (port, served) = identity.serve_one(ANSWER).await;
    let url = format!("https://localhost:{port}");
    let answer = Caller::new(upstream(&url, Some(identity.ca.clone()))).post().await.expect("an answer");
    assert_eq!((answer.status.as_u16(), &*answer.body), (201, &b"ok"[..]));
    let received = String::from_utf8(served.await.expect("no panic")).expect("text");
    assert!(received.starts_with("POST /v1/charges HTTP/1.1\r\n"), "{received}");
    assert!(received.contains(&format!("\r\nhost: localhost:{port}\r\n")), "{received}");
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_never_sent() {
    let trusted = Identity::of("localhost");
    let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    params.not_after = date_time_ymd(2001, 1, 1);
    let (stranger, misnamed, expired) =
        (Identity::of("localhost"), Identity::of("elsewhere.example"), Identity::issued(params));
    for (identity, ca) in [(&stranger, &trusted.ca), (&misnamed, &misnamed.ca), (&expired, &expired.ca)] {
        let (port, served) = identity.serve_one(ANSWER).await;
        let caller = Caller::new(upstream(&format!("https://localhost:{port}"), Some(ca.clone())));
        assert_never_sent(caller.post().await);
        assert!(served.await.expect("no panic").is_empty());
    }
}

/// The server receives a handshake, and no request.
#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_never_sent() {
    let trusted = Identity::of("localhost");
    let bad_request = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
    let acts = [
        Act { read: Read::Bytes(5), ..Act::answer(bad_request, End::Hold) },
        Act::no_answer(Read::Bytes(5), End::Close),
        Act::no_answer(Read::Bytes(0), End::Reset),
    ];
    for act in acts {
        let server = RawServer::doing([act]).await;
        let url = format!("https://localhost:{}", server.address.port());
        assert_never_sent(Caller::new(upstream(&url, Some(trusted.ca.clone()))).post().await);
        for received in server.seen().await.requests {
            assert_eq!(received[0], 0x16, "a handshake record");
        }
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_never_sent() {
    let trusted = Identity::of("localhost");
    let server = RawServer::doing([Act::no_answer(Read::Bytes(0), End::Hold)]).await;
    let url = format!("https://localhost:{}", server.address.port());
    let connect_timeout = Duration::from_millis(200);
    let impatient = Upstream { connect_timeout, ..upstream(&url, Some(trusted.ca.clone())) };
    assert_never_sent(Caller::new(impatient).post().await);
    assert_eq!(server.seen().await.accepted, 1);
}

/// A response that ends without the close_notify of TLS was cut off on its way.
#[tokio::test]
async fn an_encrypted_answer_that_is_cut_off_is_maybe_sent() {
    let identity = Identity::of("localhost");
    for cut in [0, 20, ANSWER.len() - 1] {
        let (port, served) = identity.serve_one(&ANSWER[..cut]).await;
        let url = format!("https://localhost:{port}");
        let called = Caller::new(upstream(&url, Some(identity.ca.clone()))).post().await;
        use oncegate::protocol::Reason::{BrokenAnswer, ConnectionLost};
        assert_maybe_sent(called, &[BrokenAnswer, ConnectionLost]);
        assert!(!served.await.expect("no panic").is_empty());
    }
}

#[test]
fn a_trust_file_without_a_certificate_is_refused_at_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let (empty, missing) = (dir.path().join("empty.pem"), dir.path().join("missing.pem"));
    std::fs::write(&empty, "").expect("a file");
    for ca in [empty, missing] {
        let named = oncegate::config::UpstreamName::new("payments");
        let refused = Proxy::new(&[(named, upstream("https://localhost", Some(ca.clone())))].into());
        let (_, error) = refused.err().expect("nothing to trust");
        assert!(error.to_string().contains(&*ca.to_string_lossy()), "{error}");
    }
}
