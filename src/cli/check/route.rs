//! The effect of one route's settings on the clients that use it.

use std::fmt::Display;

use crate::cli::page::Page;
use crate::config::units::{Size, Span};
use crate::config::{Config, InFlight, Match, OnStoreError, Route};
use crate::headers::{NOT_REPLAYED, NOT_REPLAYED_FAMILIES};
use crate::problem::Slug;
use crate::protocol::{Policy, ScopePart};

use super::problems::{self, told};
use super::same_request::same_request;
use super::{key, outcomes, settling};

/// Writes the effect of a route's settings.
pub(super) fn write(page: &mut Page, config: &Config, route: &Route) {
    page.heading(&format!("Route {:?}", &*route.name));
    page.row("covers", &covers(route));
    key::write(page, config, route);
    page.row("caller", &caller(route));
    page.row("same request", &same_request(route));
    if !route.labels.is_empty() {
        page.row("labels", &labels(route));
    }
    page.row("while one runs", &while_running(route));
    page.row("a later retry", &later_retry(route));
    settling::write(page, config, route);
    page.row("a crashed gateway", &crash(&route.policy));
    page.row("no store", &without_store(route));
    outcomes::write(page, route);
    page.row("problems", &problems::summary(route));
    page.row("a replay", &replay(route));
    page.row(
        "large responses",
        &format!(
            "up to {} kept; a larger one is passed on once, then {}",
            Size(route.max_response_body as u64),
            told(route, Slug::ResponseNotRetained)
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

fn caller(route: &Route) -> String {
    let (headers, others): (Vec<&ScopePart>, Vec<&ScopePart>) =
        route.scope.iter().partition(|part| matches!(part, ScopePart::Header(_)));
    let mut parts: Vec<String> = headers.iter().map(ToString::to_string).collect();
    parts.extend(others.iter().map(|part| match part {
        ScopePart::ClientCertificate => "issuer and subject of the client's certificate".to_owned(),
        _ => "the path".to_owned(),
    }));
    let nothing = match route.anonymous {
        true => {
            "Callers that show none of it but the path count as ONE caller (anonymous = \"one\").".to_owned()
        }
        false => format!(
            "A keyed request that shows none of it but the path is answered {}.",
            told(route, Slug::CallerUnknown)
        ),
    };
    let path = match route.scope.contains(&ScopePart::Path) {
        true => String::new(),
        false => format!(
            " The path does not count: the same key on another path of this namespace is answered {}.",
            problems::status(route, Slug::PayloadMismatch)
        ),
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
    let in_flight = told(route, Slug::InFlight);
    match route.in_flight {
        InFlight::Wait(wait) => {
            format!("a duplicate waits up to {} for the answer, then gets {in_flight}", Span(wait))
        }
        InFlight::Reject => format!("a duplicate gets {in_flight} at once"),
    }
}

fn later_retry(route: &Route) -> String {
    let policy = &route.policy;
    let replayed = format!("replayed for {}", Span(policy.ttl));
    if policy.tombstone_ttl.is_zero() {
        format!("{replayed}, then RUNS AGAIN as a new operation (no tombstone)")
    } else {
        let refused = Span(policy.tombstone_ttl);
        let expired = told(route, Slug::KeyExpired);
        format!("{replayed}, then refused for {refused} ({expired}), then a new operation")
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

fn without_store(route: &Route) -> String {
    match route.on_store_error {
        OnStoreError::Reject => format!("{}, and nothing is sent", told(route, Slug::StoreUnavailable)),
        OnStoreError::Bypass => {
            "forwarded UNPROTECTED with Idempotency-Stored: false: a retry meanwhile, or once the store is \
             back, runs the operation again"
                .to_owned()
        }
    }
}

fn replay(route: &Route) -> String {
    let usual = NOT_REPLAYED.iter().filter(|name| !route.replay_headers.contains(name));
    let mut dropped: Vec<String> = usual.chain(&route.replay_drop).map(ToString::to_string).collect();
    dropped.extend(NOT_REPLAYED_FAMILIES.map(|first| format!("{first}*")));
    format!("drops {} and the hop-by-hop headers", list(&dropped))
}
