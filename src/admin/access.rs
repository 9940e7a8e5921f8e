//! Access control of `/v1`.
//!
//! With tokens configured, a request has to present one of them, and the token's role has to permit the
//! request: `read` looks, `settle` also changes records and sees the bodies of stored responses. Without a
//! token, a request is admitted only on a loopback listener, and only if its `Host` is a loopback name: the
//! host name of a page in the operator's own browser may be rebound to 127.0.0.1, and the browser would still
//! send that host name. On any other listener without a token, `/v1` is off.
//!
//! A page of another origin cannot change anything either, no matter which credentials its browser sends
//! along (see `origin`). Also, each change needs `DELETE` or `application/json`. A browser asks for
//! permission before it sends either of them, and this listener never gives that permission.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::watch;

use crate::config::{Admin, AdminToken, LiveConfig, Role};
use crate::peer::Peer;
use crate::protocol::RecordId;

use super::audit;
use super::operator::{Operator, PeerAddress};
use super::origin::is_foreign;
use super::problem::AdminProblem;
use super::quota::Quota;

/// Name of an operator where no token is needed.
const LOOPBACK: &str = "loopback";

/// The condition for a request to `/v1`.
#[derive(Clone, Debug)]
pub enum Access {
    /// The request presents one of these bearer tokens.
    Tokens(Arc<[AdminToken]>),
    /// The request has a `Host` that names this machine.
    Loopback,
    /// No request is admitted.
    Off,
    /// The condition of the configuration in force.
    Live(LiveConfig),
}

impl Access {
    /// Derives the condition from the configuration of the admin listener.
    #[must_use]
    pub fn of(admin: &Admin) -> Self {
        let tokens: Arc<[AdminToken]> =
            admin.tokens.iter().filter(|token| !token.secret.0.is_empty()).cloned().collect();
        match tokens.is_empty() {
            false => Self::Tokens(tokens),
            true if admin.listen.ip().is_loopback() => Self::Loopback,
            true => Self::Off,
        }
    }

    /// Returns the refusal of a request for the console, if its `Host` is one under which the records are
    /// closed.
    pub(super) fn refuses_page(&self, headers: &HeaderMap) -> Option<Response> {
        let denial = match self {
            Self::Tokens(_) => return None,
            Self::Loopback if names_loopback(headers) => return None,
            Self::Loopback => Denial::Host,
            Self::Off => Denial::Off,
            Self::Live(config) => return Self::of(&config.now().config.admin).refuses_page(headers),
        };
        Some(denial.into_response())
    }

    /// Tells whether a request with this head would be let in now.
    pub(super) fn still_admits(&self, head: &Parts) -> bool {
        self.admit(head).is_ok_and(|operator| operator.may(needed(head)))
    }

    /// Returns a receiver that notices each possible change of the condition, if it can change.
    pub(super) fn changes(&self) -> Option<watch::Receiver<()>> {
        match self {
            Self::Live(config) => Some(config.replacements()),
            Self::Tokens(_) | Self::Loopback | Self::Off => None,
        }
    }

    fn admit(&self, head: &Parts) -> Result<Operator, Denial> {
        let headers = &head.headers;
        let peer = head.extensions.get::<Peer>();
        if is_foreign(&head.method, headers, peer.map(|peer| peer.secure)) {
            return Err(Denial::Origin);
        }
        let (name, role) = match self {
            Self::Tokens(tokens) => {
                let shown = bearer(headers).ok_or(Denial::NoToken)?;
                let token = matching(shown, tokens).ok_or(Denial::WrongToken)?;
                (Arc::clone(&token.name), token.role)
            }
            Self::Loopback if names_loopback(headers) => (LOOPBACK.into(), Role::Settle),
            Self::Loopback => return Err(Denial::Host),
            Self::Off => return Err(Denial::Off),
            Self::Live(config) => return Self::of(&config.now().config.admin).admit(head),
        };
        Ok(Operator { name, role, peer: peer_of(head) })
    }
}

fn peer_of(head: &Parts) -> PeerAddress {
    PeerAddress(head.extensions.get::<Peer>().map(|peer| peer.address))
}

/// The reason why a request was refused.
#[derive(Clone, Copy)]
enum Denial {
    Origin,
    NoToken,
    WrongToken,
    Host,
    Off,
}

