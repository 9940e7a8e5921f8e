//! Access control of `/v1`.
//!
//! With a token configured, a request has to present it. Without a token, a request is admitted only on a
//! loopback listener, and only if its `Host` is a loopback name: the host name of a page in the operator's
//! own browser may be rebound to 127.0.0.1, and the browser would still send that host name. On any other
//! listener without a token, `/v1` is off.
//!
//! A page of another origin cannot change anything either, no matter which credentials its browser sends
//! along (see `origin`). Also, each change needs `DELETE` or `application/json`. A browser asks for
//! permission before it sends either of them, and this listener never gives that permission.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HOST, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::Admin;
use crate::peer::Peer;
use crate::secret::Secret;

use super::origin::is_foreign;
use super::problem::AdminProblem;

/// The condition for a request to `/v1`.
#[derive(Clone, Debug)]
pub enum Access {
    /// The request presents this bearer token.
    Token(Secret),
    /// The request has a `Host` that names this machine.
    Loopback,
    /// No request is admitted.
    Off,
}

impl Access {
    /// Derives the condition from the configuration of the admin listener.
    #[must_use]
    pub fn of(admin: &Admin) -> Self {
        match &admin.token {
            Some(token) if !token.0.is_empty() => Self::Token(token.clone()),
            _ if admin.listen.ip().is_loopback() => Self::Loopback,
            _ => Self::Off,
        }
    }

    fn admit(&self, request: &Request) -> Result<(), Denial> {
        let headers = request.headers();
        let secure = request.extensions().get::<Peer>().map(|peer| peer.secure);
        if is_foreign(request.method(), headers, secure) {
            return Err(Denial::Origin);
        }
        match self {
            Self::Token(token) if bearer(headers).is_some_and(|shown| same(shown, token)) => Ok(()),
            Self::Token(_) => Err(Denial::Token),
            Self::Loopback if names_loopback(headers) => Ok(()),
            Self::Loopback => Err(Denial::Host),
            Self::Off => Err(Denial::Off),
        }
    }
}

/// The reason why a request was refused.
enum Denial {
    Origin,
    Token,
    Host,
    Off,
}

impl IntoResponse for Denial {
    fn into_response(self) -> Response {
        let forbidden = |detail| AdminProblem::http(StatusCode::FORBIDDEN, detail).into_response();
        match self {
            Self::Token => {
                let problem =
                    AdminProblem::http(StatusCode::UNAUTHORIZED, "this needs the admin token as bearer");
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

/// Passes an admitted request on to the records, and answers any other one here.
pub(super) async fn guard(State(access): State<Access>, request: Request, next: Next) -> Response {
    match access.admit(&request) {
        Ok(()) => next.run(request).await,
        Err(denial) => denial.into_response(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Compares two tokens in a time that does not depend on how far they agree. It compares their digests,
/// because a comparison of the texts would end early for texts of different lengths.
fn same(shown: &[u8], token: &Secret) -> bool {
    Sha256::digest(shown).ct_eq(&Sha256::digest(token.0.as_bytes())).into()
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
            token: token.map(|token| Secret(token.into())),
            tls: None,
        };
        assert!(matches!(Access::of(&admin("127.0.0.1:1", None)), Access::Loopback));
        assert!(matches!(Access::of(&admin("[::1]:1", Some(""))), Access::Loopback));
        assert!(matches!(Access::of(&admin("0.0.0.0:1", None)), Access::Off));
        assert!(matches!(Access::of(&admin("0.0.0.0:1", Some(""))), Access::Off));
        assert!(matches!(Access::of(&admin("0.0.0.0:1", Some("t"))), Access::Token(_)));
    }
}
