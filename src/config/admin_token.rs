//! Tokens of the admin listener.

use std::fmt;
use std::sync::Arc;

use crate::secret::Secret;

/// A bearer token for the paths under `/v1`.
#[derive(Clone, Debug)]
pub struct AdminToken {
    /// Unique name of the token, which audit lines carry.
    pub name: Arc<str>,
    /// The actions that the token permits.
    pub role: Role,
    /// The token itself. It is not empty.
    pub secret: Secret,
}

/// The actions that an operator is permitted. Each role permits the actions of the roles before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looking at records, without the bodies of stored responses.
    Read,
    /// Changing records, and looking at the bodies of stored responses.
    Settle,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Settle => "settle",
        })
    }
}
