//! The meaning of a failed command: nothing was written, or it is unclear whether anything was written.
//!
//! A server that *refuses* a command has not run it. That is certain for the refusals listed here and for no
//! other error.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError};

use crate::store::error::Cause;
pub(super) use crate::store::failure::Failure;

/// Codes of refusals that come before Redis writes anything, at the latest at the first write of a script.
const REFUSALS: [&str; 18] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "DENIED",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGPASS",
    "WRONGTYPE",
];

impl Failure {
    /// Tells whether the connection of the command should be replaced: the answer did not arrive, or a
    /// primary does not give such an answer.
    pub(super) fn makes_suspect(&self) -> bool {
        matches!(self, Self::Unclear(_)) || self.has_code(&["LOADING", "MASTERDOWN", "READONLY"])
    }

    /// Tells whether the cluster may have given the slot to another server.
    pub(super) fn is_misplaced(&self) -> bool {
        matches!(self, Self::Down(_) | Self::Unclear(_))
            || self.has_code(&["CLUSTERDOWN", "MASTERDOWN", "MOVED", "READONLY"])
    }
}

/// Classifies a failed attempt to connect to `address`.
pub(super) fn of_connecting(address: &str, error: RedisError) -> Failure {
    let text = format!("cannot connect to {address}: {error}");
    let source = error.source().and_then(|source| source.downcast_ref::<Arc<dyn Error + Send + Sync>>());
    let source = source.and_then(|source| source.downcast_ref::<io::Error>());
    // The TLS library reports a server that it does not trust with this kind.
    let certificate = source.is_some_and(|error| error.kind() == io::ErrorKind::InvalidData);
    let refused = error.code().is_some_and(|code| ["NOAUTH", "NOPERM", "WRONGPASS"].contains(&code));
    let is_wrong = certificate || refused || error.kind() == ErrorKind::AuthenticationFailed;
    let cause = Cause::of(text, error);
    if is_wrong { Failure::Wrong(cause) } else { Failure::Down(cause) }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        let code = error.code().filter(|code| REFUSALS.contains(code)).map(str::to_owned);
        let cause = Cause::of(error.to_string(), error);
        match code {
            Some(code) => Self::Refused { code, text: cause },
            None => Self::Unclear(cause),
        }
    }
}
