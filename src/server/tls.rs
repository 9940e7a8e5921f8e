//! TLS on a listener: its certificate, the clients that it accepts, and the protocols that it offers.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::ListenerTls;
use crate::peer::ClientCertificate;
use crate::pem;
use crate::reload::{BoxError, ReloadError, Reloading};

/// The name of HTTP/2 in ALPN (RFC 9113, 3.1).
const H2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";

/// The TLS of one listener. Its files may change while it runs.
#[derive(Debug)]
pub struct Tls(Reloading<ServerConfig>);

impl Tls {
    /// Reads the files. `http2` tells whether HTTP/2 is offered.
    ///
    /// # Errors
    /// Returns the file that cannot be read, or the error in the contents.
    pub fn new(files: &ListenerTls, http2: bool) -> Result<Self, ReloadError> {
        let ListenerTls { identity, client_ca } = files;
        let paths = [Some(&identity.cert), Some(&identity.key), client_ca.as_ref()];
        let paths = paths.into_iter().flatten().cloned().collect();
        Reloading::new(paths, move |contents| config(contents, http2)).map(Self)
    }

    /// Returns the files, to be read again at a reload.
    #[must_use]
    pub fn files(&self) -> &Reloading<ServerConfig> {
        &self.0
    }

    /// Performs the handshake. Returns the stream, and whether HTTP/2 was agreed on.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<(TlsStream<TcpStream>, bool)> {
        let stream = TlsAcceptor::from(self.0.current()).accept(stream).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
        Ok((stream, http2))
    }

    /// Returns the certificate that the client presented, if it was asked for one.
    pub(super) fn certificate(stream: &TlsStream<TcpStream>) -> Option<ClientCertificate> {
        let shown = stream.get_ref().1.peer_certificates()?.first()?;
        pem::names(shown).map(|names| ClientCertificate(names.into()))
    }
}

/// Returns the settings of rustls. Early data stays off, because anyone on the way can replay it.
fn config(contents: &[Vec<u8>], http2: bool) -> Result<ServerConfig, BoxError> {
    let [chain, key, client_ca @ ..] = contents else {
        return Err("a certificate and a key are needed".into());
    };
    let identity = pem::identity(chain, key)?;
    let builder = ServerConfig::builder();
    let builder = match client_ca {
        [] => builder.with_no_client_auth(),
        [roots, ..] => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(pem::roots(roots)?)).build();
            builder.with_client_cert_verifier(verifier?)
        }
    };
    let mut config = builder.with_single_cert(identity.chain, identity.key)?;
    let offered: &[&[u8]] = if http2 { &[H2, HTTP11] } else { &[HTTP11] };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}
