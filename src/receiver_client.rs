//! The HTTP client of the gateway's own messages, for receivers that the configuration names: the webhook for
//! unknown outcomes, and the receiver of traces. Requests of clients never go through it.

use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};

use crate::pem::{self, PemError};

/// Longest wait for a TCP connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time that an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// A client of one receiver, over HTTP or HTTPS.
pub type ReceiverClient = legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Creates a client of the receiver at `url`, which trusts the usual roots.
///
/// # Errors
/// [`PemError`] if the URL is `https://` and this machine has no usual roots.
pub fn receiver_client(url: &Uri) -> Result<ReceiverClient, PemError> {
    let tls = match url.scheme_str() {
        Some("https") => pem::client(None, None)?,
        // No TLS is used, so no certificate is trusted.
        _ => ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
    };
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    let mut client = legacy::Client::builder(TokioExecutor::new());
    Ok(client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT).build(connector))
}
