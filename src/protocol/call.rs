//! The result of a call to the upstream, in the protocol's terms.
//!
//! Any inner service of the gateway answers with these types: a response, or a [`CallError`] that says
//! whether the upstream can have acted.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Knowledge about whether a failed call can have reached the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// A call that provably wrote no byte of the request.
    Never,
    /// A call that may have written a byte, so that the upstream may have acted.
    Maybe,
}

/// A call that brought no usable response.
#[derive(Debug)]
pub struct CallError {
    /// Knowledge about whether the upstream can have acted.
    pub sent: Sent,
    /// The reason of the failure, for the record and the log.
    pub reason: Reason,
    /// The cause, for the log only.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sent {
            Sent::Never => write!(f, "nothing was sent to the upstream: {}", self.reason),
            Sent::Maybe => write!(f, "sent, but no usable answer came: {}", self.reason),
        }
    }
}

impl std::error::Error for CallError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// The part of a call that the upstream's response timeout limits. The inner service finds it in the
/// request's extensions. Without it, the timeout limits the whole call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallLimit {
    /// The call as a whole, to the last byte of the response, because an execution has to end. The limit no
    /// longer holds once its [`Deadline`] is lifted.
    Whole,
    /// Each wait for progress, because a request without protection may have any size. Such requests have
    /// connections of their own, so that they cannot harm an execution by their effect on a connection.
    Silence,
}

/// A check, found in a request's extensions, whether the request may still be sent. The inner service makes
/// it once there is a connection, just before the first byte is written. An execution's lease may be over by
/// then.
#[derive(Clone)]
pub struct MaySend(Arc<dyn Fn() -> bool + Send + Sync>);

impl MaySend {
    /// Makes a check that allows sending while `holds` returns true.
    #[must_use]
    pub fn new(holds: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(holds))
    }

    /// Tells whether the request may be sent now.
    #[must_use]
    pub fn holds(&self) -> bool {
        (self.0)()
    }
}

/// Deadline of a call, found in the extensions of its response. The gateway lifts it when it decides to pass
/// the response on without keeping it. From then on only silence ends the response. Clones share one
/// deadline.
#[derive(Clone, Debug, Default)]
pub struct Deadline(Arc<AtomicBool>);

impl Deadline {
    /// Allows the response to take any time.
    pub fn lift(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether the response may take any time.
    #[must_use]
    pub fn is_lifted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Mark in the extensions of a response: its status and its length are known, but its head cannot be passed
/// on. Such a response has no headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable;

/// The reason why an execution brought no stored response. It is kept in the record and shown to operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Failure to connect: refused, DNS or TLS failure, connect timeout.
    Unreachable,
    /// No complete response within the response timeout.
    ResponseTimeout,
    /// A connection that broke before a complete response.
    ConnectionLost,
    /// A response that could not be read to its end.
    BrokenAnswer,
    /// A response with a status that does not say whether the upstream acted.
    Status(u16),
    /// A shutdown of the gateway before the response came.
    Shutdown,
    /// An owner that stayed silent past its lease: its process crashed or was cut off.
    LeaseOver,
}

impl Reason {
    /// Returns the value of a metric's `reason` label: short, stable, and out of a bounded set.
    #[must_use]
    pub fn label(self) -> Cow<'static, str> {
        match self {
            Self::Unreachable => "unreachable".into(),
            Self::ResponseTimeout => "response-timeout".into(),
            Self::ConnectionLost => "connection-lost".into(),
            Self::BrokenAnswer => "broken-answer".into(),
            Self::Status(status) => format!("status-{status}").into(),
            Self::Shutdown => "shutdown".into(),
            Self::LeaseOver => "lease-over".into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("upstream unreachable"),
            Self::ResponseTimeout => f.write_str("response timeout"),
            Self::ConnectionLost => f.write_str("connection lost"),
            Self::BrokenAnswer => f.write_str("broken answer"),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Shutdown => f.write_str("gateway shut down"),
            Self::LeaseOver => f.write_str("lease over"),
        }
    }
}

/// The meaning of a complete response of the upstream for the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// An execution that ran to its end, successful or not. The response is kept.
    Completed,
    /// An upstream that did not act. The key is free again.
    Released,
    /// A status that does not say whether the upstream acted.
    Unknown,
}

/// The statuses that say that the upstream did not act, and those that leave it open. Any other status is
/// final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcomes {
    release: Vec<u16>,
    unknown: Vec<u16>,
}

impl Outcomes {
    /// Statuses with which upstreams, and the proxies in front of them, refuse without acting.
    pub const DEFAULT_RELEASE: [u16; 8] = [307, 308, 401, 403, 407, 421, 425, 429];
    /// Statuses that a mesh or balancer also sends after the upstream got the request.
    pub const DEFAULT_UNKNOWN: [u16; 4] = [408, 502, 503, 504];

    /// Checks the lists.
    ///
    /// # Errors
    /// Returns the status that is not a final one (200 to 599), or that stands in both lists.
    pub fn new(release: Vec<u16>, unknown: Vec<u16>) -> Result<Self, u16> {
        let misplaced = release.iter().chain(&unknown).find(|status| !(200..600).contains(*status));
        let doubled = release.iter().find(|status| unknown.contains(status));
        match misplaced.or(doubled) {
            Some(status) => Err(*status),
            None => Ok(Self { release, unknown }),
        }
    }

    /// Returns the meaning of `status`.
    #[must_use]
    pub fn meaning(&self, status: u16) -> Meaning {
        if self.release.contains(&status) {
            Meaning::Released
        } else if self.unknown.contains(&status) {
            Meaning::Unknown
        } else {
            Meaning::Completed
        }
    }

    /// Returns the statuses that mean "not executed".
    #[must_use]
    pub fn release(&self) -> &[u16] {
        &self.release
    }

    /// Returns the statuses that mean "cannot tell".
    #[must_use]
    pub fn unknown(&self) -> &[u16] {
        &self.unknown
    }
}

impl Default for Outcomes {
    fn default() -> Self {
        Self { release: Self::DEFAULT_RELEASE.to_vec(), unknown: Self::DEFAULT_UNKNOWN.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_means_one_thing() {
        let outcomes = Outcomes::default();
        assert_eq!(outcomes.meaning(201), Meaning::Completed);
        assert_eq!(outcomes.meaning(500), Meaning::Completed);
        assert_eq!(outcomes.meaning(429), Meaning::Released);
        assert_eq!(outcomes.meaning(503), Meaning::Unknown);
        assert_eq!(Outcomes::new(vec![503], vec![503]), Err(503));
        assert_eq!(Outcomes::new(vec![101], vec![]), Err(101));
    }
}
