//! The effect of one route's settings on the clients that use it.

use std::fmt::Display;

use crate::cli::page::Page;
use crate::config::units::{Size, Span};
use crate::config::{Config, InFlight, Match, OnStoreError, Route, Settling, UnknownAnswers};
use crate::headers::{NOT_REPLAYED, NOT_REPLAYED_FAMILIES};
use crate::protocol::{Policy, ScopePart};

use super::same_request::same_request;
use super::settling;

/// Writes the effect of a route's settings.
pub(super) fn write(page: &mut Page, config: &Config, route: &Route) {
    page.heading(&format!("Route {:?}", &*route.name));
    page.row("covers", &covers(route));
    page.row("key", &key(route));
    page.row("caller", &caller(route));
    page.row("same request", &same_request(&route.fingerprint));
    if !route.labels.is_empty() {
        page.row("labels", &labels(route));
    }
    page.row("while one runs", &while_running(route));
    page.row("a later retry", &later_retry(&route.policy));
    settling::write(page, config, route);
    page.row("a crashed gateway", &crash(&route.policy));
    page.row("no store", without_store(route));
    page.row("not executed", &statuses(route.outcomes.release(), released(&route.settling)));
    page.row("unknown", &statuses(route.outcomes.unknown(), &unknown(route)));
    page.row("any other status", "stored and replayed, 500 included");
    page.row("a replay", &replay(route));
    page.row(
        "large responses",
        &format!(
            "up to {} kept; a larger one is passed on once, then 410 response-not-retained",
            Size(route.max_response_body as u64)
        ),
    );
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Joins words: `a, b and c`.
fn and(words: &[String]) -> String {
    match words {
        [all @ .., last] if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        words => words.concat(),
    }
}

fn covers(route: &Route) -> String {
    let spellings = match route.matching {
        Match::Equivalent => {
            "in every spelling that usual servers take for the same; where they disagree (%2F, %5C, \\, another \
             case of the method) 404 no-route"
        }
        Match::Exact => "compared exactly: another spelling of the path is NOT protected",
    };
    format!("{} {} → {}, {spellings}", list(&route.methods), route.path, route.upstream)
}

fn key(route: &Route) -> String {
    let absent = if route.key_required {
        "required: a request without it is answered 400 key-missing"
    } else {
        "optional: a request without it passes UNPROTECTED"
    };
    format!("{}, {absent}; its keys belong to namespace {:?}", route.key_header, &*route.namespace)
}

fn caller(route: &Route) -> String {
    let (headers, others): (Vec<&ScopePart>, Vec<&ScopePart>) =
        route.scope.iter().partition(|part| matches!(part, ScopePart::Header(_)));
    let mut parts: Vec<String> = headers.iter().map(ToString::to_string).collect();
    parts.extend(others.iter().map(|part| match part {
        ScopePart::ClientCertificate => "issuer and subject of the client's certificate".to_owned(),
        _ => "the path".to_owned(),
    }));
    let nothing = match route.anonymous {
        true => "Callers that show none of it but the path count as ONE caller (anonymous = \"one\").",
        false => "A keyed request that shows none of it but the path is answered 400 caller-unknown.",
    };
    let path = match route.scope.contains(&ScopePart::Path) {
        true => "",
        false => " The path does not count: the same key on another path of this namespace is answered 422.",
    };
    let mut text = match parts.as_slice() {
        [] => "all clients are one caller: the same key from two clients names one operation.".to_owned(),
        parts => {
            format!(
                "told by {}: the same key from two callers names two operations.{path} {nothing}",
                and(parts)
            )
        }
    };
    if route.scope.contains(&ScopePart::Header(http::header::AUTHORIZATION)) {
        text += " A refreshed token is a new caller: a retry that sends it is a new operation and runs \
                 again. If your clients refresh tokens between retries, take a header that stays.";
    }
    text
}

fn labels(route: &Route) -> String {
    let names: Vec<String> = route.labels.iter().map(|label| label.name().to_owned()).collect();
    format!("records, lists and logs show {} of a request, in clear text", and(&names))
}

fn while_running(route: &Route) -> String {
    match route.in_flight {
        InFlight::Wait(wait) => {
            format!("a duplicate waits up to {} for the answer, then gets 409 in-flight", Span(wait))
        }
        InFlight::Reject => "a duplicate gets 409 in-flight at once".into(),
    }
}

fn later_retry(policy: &Policy) -> String {
    let replayed = format!("replayed for {}", Span(policy.ttl));
    if policy.tombstone_ttl.is_zero() {
        format!("{replayed}, then RUNS AGAIN as a new operation (no tombstone)")
    } else {
        let refused = Span(policy.tombstone_ttl);
        format!("{replayed}, then refused for {refused} (410 key-expired), then a new operation")
    }
}

fn crash(policy: &Policy) -> String {
    format!(
        "its executions are unknown once it was silent for {}; an operator can declare one not executed \
         {} after that",
        Span(policy.lease),
        Span(policy.response_timeout)
    )
}

fn without_store(route: &Route) -> &'static str {
    match route.on_store_error {
        OnStoreError::Reject => "503 store-unavailable, and nothing is sent",
        OnStoreError::Bypass => {
            "forwarded UNPROTECTED with Idempotency-Stored: false: a retry meanwhile, or once the store is \
             back, runs the operation again"
        }
    }
}

fn released(settling: &Settling) -> &'static str {
    match settling {
        Settling::Marker(_) => "fenced at once, and if the fence is first the key is free again for a retry",
        Settling::Hold | Settling::Retry(_) | Settling::Probe(_) => "the key is free again for a retry",
    }
}

fn unknown(route: &Route) -> String {
    let answer = match route.unknown_answers {
        UnknownAnswers::Pass => "passed on once, then",
        UnknownAnswers::Problem => "answered outcome-unknown, and",
    };
    let then = match route.settling {
        Settling::Hold => "held as unknown",
        Settling::Retry(_) | Settling::Probe(_) | Settling::Marker(_) => "treated as a lost answer",
    };
    format!("{answer} {then}")
}

fn statuses(statuses: &[u16], meaning: &str) -> String {
    match statuses {
        [] => "no status of the upstream says so".into(),
        statuses => format!("{}: {meaning}", list(statuses)),
    }
}

fn replay(route: &Route) -> String {
    let usual = NOT_REPLAYED.iter().filter(|name| !route.replay_headers.contains(name));
    let mut dropped: Vec<String> = usual.chain(&route.replay_drop).map(ToString::to_string).collect();
    dropped.extend(NOT_REPLAYED_FAMILIES.map(|first| format!("{first}*")));
    format!("drops {} and the hop-by-hop headers", list(&dropped))
}
