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
    about_keys: Vec<u16>,
}

impl Outcomes {
    /// Statuses with which upstreams, and the proxies in front of them, refuse without acting.
    pub const DEFAULT_RELEASE: [u16; 8] = [307, 308, 401, 403, 407, 421, 425, 429];
    /// Statuses that a mesh or balancer also sends after the upstream got the request.
    pub const DEFAULT_UNKNOWN: [u16; 4] = [408, 502, 503, 504];

    /// Statuses with which upstreams also speak about their own idempotency keys.
    pub const DEFAULT_ABOUT_KEYS: [u16; 8] = [400, 401, 403, 404, 409, 422, 425, 429];

    /// Checks the lists of releases and of unknown outcomes.
    ///
    /// # Errors
    /// Returns the status that is not a final one (200 to 599), or that stands in both lists.
    pub fn new(release: Vec<u16>, unknown: Vec<u16>) -> Result<Self, u16> {
        let misplaced = release.iter().chain(&unknown).find(|status| !(200..600).contains(*status));
        let doubled = release.iter().find(|status| unknown.contains(status));
        match misplaced.or(doubled) {
            Some(status) => Err(*status),
            None => Ok(Self { release, unknown, about_keys: Self::DEFAULT_ABOUT_KEYS.to_vec() }),
        }
    }

    /// Returns the outcomes with other statuses that may be about the upstream's own key.
    #[must_use]
    pub fn with_about_keys(self, about_keys: Vec<u16>) -> Self {
        Self { about_keys, ..self }
    }

    /// Tells whether `status` may be the upstream's word about its own key, instead of the outcome of the
    /// operation. This matters for an execution that follows an undecided one with the same key.
    #[must_use]
    pub fn may_be_about_key(&self, status: u16) -> bool {
        self.about_keys.contains(&status)
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
        Self {
            release: Self::DEFAULT_RELEASE.to_vec(),
            unknown: Self::DEFAULT_UNKNOWN.to_vec(),
            about_keys: Self::DEFAULT_ABOUT_KEYS.to_vec(),
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
