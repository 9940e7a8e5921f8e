//! Warnings about the meaning of the upstream's answers.

use crate::config::{Route, Settling};
use crate::protocol::{Meaning, Outcomes, StatusClass, Statuses};

/// Returns the warnings about the outcomes of a route.
pub fn warnings(route: &Route) -> impl Iterator<Item = String> {
    let outcomes = &route.outcomes;
    [freed(outcomes), released(outcomes), believed(route), held(outcomes), stored(outcomes)]
        .into_iter()
        .flatten()
}

/// Tells whether a status may come after the upstream acted: a success, a redirect to the created resource, a
/// decline (402), a server or balancer that gave up waiting (408, 460, 499), a conflict with an earlier
/// request (409), and every failure. 307 and 308 say that the request is to be sent elsewhere.
fn may_have_acted(status: u16) -> bool {
    matches!(status, 200..=306 | 309..=399 | 402 | 408 | 409 | 460 | 499 | 500..)
}

const SUCCESS: Statuses = Statuses::Class(StatusClass::Success);

/// Warns of successes that free their key.
fn freed(outcomes: &Outcomes) -> Option<String> {
    let text = "outcomes.release has 2xx: a success is not stored, and its key is free again, so each retry runs the \
                operation AGAIN, and at most once ends there. Leave it only if no success of this upstream says that \
                it acted";
    outcomes.release().contains(&SUCCESS).then(|| text.into())
}

/// Warns of released statuses that may come after the upstream acted. A class is named for the statuses of it
/// that have no entry of their own.
fn released(outcomes: &Outcomes) -> Option<String> {
    let doubtful = |entry: &Statuses| {
        let statuses = (200..600).filter(|status| entry.covers(*status) && may_have_acted(*status));
        let mut released = statuses.filter(|status| outcomes.meaning(*status) == Meaning::Released);
        *entry != SUCCESS && released.next().is_some()
    };
    let listed = outcomes.release().iter().filter(|entry| doubtful(entry));
    let listed: Vec<String> = listed.map(ToString::to_string).collect();
    let text = format!(
        "outcomes.release has {}, which may come after the upstream acted: the key is free again, and a retry \
         runs the operation AGAIN, so at most once ends there. Leave it only if this upstream never acts before \
         it says so",
        and(&listed)
    );
    (!listed.is_empty()).then_some(text)
}

/// Warns of headers that release. With a marker, its table decides whether they are true.
fn believed(route: &Route) -> Option<String> {
    let words: Vec<String> = route.release_when.iter().map(ToString::to_string).collect();
    let text = format!(
        "release_when believes {}: the key is free again, whatever the status, and a retry runs the operation AGAIN. \
         At most once ends there if this upstream can say so after it acted. With some upstreams such a header only \
         means that their own keys make a retry safe: then take on_unknown = \"retry\" with upstream_keys instead. \
         Such an answer is passed on as it came: a client that reads only the status takes a 2xx for a payment",
        and(&words)
    );
    (!words.is_empty() && !matches!(route.settling, Settling::Marker(_))).then_some(text)
}

/// Warns of successes that leave the outcome unknown.
fn held(outcomes: &Outcomes) -> Option<String> {
    let text =
        "outcomes.unknown has 2xx: no success is stored or replayed, and each leaves its outcome unknown";
    outcomes.unknown().contains(&SUCCESS).then(|| text.into())
}

/// Warns of default statuses of `unknown` that were removed from it and so are stored.
fn stored(outcomes: &Outcomes) -> Option<String> {
    let usual = Outcomes::DEFAULT_UNKNOWN.into_iter();
    let missing = usual.filter(|status| outcomes.meaning(*status) == Meaning::Completed);
    let missing: Vec<String> = missing.map(|status| status.to_string()).collect();
    let text = format!(
        "outcomes.unknown lacks {}: stored and replayed as the outcome, although a proxy on the way also says \
         so after the upstream got the request. A client that takes it for a failure pays again under a new key",
        and(&missing)
    );
    (!missing.is_empty()).then_some(text)
}

/// Joins words: `500, 503 and 504`.
fn and(words: &[String]) -> String {
    match words {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        words => words.concat(),
    }
}
