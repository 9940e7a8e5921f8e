//! Changes of one route, apart from names, policy and upstream.

use crate::config::units::{Size, Span};
use crate::config::{OnStoreError, Route, UnknownAnswers};
use crate::protocol::PathScheme;

use super::effect::Effect;

/// Compares a route with the route that takes its requests in the new configuration.
pub(super) fn effects(about: &str, before: &Route, after: &Route) -> Vec<Effect> {
    let mut effects = times(about, before, after);
    effects.extend(fingerprint(about, before, after));
    effects.extend(spellings(about, before, after));
    effects.extend(admission(about, before, after));
    effects.extend(keeping(about, before, after));
    effects
}

/// Compares how long a key is remembered. A record keeps the times that it was made with.
fn times(about: &str, before: &Route, after: &Route) -> Vec<Effect> {
    let (was, is) = (before.policy, after.policy);
    let mut effects = Vec::new();
    let whole = |route: &Route| route.policy.ttl.saturating_add(route.policy.tombstone_ttl);
    if (was.ttl, was.tombstone_ttl) != (is.ttl, is.tombstone_ttl) {
        let is_shorter = whole(after) < whole(before);
        let effect = match is_shorter {
            true => "A new key is remembered for a shorter time, and a retry that comes later runs again",
            false => {
                "A retry after ttl gets no replay; while the tombstone lasts, it does not run again either"
            }
        };
        let text = format!(
            "ttl {} and tombstone_ttl {}, before {} and {}. {effect}. Keys in flight keep their times",
            Span(is.ttl),
            Span(is.tombstone_ttl),
            Span(was.ttl),
            Span(was.tombstone_ttl)
        );
        effects.push(Effect::of(is_shorter, about, text));
    }
    let spans = [
        ("lease", was.lease, is.lease),
        ("connect_timeout and response_timeout of its upstream", was.response_timeout, is.response_timeout),
    ];
    for (key, was, is) in spans.into_iter().filter(|(_, was, is)| was != is) {
        let text = format!(
            "{key}: {}, before {}. Running executions keep the times that they began with",
            Span(is),
            Span(was)
        );
        effects.push(Effect::safe(about, text));
    }
    effects
}

/// Compares the parts of a request that count. A template of another path makes no other request.
fn fingerprint(about: &str, before: &Route, after: &Route) -> Option<Effect> {
    let (was, is) = (&before.fingerprint, &after.fingerprint);
    if was.body == is.body && was.headers == is.headers {
        return None;
    }
    let older = match was.is_first_releases() && !is.is_first_releases() {
        true => ". A gateway of an earlier release cannot compute the new one, and answers record-unreadable",
        false => "",
    };
    let text = "fingerprint: it is made otherwise for new keys. A retry of a key in flight is compared by \
                the scheme of its record, also by gateways with the other file";
    Some(Effect::safe(about, format!("{text}{older}")))
}

fn spellings(about: &str, before: &Route, after: &Route) -> Option<Effect> {
    let text = match (&before.fingerprint.path, &after.fingerprint.path) {
        (PathScheme::Equivalent(_), PathScheme::AsSent) => {
            "match: \"exact\". For new keys, another spelling of the path is another request"
        }
        (PathScheme::AsSent, PathScheme::Equivalent(_)) => {
            "match: \"equivalent\". For new keys, other spellings of the path are the same request"
        }
        (PathScheme::AsSent, PathScheme::AsSent) | (PathScheme::Equivalent(_), PathScheme::Equivalent(_)) => {
            return None;
        }
    };
    Some(Effect::safe(about, format!("{text}. A key in flight is compared by the scheme of its record")))
}

/// Compares which requests are protected, and what their clients are told.
fn admission(about: &str, before: &Route, after: &Route) -> Vec<Effect> {
    let mut effects = Vec::new();
    let bypasses = |route: &Route| route.on_store_error == OnStoreError::Bypass;
    if bypasses(after) && !bypasses(before) {
        let text = "on_store_error: \"bypass\". While the store does not answer, a retry of a key in flight runs again";
        effects.push(Effect::dangerous(about, text));
    }
    if before.key.required && !after.key.required {
        let text = "key.required: false. A request without a key runs unprotected";
        effects.push(Effect::safe(about, text));
    }
    if before.anonymous && !after.anonymous {
        let text = "anonymous: \"refuse\". A retry that shows no part of the scope is refused \
                    (caller-unknown), and its client does not learn the outcome";
        effects.push(Effect::safe(about, text));
    }
    if after.anonymous && !before.anonymous {
        let text = "anonymous: \"one\". Callers that show no part of the scope were refused, and now \
                    share their keys: a request may get the answer of another caller instead of running";
        effects.push(Effect::dangerous(about, text));
    }
    effects.extend(unknown_answers(about, before, after));
    effects
}

/// Compares what clients get where the outcome is unknown. A client that knows only statuses takes the
/// upstream's answer for one about the outcome.
fn unknown_answers(about: &str, before: &Route, after: &Route) -> Option<Effect> {
    match (before.unknown_answers, after.unknown_answers) {
        (UnknownAnswers::Problem, UnknownAnswers::Pass) => Some(Effect::dangerous(
            about,
            "unknown_answers: \"pass\". Where the outcome is unknown, clients get the upstream's answer \
             instead of the problem outcome-unknown. Only the header Idempotency-Outcome says that the \
             operation may have run",
        )),
        (UnknownAnswers::Pass, UnknownAnswers::Problem) => Some(Effect::safe(
            about,
            "unknown_answers: \"problem\". Where the outcome is unknown, clients get the problem \
             outcome-unknown instead of the upstream's answer",
        )),
        _ => None,
    }
}

/// Compares what is kept of requests and answers.
fn keeping(about: &str, before: &Route, after: &Route) -> Vec<Effect> {
    let mut effects = Vec::new();
    if after.max_response_body < before.max_response_body {
        let text = format!(
            "max_response_body: {}, before {}. A larger new answer is passed on and not kept: a retry \
             gets response-not-retained, and does not run. Fewer replays of larger kept answers fit at \
             once",
            Size(after.max_response_body as u64),
            Size(before.max_response_body as u64)
        );
        effects.push(Effect::safe(about, text));
    }
    if before.keep_request != after.keep_request {
        let text = match after.keep_request {
            true => {
                "keep_request: on. The gateway itself may send requests of new keys again, as the policy allows"
            }
            false => {
                "keep_request: off. Requests of new keys are not kept, and under \"retry\" the gateway \
                 itself repeats no unknown execution of a key in flight; retries of clients do"
            }
        };
        effects.push(Effect::safe(about, text));
    }
    if (&before.replay_headers, &before.replay_drop) != (&after.replay_headers, &after.replay_drop) {
        let text = "replay_headers or replay_drop: other headers of new answers are kept. Replays of keys \
                    in flight stay as they are";
        effects.push(Effect::safe(about, text));
    }
    effects
}
