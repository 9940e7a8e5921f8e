//! The operator behind a request to `/v1`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;

use crate::config::Role;
use crate::protocol::{Signature, Signed};

use super::problem::AdminProblem;

/// The operator that access control has admitted. Audit lines carry its name and address.
#[derive(Clone, Debug)]
pub(super) struct Operator {
    /// Name of the token that was presented, or `loopback` where no token is needed.
    pub(super) name: Arc<str>,
    /// The actions that the operator is permitted.
    pub(super) role: Role,
    /// Address at the other end of the connection.
    pub(super) peer: PeerAddress,
}

impl Operator {
    /// Tells whether the operator is permitted the actions of `needed`.
    pub(super) fn may(&self, needed: Role) -> bool {
        self.role >= needed
    }

    /// Signs a step for the record's history.
    pub(super) fn signed<S>(&self, step: S, note: Option<&str>) -> Signed<S> {
        Signed { step, signature: Signature { by: Arc::clone(&self.name), note: note.map(Into::into) } }
    }

    /// Creates the problem of an operator that is not permitted the actions of `needed`.
    pub(super) fn lacks(&self, needed: Role) -> AdminProblem {
        let detail =
            format!("this needs the role `{needed}`; the token `{}` has the role `{}`", self.name, self.role);
        AdminProblem::http(StatusCode::FORBIDDEN, detail)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Operator {
    type Rejection = AdminProblem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AdminProblem> {
        let admitted = parts.extensions.get::<Self>().cloned();
        admitted.ok_or_else(|| AdminProblem::http(StatusCode::FORBIDDEN, "this request was not admitted"))
    }
}

/// The address of a peer, or `unknown` where no server has noted it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PeerAddress(pub(super) Option<IpAddr>);

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}
