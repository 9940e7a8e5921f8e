//! The finding of an owner: the meaning of its call for the record of the operation.

use super::{Meaning, OnUnknown, Outcomes, Owner, Policy, Reason, ResponseRef, Sent};

/// A call that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Called {
    /// A response that came whole, or a response with a rest that is passed on as it comes.
    Answered {
        /// Status of the response.
        status: u16,
        /// True if the response can be kept for replays.
        retained: bool,
    },
    /// A call without a usable response.
    Failed {
        /// Knowledge about whether the upstream can have acted.
        sent: Sent,
        /// Cause of the failure.
        reason: Reason,
    },
}

/// The meaning of a call for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finding {
    /// A completion: the upstream executed the operation, and this is its response.
    Complete(ResponseRef),
    /// A release: the upstream did not act.
    Release,
    /// A loss: the owner will never know whether the upstream acted.
    Lose(Reason),
}

/// Decides what a call means for the record of its operation, by the policy of the record and the outcomes of
/// the route.
///
/// A release has to be provable: either no byte was sent, or the route lists the status as one with which its
/// upstream refuses without acting. Under `marker` the upstream's own transaction says whether it acted, so
/// that a status proves nothing there.
#[must_use]
pub fn finding(owner: Owner, policy: &Policy, outcomes: &Outcomes, called: Called) -> Finding {
    let (status, retained) = match called {
        Called::Failed { sent: Sent::Never, .. } => return Finding::Release,
        Called::Failed { sent: Sent::Maybe, reason } => return Finding::Lose(reason),
        Called::Answered { status, retained } => (status, retained),
    };
    match (outcomes.meaning(status), policy.on_unknown) {
        (Meaning::Completed, _) => Finding::Complete(ResponseRef { id: owner, status, retained }),
        (Meaning::Released, OnUnknown::Hold | OnUnknown::Retry { .. } | OnUnknown::Probe) => Finding::Release,
        (Meaning::Released, OnUnknown::Marker) | (Meaning::Unknown, _) => {
            Finding::Lose(Reason::Status(status))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const OWNER: Owner = Owner([1; 16]);

    fn found(on_unknown: OnUnknown, called: Called) -> Finding {
        let day = Duration::from_secs(86_400);
        let policy = Policy { on_unknown, lease: day, response_timeout: day, ttl: day, tombstone_ttl: day };
        finding(OWNER, &policy, &Outcomes::default(), called)
    }

    fn answered(status: u16) -> Called {
        Called::Answered { status, retained: true }
    }

    #[test]
    fn a_call_means_one_thing_under_each_policy() {
        for policy in
            [OnUnknown::Hold, OnUnknown::Retry { window: None }, OnUnknown::Probe, OnUnknown::Marker]
        {
            for reason in [Reason::Unreachable, Reason::LeaseOver] {
                assert_eq!(found(policy, Called::Failed { sent: Sent::Never, reason }), Finding::Release);
            }
            for reason in [Reason::ResponseTimeout, Reason::ConnectionLost, Reason::Shutdown] {
                assert_eq!(
                    found(policy, Called::Failed { sent: Sent::Maybe, reason }),
                    Finding::Lose(reason)
                );
            }
            for status in [200, 402, 500] {
                let response = ResponseRef { id: OWNER, status, retained: true };
                assert_eq!(found(policy, answered(status)), Finding::Complete(response));
            }
            assert_eq!(found(policy, answered(503)), Finding::Lose(Reason::Status(503)));
        }
    }

    #[test]
    fn a_status_releases_unless_a_marker_decides() {
        for policy in [OnUnknown::Hold, OnUnknown::Retry { window: None }, OnUnknown::Probe] {
            assert_eq!(found(policy, answered(429)), Finding::Release);
        }
        assert_eq!(found(OnUnknown::Marker, answered(429)), Finding::Lose(Reason::Status(429)));
    }

    #[test]
    fn a_response_that_is_not_kept_completes_all_the_same() {
        let response = ResponseRef { id: OWNER, status: 200, retained: false };
        let called = Called::Answered { status: 200, retained: false };
        assert_eq!(found(OnUnknown::Hold, called), Finding::Complete(response));
    }
}
