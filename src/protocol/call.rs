//! The result of a call to the upstream, in the protocol's terms.

use std::borrow::Cow;
use std::fmt;

/// Knowledge about whether a failed call can have reached the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sent {
    /// A call that provably wrote no byte of the request.
    Never,
    /// A call that may have written a byte, so that the upstream may have acted.
    Maybe,
}

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
    /// The reasons that carry no status.
    pub const WITHOUT_STATUS: [Self; 6] = [
        Self::Unreachable,
        Self::ResponseTimeout,
        Self::ConnectionLost,
        Self::BrokenAnswer,
        Self::Shutdown,
        Self::LeaseOver,
    ];

    /// Returns the reason with this text, as a record shows it, or with this label of a metric.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        let status = text.strip_prefix("status").and_then(|rest| rest.get(1..)?.parse().ok());
        let mut candidates = Self::WITHOUT_STATUS.into_iter().chain(status.map(Self::Status));
        candidates.find(|reason| reason.to_string() == text || reason.label() == text)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_named_by_its_text_and_by_its_label() {
        for reason in Reason::WITHOUT_STATUS.into_iter().chain([Reason::Status(503)]) {
            assert_eq!(Reason::named(&reason.to_string()), Some(reason));
            assert_eq!(Reason::named(&reason.label()), Some(reason));
        }
        for text in
            ["", "status", "status 0503", "status +503", "status_503", "statusé503", "503", "lease  over"]
        {
            assert_eq!(Reason::named(text), None, "{text}");
        }
    }
}
