//! A request to the admin API of a gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::config::IdentityFiles;
use crate::pem;
use crate::secret::Secret;

use super::arguments::TOKEN_VARIABLE;
use super::request::AdminRequest;

/// Longest wait for a complete answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Time for which an unused connection is kept, below the time after which a gateway closes it.
const IDLE: Duration = Duration::from_secs(2);

/// Largest answer, in bytes: a stored response may be large and is shown in base64.
const ANSWER_LIMIT: usize = 256 * 1024 * 1024;

/// A client of one gateway.
pub(super) struct Client {
    admin: Uri,
    token: Option<Secret>,
    /// True with `https` and no certificate to present.
    is_nameless: bool,
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    /// Makes a client of the gateway at `admin`. With `https` it trusts `ca`, or the usual roots, and
    /// presents `identity` to a gateway that asks for a certificate.
    ///
    /// # Errors
    /// A message about a file of certificates that is not usable.
    pub(super) fn new(
        admin: Uri,
        ca: Option<PathBuf>,
        identity: Option<IdentityFiles>,
        token: Option<Secret>,
    ) -> Result<Self, String> {
        let is_nameless = admin.scheme_str() == Some("https") && identity.is_none();
        let tls = match admin.scheme_str() {
            Some("https") => {
                let roots = |ca: PathBuf| pem::roots(&read(&ca)?).map_err(|error| error.to_string());
                let ca = ca.map(roots).transpose().map_err(|why| format!("--ca: {why}"))?;
                let own = |own: IdentityFiles| {
                    pem::identity(&read(&own.cert)?, &read(&own.key)?).map_err(|error| error.to_string())
                };
                pem::client(ca, identity.map(own).transpose()?).map_err(|error| error.to_string())?
            }
            // No TLS is used, so no certificate is trusted.
            _ => ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        };
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let http = legacy::Client::builder(TokioExecutor::new())
            // A resolution that was sent once is never repeated without the operator's knowledge.
            .retry_canceled_requests(false)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self { admin, token, is_nameless, http })
    }

    /// Sends a request and returns the answer's JSON, or the reason why there is none.
    pub(super) async fn send(&self, request: AdminRequest) -> Result<Value, String> {
        match self.ask(&request).await? {
            (status, answer) if status.is_success() => Ok(answer),
            (status, problem) => Err(explain(status, &problem)),
        }
    }

    /// Sends a request and returns the answer's status and JSON.
    ///
    /// # Errors
    /// The reason why there is no answer, or none of an admin API.
    pub(super) async fn ask(&self, request: &AdminRequest) -> Result<(StatusCode, Value), String> {
        let request = self.http_request(request)?;
        let answer = tokio::time::timeout(TIMEOUT, self.exchange(request)).await;
        let (status, body) = answer
            .map_err(|_| format!("no answer within {TIMEOUT:?}"))
            .flatten()
            .map_err(|error| format!("{}: {error}", self.admin))?;
        match serde_json::from_slice(&body) {
            Ok(answer) => Ok((status, answer)),
            Err(_) => Err(format!("{}: this is not the admin API of a gateway ({status})", self.admin)),
        }
    }

    fn http_request(&self, request: &AdminRequest) -> Result<Request<Full<Bytes>>, String> {
        let base = self.admin.to_string();
        let mut builder = Request::builder().method(&request.method).uri(format!(
            "{}{}",
            base.trim_end_matches('/'),
            request.path
        ));
        if let Some(Secret(token)) = &self.token {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| format!("{} is not a valid token", TOKEN_VARIABLE))?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        let body = match &request.body {
            Some(body) => {
                builder = builder.header(CONTENT_TYPE, "application/json");
                Full::from(body.to_string())
            }
            None => Full::default(),
        };
        builder.body(body).map_err(|error| error.to_string())
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
        let response: Response<Incoming> =
            self.http.request(request).await.map_err(|error| self.explain_failure(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_LIMIT).collect().await;
        Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
    }
}

impl Client {
    /// Returns the reason why there is no answer. A listener that asks for a certificate refuses it only after
    /// the handshake, and the reset of the connection may arrive before the alert that says why.
    fn explain_failure(&self, error: &legacy::Error) -> String {
        let cause = with_cause(error);
        match self.is_nameless && !error.is_connect() && !cause.to_lowercase().contains("certificate") {
            true => format!(
                "{cause}; a listener that asks for a client certificate closes the connection without one \
                 (--cert and --cert-key)"
            ),
            false => cause,
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Returns the innermost cause, because an operator can act on it: "connection refused".
fn with_cause(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

/// Explains an answer that is a problem.
pub(super) fn explain(status: StatusCode, problem: &Value) -> String {
    let detail = problem["detail"].as_str().or(problem["title"].as_str()).unwrap_or("no reason given");
    match problem["record"].as_str() {
        None if status == StatusCode::UNAUTHORIZED => {
            format!("{detail} ({status}). This command takes the token from {TOKEN_VARIABLE}")
        }
        // There is no record, only an id.
        Some(id) if status == StatusCode::NOT_FOUND => format!("{detail} ({status}, id {id})"),
        Some(record) => format!("{detail} ({status}, record {record})"),
        None => format!("{detail} ({status})"),
    }
}
