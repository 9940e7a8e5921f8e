//! The parts that records, responses and histories have in common, and the error for bytes that are none.

use std::fmt;

use http::StatusCode;

use crate::protocol::{Owner, Reason};

use super::wire;

/// The reason why bytes cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable(pub(super) String);

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Undecodable {}

pub(super) fn present<T>(part: Option<T>, what: &str) -> Result<T, Undecodable> {
    part.ok_or_else(|| Undecodable(format!("its {what} is missing or of a kind not known here")))
}

pub(super) fn sized<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N], Undecodable> {
    let wrong = || Undecodable(format!("its {what} has {} bytes instead of {N}", bytes.len()));
    bytes.try_into().map_err(|_| wrong())
}

pub(super) fn token(bytes: &[u8]) -> Result<Owner, Undecodable> {
    sized(bytes, "token").map(Owner)
}

pub(super) fn status(code: u32) -> Result<u16, Undecodable> {
    match u16::try_from(code) {
        Ok(status) if StatusCode::from_u16(status).is_ok() => Ok(status),
        _ => Err(refused("status", code)),
    }
}

pub(super) fn refused(what: &str, value: impl fmt::Display) -> Undecodable {
    Undecodable(format!("its {what} is {value}, which is not known here"))
}

pub(super) fn reason_to_wire(reason: Reason) -> wire::Reason {
    match reason {
        Reason::Unreachable => wire::Reason::Unreachable,
        Reason::ResponseTimeout => wire::Reason::ResponseTimeout,
        Reason::ConnectionLost => wire::Reason::ConnectionLost,
        Reason::BrokenAnswer => wire::Reason::BrokenAnswer,
        Reason::Status(_) => wire::Reason::Status,
        Reason::Shutdown => wire::Reason::Shutdown,
        Reason::LeaseOver => wire::Reason::LeaseOver,
    }
}

/// Returns the status of a reason, or zero for a reason without one.
pub(super) fn status_of(reason: Reason) -> u32 {
    if let Reason::Status(status) = reason { u32::from(status) } else { 0 }
}

pub(super) fn reason_from_wire(reason: i32, code: u32) -> Result<Reason, Undecodable> {
    Ok(match wire::Reason::try_from(reason) {
        Ok(wire::Reason::Unreachable) => Reason::Unreachable,
        Ok(wire::Reason::ResponseTimeout) => Reason::ResponseTimeout,
        Ok(wire::Reason::ConnectionLost) => Reason::ConnectionLost,
        Ok(wire::Reason::BrokenAnswer) => Reason::BrokenAnswer,
        Ok(wire::Reason::Status) => Reason::Status(status(code)?),
        Ok(wire::Reason::Shutdown) => Reason::Shutdown,
        Ok(wire::Reason::LeaseOver) => Reason::LeaseOver,
        Ok(wire::Reason::Unspecified) | Err(_) => return Err(refused("reason", reason)),
    })
}
