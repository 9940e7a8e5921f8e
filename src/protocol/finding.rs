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
        /// True if the upstream says that the marker of this execution was there already, so that it rolled
        /// its transaction back.
        conflict: bool,
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
/// the route. `undecided` is true if an earlier execution of the operation was never decided.
///
/// A release has to be provable: either no byte was sent, or the route lists the status as one with which its
/// upstream refuses without acting. Two policies leave more open:
///
/// 1. Under `marker` the upstream's own transaction says whether it acted. A status proves nothing there, and
///    an answer about a conflict is no answer to the operation.
/// 2. Under `retry` with a window, an execution that follows an undecided one meets a key that the upstream
///    knows. A status that may be about that key says nothing about the operation.
#[must_use]
pub fn finding(
    owner: Owner,
    policy: &Policy,
    undecided: bool,
    outcomes: &Outcomes,
    called: Called,
) -> Finding {
    let (status, retained, conflict) = match called {
        Called::Failed { sent: Sent::Never, .. } => return Finding::Release,
        Called::Failed { sent: Sent::Maybe, reason } => return Finding::Lose(reason),
        Called::Answered { status, retained, conflict } => (status, retained, conflict),
    };
    let unknown = Finding::Lose(Reason::Status(status));
    match (outcomes.meaning(status), policy.on_unknown) {
        (_, OnUnknown::Marker) if conflict => unknown,
        (Meaning::Released, _) => refused(policy, status),
        (Meaning::Completed, OnUnknown::Retry { window: Some(_) })
            if undecided && outcomes.may_be_about_key(status) =>
        {
            unknown
        }
        (Meaning::Completed, _) => Finding::Complete(ResponseRef { id: owner, status, retained }),
        (Meaning::Unknown, _) => unknown,
    }
}

/// Decides what a response means by which the upstream says that it did not act: with a status that the route
/// lists, or with a header that the route believes, beside any status.
///
/// Under `marker` this proves nothing, because the upstream's own transaction says whether it acted.
#[must_use]
pub fn refused(policy: &Policy, status: u16) -> Finding {
    match policy.on_unknown {
        OnUnknown::Hold | OnUnknown::Retry { .. } | OnUnknown::Probe => Finding::Release,
        OnUnknown::Marker => Finding::Lose(Reason::Status(status)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const OWNER: Owner = Owner([1; 16]);
    const RETRY: OnUnknown = OnUnknown::Retry { window: None };
    const KEYS: OnUnknown = OnUnknown::Retry { window: Some(Duration::from_secs(86_400)) };
    const POLICIES: [OnUnknown; 5] = [OnUnknown::Hold, RETRY, KEYS, OnUnknown::Probe, OnUnknown::Marker];

    fn found_after(undecided: bool, on_unknown: OnUnknown, called: Called) -> Finding {
        let day = Duration::from_secs(86_400);
        let policy = Policy { on_unknown, lease: day, response_timeout: day, ttl: day, tombstone_ttl: day };
        finding(OWNER, &policy, undecided, &Outcomes::default(), called)
    }

    fn found(on_unknown: OnUnknown, called: Called) -> Finding {
        found_after(false, on_unknown, called)
    }

    fn answered(status: u16) -> Called {
        Called::Answered { status, retained: true, conflict: false }
    }

    fn complete(status: u16, retained: bool) -> Finding {
        Finding::Complete(ResponseRef { id: OWNER, status, retained })
    }

    fn lose(status: u16) -> Finding {
        Finding::Lose(Reason::Status(status))
    }

    #[test]
    fn a_call_means_one_thing_under_each_policy() {
        for policy in POLICIES {
            for reason in [Reason::Unreachable, Reason::LeaseOver] {
                assert_eq!(found(policy, Called::Failed { sent: Sent::Never, reason }), Finding::Release);
            }
            for reason in [Reason::ResponseTimeout, Reason::ConnectionLost, Reason::Shutdown] {
                assert_eq!(
                    found(policy, Called::Failed { sent: Sent::Maybe, reason }),
                    Finding::Lose(reason)
                );
            }
            for status in [200, 402, 409, 500] {
                assert_eq!(found(policy, answered(status)), complete(status, true));
            }
            assert_eq!(found(policy, answered(503)), lose(503));
        }
    }

    #[test]
    fn a_status_releases_unless_a_marker_decides() {
        for policy in [OnUnknown::Hold, RETRY, KEYS, OnUnknown::Probe] {
            assert_eq!(found(policy, answered(429)), Finding::Release);
        }
        assert_eq!(found(OnUnknown::Marker, answered(429)), lose(429));
    }

    #[test]
    fn the_upstreams_own_word_releases_with_any_status_unless_a_marker_decides() {
        let day = Duration::from_secs(86_400);
        for status in [200, 409, 429, 500, 503] {
            for on_unknown in POLICIES {
                let policy =
                    Policy { on_unknown, lease: day, response_timeout: day, ttl: day, tombstone_ttl: day };
                let expected = match on_unknown {
                    OnUnknown::Marker => lose(status),
                    _ => Finding::Release,
                };
                assert_eq!(refused(&policy, status), expected, "{status} under {on_unknown:?}");
            }
        }
    }

    #[test]
    fn a_conflict_about_the_marker_is_no_answer_under_marker_alone() {
        for status in [200, 409, 429, 500] {
            let called = Called::Answered { status, retained: true, conflict: true };
            assert_eq!(found(OnUnknown::Marker, called), lose(status));
            assert_eq!(found(OnUnknown::Hold, called), found(OnUnknown::Hold, answered(status)));
        }
    }

    #[test]
    fn a_status_about_a_key_completes_nothing_after_an_undecided_execution() {
        for status in Outcomes::DEFAULT_ABOUT_KEYS {
            let alone = found(KEYS, answered(status));
            let after = found_after(true, KEYS, answered(status));
            match alone {
                Finding::Complete(_) => assert_eq!(after, lose(status)),
                _ => assert_eq!(after, Finding::Release, "the record stays unknown"),
            }
            assert_eq!(found_after(true, RETRY, answered(status)), found(RETRY, answered(status)));
        }
        assert_eq!(found_after(true, KEYS, answered(402)), complete(402, true));
    }

    #[test]
    fn a_response_that_is_not_kept_completes_all_the_same() {
        let called = Called::Answered { status: 200, retained: false, conflict: false };
        assert_eq!(found(OnUnknown::Hold, called), complete(200, false));
    }
}
