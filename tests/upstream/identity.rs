//! Upstreams that ask for a client certificate, and that offer HTTP/2 with TLS.

use std::sync::Arc;

use http::Response;
use http_body_util::Full;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use oncegate::config::{IdentityFiles, Upstream};
use oncegate::reload::FileCheck;
use oncegate::upstream::Proxy;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::call::{Caller, upstream};
use super::certificates::{Authority, Files, certificates};

/// Starts a server that answers with the serial of the client's certificate and the protocol of the request.
/// Returns its port.
async fn server(authority: &Authority, offers: &[&str]) -> u16 {
    let files = authority.certify("upstream");
    let mut roots = RootCertStore::empty();
    roots.add(certificates(&authority.ca).remove(0)).expect("a root");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("versions").with_client_cert_verifier(verifier.build().expect("a verifier"));
    let key = PrivateKeyDer::from_pem_file(&files.key).expect("a key");
    let mut config = config.with_single_cert(certificates(&files.cert), key).expect("an identity");
    config.alpn_protocols = offers.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let shown = stream.get_ref().1.peer_certificates().expect("a certificate")[0].to_vec();
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let mut reported = format!("{:?} ", request.version()).into_bytes();
                reported.extend_from_slice(&shown);
                async move {
                    Ok::<_, std::convert::Infallible>(Response::new(Full::new(bytes::Bytes::from(reported))))
                }
            });
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let stream = TokioIo::new(stream);
            tokio::spawn(async move {
                if http2 {
                    let connection = http2::Builder::new(TokioExecutor::new());
                    drop(connection.serve_connection(stream, service).await);
                } else {
                    drop(http1::Builder::new().serve_connection(stream, service).await);
                }
            });
        }
    });
    port
}

fn calling(authority: &Authority, port: u16, identity: Option<&Files>) -> Upstream {
    let identity = identity.map(|files| IdentityFiles { cert: files.cert.clone(), key: files.key.clone() });
    let url = format!("https://localhost:{port}");
    Upstream { identity, http2: true, ..upstream(&url, Some(authority.ca.clone())) }
}

fn reported(version: &str, files: &Files) -> Vec<u8> {
    [format!("{version} ").as_bytes(), &certificates(&files.cert)[0]].concat()
}

#[tokio::test]
async fn an_identity_is_shown_and_protocols_are_negotiated() {
    let authority = Authority::new();
    let files = authority.certify("gateway");
    for (offers, version) in
        [(&["h2", "http/1.1"][..], "HTTP/2.0"), (&["http/1.1"], "HTTP/1.1"), (&[], "HTTP/1.1")]
    {
        let port = server(&authority, offers).await;
        let caller = Caller::new(calling(&authority, port, Some(&files)));
        for _ in 0..3 {
            assert!(caller.post().await.expect("an answer").body == reported(version, &files), "{version}");
        }
    }
    let port = server(&authority, &[]).await;
    Caller::new(calling(&authority, port, None)).post().await.expect_err("it asks for a certificate");
}

#[tokio::test]
async fn an_identity_that_changes_is_shown_from_then_on() {
    let authority = Authority::new();
    for (offers, version) in [("h2", "HTTP/2.0"), ("http/1.1", "HTTP/1.1")] {
        let old = authority.certify("gateway");
        let port = server(&authority, &[offers]).await;
        let name = oncegate::config::UpstreamName::new("payments");
        let proxy =
            Proxy::new(&[(name, calling(&authority, port, Some(&old)))].into()).expect("usable files");
        let (_, connector) = proxy.connectors().next().expect("an upstream");
        let caller = Caller::of(proxy.clone());
        assert!(caller.post().await.expect("an answer").body == reported(version, &old));
        assert_eq!(connector.check().expect("readable"), FileCheck::Unchanged);
        let new = authority.certify("gateway");
        assert_eq!(connector.check().expect("usable"), FileCheck::Reloaded);
        assert!(caller.post().await.expect("an answer").body == reported(version, &new), "{version}");
    }
}