impl Denial {
    /// Returns the reason as the audit log has it.
    fn why(self) -> &'static str {
        match self {
            Self::Origin => "page of another origin",
            Self::NoToken => "no token",
            Self::WrongToken => "wrong token",
            Self::Host => "host is not loopback",
            Self::Off => "records are off",
        }
    }
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let forbidden = |detail| AdminProblem::http(StatusCode::FORBIDDEN, detail).into_response();
        match self {
            Self::NoToken | Self::WrongToken => {
                let detail = match self {
                    Self::NoToken => "a bearer token is needed here, and the request has none",
                    _ => "the bearer token is none of this gateway's admin tokens",
                };
                let problem = AdminProblem::http(StatusCode::UNAUTHORIZED, detail);
                let challenge = HeaderValue::from_static("Bearer realm=\"oncegate\"");
                ([(WWW_AUTHENTICATE, challenge)], problem).into_response()
            }
            Self::Origin => forbidden("a page of another origin cannot change anything here"),
            Self::Host => {
                forbidden("without an admin token, the Host has to be localhost or a loopback address")
            }
            Self::Off => forbidden("records are off: this listener is not loopback and has no admin token"),
        }
    }
}

/// Access control of one admin listener.
#[derive(Clone)]
pub(super) struct Guard {
    access: Access,
    /// Limit on the audit lines about requests that were not admitted.
    denials: Arc<Quota>,
}

impl Guard {
    /// Creates the access control for a condition.
    pub(super) fn new(access: Access) -> Self {
        Self { access, denials: Arc::default() }
    }
}

/// Passes an admitted request on to the records, and answers any other one here.
pub(super) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let operator = match guard.access.admit(&head) {
        Ok(operator) => operator,
        Err(denial) => {
            if let Some(left_out) = guard.denials.take(Instant::now()) {
                audit::log_denied(peer_of(&head), &head.method, denial.why(), left_out);
            }
            return denial.into_response();
        }
    };
    let needed = needed(&head);
    if !operator.may(needed) {
        audit::log_role(&operator, &head.method, record_in(&head), needed);
        return operator.lacks(needed).into_response();
    }
    head.extensions.insert(operator);
    next.run(Request::from_parts(head, body)).await
}

/// Returns the role that a request needs. Each method that may change something needs `settle`, except the
/// lookups, which are POST because keys must not stand in URLs.
fn needed(head: &Parts) -> Role {
    // The router has taken the prefix off.
    let lookup = head.method == Method::POST && ["/lookup", "/record-ids"].contains(&head.uri.path());
    match head.method {
        Method::GET | Method::HEAD => Role::Read,
        _ if lookup => Role::Read,
        _ => Role::Settle,
    }
}

/// Returns the record that a request is about, if its path names one.
fn record_in(head: &Parts) -> Option<RecordId> {
    head.uri.path().split('/').find_map(|segment| segment.parse().ok())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Finds the token that was presented. Compares it with all tokens, each in a time that does not depend on
/// how far they agree. It compares digests, because a comparison of the texts would end early for texts of
/// different lengths.
fn matching<'t>(shown: &[u8], tokens: &'t [AdminToken]) -> Option<&'t AdminToken> {
    let shown = Sha256::digest(shown);
    tokens.iter().fold(None, |found, token| {
        match bool::from(shown.ct_eq(&Sha256::digest(token.secret.0.as_bytes()))) {
            true => Some(token),
            false => found,
        }
    })
}

fn names_loopback(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| Authority::try_from(host.as_bytes()).ok());
    host.is_some_and(|authority| is_loopback(authority.host()))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn token_of(text: &str) -> AdminToken {
        AdminToken { name: "ops".into(), role: Role::Read, secret: Secret(text.into()) }
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in ["localhost", "LOCALHOST:9464", "127.0.0.1:9464", "127.8.8.8", "[::1]:9464"] {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert!(names_loopback(&headers), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", ""]
        {
            let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
            assert!(!names_loopback(&headers), "{host}");
        }
        assert!(!names_loopback(&HeaderMap::new()));
    }

    #[test]
    fn without_a_token_only_a_loopback_listener_shows_records() {
        let admin = |listen: &str, token: Option<&str>| Admin {
            listen: listen.parse().expect("an address"),
            tokens: token.into_iter().map(token_of).collect(),
            tls: None,
            notify: None,
        };
        assert!(matches!(Access::of(&admin("127.0.0.1:1", None)), Access::Loopback));
        assert!(matches!(Access::of(&admin("[::1]:1", Some(""))), Access::Loopback));
        assert!(matches!(Access::of(&admin("0.0.0.0:1", None)), Access::Off));
        assert!(matches!(Access::of(&admin("0.0.0.0:1", Some(""))), Access::Off));
        assert!(matches!(Access::of(&admin("0.0.0.0:1", Some("t"))), Access::Tokens(_)));
    }
}
