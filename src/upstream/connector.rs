//! The connector of one upstream: how an upstream over `https` is trusted, and how the gateway identifies itself.

use std::time::Duration;

use http::uri::Scheme;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Upstream;
use crate::pem;
use crate::reload::Reloading;

/// Makes the connections to one upstream.
pub(super) type Connect = HttpsConnector<HttpConnector>;
/// A [`Connect`] that is made anew when the files of its certificates change.
pub type Connector = Reloading<Connect>;

/// How often an idle connection is probed by the system.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Connects to the upstream in the way its URL says; made anew when a file of certificates changes. TLS
/// early data stays off: what is sent in it can be replayed by anyone on the way.
///
/// # Errors
/// Nobody could ever be trusted: the machine has no roots, or a file is not usable.
pub(super) fn connector(upstream: &Upstream) -> Result<Connector, String> {
    let identity = upstream.identity.iter().flat_map(|files| [&files.cert, &files.key]);
    let files = upstream.ca.iter().chain(identity).cloned().collect();
    let upstream = upstream.clone();
    Connector::new(files, move |contents| {
        let tls = if upstream.url.scheme() == Some(&Scheme::HTTPS) {
            trusting(&upstream, contents)?
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

/// All addresses of a host are tried within `patience`: one that is silent does not use it up.
fn tcp(patience: Duration) -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(patience));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp
}

/// The files' contents come in the order of [`connector`]: authorities, certificate, key, as far as they
/// are named.
fn trusting(upstream: &Upstream, contents: &[Vec<u8>]) -> Result<ClientConfig, String> {
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
    pem::client(ca, own)
}
