//! How an upstream over `https` is trusted.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use http::uri::Scheme;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Upstream;

/// Why no connection to an upstream could ever be trusted.
#[derive(Debug)]
pub enum TlsError {
    /// The `ca` file cannot be read, or holds no usable certificate.
    Ca(PathBuf, String),
    /// This machine has no root certificates.
    NoRoots(std::io::Error),
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ca(path, cause) => write!(f, "ca = \"{}\": {cause}", path.display()),
            Self::NoRoots(cause) => {
                write!(
                    f,
                    "this machine has no root certificates ({cause}); install ca-certificates or set ca"
                )
            }
        }
    }
}

impl std::error::Error for TlsError {}

/// Connects to the upstream in the way its URL says. TLS early data stays off: what is sent in it
/// can be replayed by anyone on the way.
pub(super) fn connector(upstream: &Upstream) -> Result<HttpsConnector<HttpConnector>, TlsError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(std::time::Duration::from_secs(30)));
    let tls = if upstream.url.scheme() == Some(&Scheme::HTTPS) {
        trusting(upstream)?
    } else {
        ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
    };
    Ok(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp))
}

fn trusting(upstream: &Upstream) -> Result<ClientConfig, TlsError> {
    let Some(path) = &upstream.ca else {
        let roots = ClientConfig::builder().with_native_roots().map_err(TlsError::NoRoots)?;
        return Ok(roots.with_no_client_auth());
    };
    let unusable = |cause: String| TlsError::Ca(path.clone(), cause);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(unusable("no certificate in it".into()));
    }
    Ok(ClientConfig::builder().with_root_certificates(Arc::new(roots)).with_no_client_auth())
}
