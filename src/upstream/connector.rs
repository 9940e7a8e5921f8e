//! The connector of one upstream: the trust in an upstream over `https`, and the certificate that the gateway presents
//! to it.

use std::time::Duration;

use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Upstream;
use crate::pem;
use crate::reload::{BoxError, ReloadError, Reloading};

/// The service that makes connections.
pub(super) type Connect = HttpsConnector<HttpConnector>;
/// A service that makes connections, replaced when the files of its certificates change.
pub type Connector = Reloading<Connect>;

/// Interval at which the system probes an idle connection.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Returns the connector for the scheme of the upstream's URL. It is made anew when a file of
/// certificates changes. TLS early data stays off, because anyone on the way can replay it.
///
/// # Errors
/// Returns the reason why no upstream could ever be trusted: the machine has no roots, or a file is not
/// usable.
pub(super) fn connector(upstream: &Upstream) -> Result<Connector, ReloadError> {
    let identity = upstream.identity.iter().flat_map(|files| [&files.cert, &files.key]);
    let files = upstream.ca.iter().chain(identity).cloned().collect();
    let upstream = upstream.clone();
    Connector::new(files, move |contents| {
        let tls = if upstream.url.scheme() == Some(&Scheme::HTTPS) {
            tls_config(&upstream, contents)?
        } else {
            ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        };
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        Ok(match upstream.http2 {
            true => builder.enable_all_versions().wrap_connector(tcp(upstream.connect_timeout)),
            false => builder.enable_http1().wrap_connector(tcp(upstream.connect_timeout)),
        })
    })
}

/// Returns a connector that tries all addresses of a host within `limit`: one silent address does not
/// use it up.
fn tcp(limit: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(limit));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp
}

/// Returns the TLS settings. The contents of the files come in the order of [`connector`]: authorities,
/// certificate, key, as far as they are configured.
fn tls_config(upstream: &Upstream, contents: &[Vec<u8>]) -> Result<ClientConfig, BoxError> {
    let (ca, own) = match (&upstream.ca, contents) {
        (Some(path), [ca, own @ ..]) => {
            let roots = pem::roots(ca).map_err(|why| format!("ca = \"{}\": {why}", path.display()))?;
            (Some(roots), own)
        }
        (_, own) => (None, own),
    };
    let own = match own {
        [chain, key] => Some(pem::identity(chain, key).map_err(|why| format!("identity: {why}"))?),
        _ => None,
    };
    Ok(pem::client(ca, own)?)
}
