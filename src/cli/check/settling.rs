//! The effect of an unknown outcome on a route: the evidence that settles it, and what the route keeps of
//! its requests for that.

use std::fmt::Display;

use crate::cli::page::Page;
use crate::config::units::{Size, Span};
use crate::config::{Config, Marker, Probe, Route, SealKey, Settling, UpstreamKeys};
use crate::problem::Slug;
use crate::protocol::Policy;
use crate::protocol::probe::{Rules, When};
use crate::settle::LARGEST_REQUEST;

use super::problems::{self, told_at_once};

/// Writes the effect of an unknown outcome on a route.
pub(super) fn write(page: &mut Page, config: &Config, route: &Route) {
    match &route.settling {
        Settling::Hold => {
            page.row("a lost answer", &format!("{}, then {}", told_at_once(route), later(route)))
        }
        Settling::Retry(None) => page.row("a lost answer", &format!("{}; {REPEATED}", told_at_once(route))),
        Settling::Retry(Some(keys)) => recognised(page, keys, route),
        Settling::Probe(probe) => asked(page, config, probe, route),
        Settling::Marker(marker) => marked(page, marker, route),
    }
    if route.keep_request {
        let text = format!(
            "the request as it goes upstream, credentials included, is stored with the record until its operation is \
             settled, sealed under [store] seal. A party with that key and access to the store can read it. A request \
             above {} with its head is not kept: only its client can send it again",
            Size(LARGEST_REQUEST as u64)
        );
        page.row("keeps the request", &text);
    }
}

/// Writes which keys seal and open what is kept.
pub(super) fn seals(page: &mut Page, keys: &[SealKey]) {
    let Some((first, others)) = keys.split_first() else { return };
    let others: Vec<&str> = others.iter().map(|key| key.id.as_str()).collect();
    let older = match others.as_slice() {
        [] => String::new(),
        others => format!("; {} opens what is older", others.join(", ")),
    };
    page.row("seal", &format!("key {} seals what records keep of requests{older}", first.id));
}

/// Describes how long an outcome stays unknown.
fn later(route: &Route) -> String {
    let policy = &route.policy;
    let tombstone = match policy.tombstone_ttl {
        none if none.is_zero() => Policy::UNKNOWN_TOMBSTONE,
        some => some,
    };
    format!(
        "{} for {} and {} more, unless a late answer or an operator decides it",
        problems::status(route, Slug::OutcomeUnknown),
        Span(policy.ttl),
        Span(tombstone)
    )
}

const REPEATED: &str = "a later attempt RUNS THE OPERATION AGAIN, with the same key forwarded. It \
                        may run more than once, unless the upstream recognises the key";

fn recognised(page: &mut Page, keys: &UpstreamKeys, route: &Route) {
    let window = Span(keys.window);
    page.row(
        "a lost answer",
        &format!(
            "{}; for {window} from the first attempt, less the {} that a call may take, an attempt \
             with the same bytes goes upstream again with the same key: at most once, provided the upstream honours its \
             keys for {window}. After that held: {}",
            told_at_once(route),
            Span(route.policy.response_timeout),
            later(route),
        ),
    );
    let text = match keys.undecided.as_slice() {
        [] => {
            "every status but those of outcomes is taken for the operation's own, even 409: an upstream that \
               refuses the key with it has its refusal stored"
                .to_owned()
        }
        statuses => format!(
            "{}: may be the upstream's word about its key, so the outcome stays unknown",
            list(statuses)
        ),
    };
    page.row("an answer to that", &text);
}

fn asked(page: &mut Page, config: &Config, probe: &Probe, route: &Route) {
    page.row(
        "a lost answer",
        &format!(
            "{}; {} after the lease ended, when no call can be under way any more, the upstream is \
             asked. Executed: settled, and never run again. Not executed: the next attempt runs. Anything else: {}",
            told_at_once(route),
            Span(route.policy.response_timeout),
            later(route),
        ),
    );
    let placeholders = probe.template.placeholders();
    page.row(
        "the question",
        &format!(
            "GET at {}, {} to answer{}. {}",
            probe.template.origin(),
            Span(probe.timeout),
            headers(probe),
            meaning(&probe.rules, route)
        ),
    );
    let kept = match (placeholders.as_slice(), config.store.seal.first()) {
        ([], _) => "nothing of the request: the URL names only the execution".to_owned(),
        (names, Some(_)) => {
            format!("{}, with the record until it is settled, sealed under [store] seal", list(names))
        }
        (names, None) => format!(
            "{}, with the record until it is settled, READABLE in the store: there is no [store] seal",
            list(names)
        ),
    };
    page.row("keeps for it", &kept);
    page.row(
        "if told no",
        &format!(
            "believed only {} after that time (not_before), because a search may not find yet what was just executed. \
             A request that is still in flight can execute even later",
            Span(probe.not_before)
        ),
    );
}

fn headers(probe: &Probe) -> String {
    let names: Vec<&str> = probe.headers.iter().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!(", with {}", names.join(", ")) }
}

/// Describes which answers decide.
fn meaning(rules: &Rules, route: &Route) -> String {
    let said = |texts: Vec<String>, meaning: &str| {
        (!texts.is_empty()).then(|| format!("{}: {meaning}", texts.join(", ")))
    };
    let by_status = |statuses: &[u16]| statuses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let mut parts = vec![said(by_status(&rules.not_executed), "not executed")];
    if let Some(When { pointer, executed, not_executed }) = &rules.when {
        let values = |values: &[String]| values.iter().map(|value| format!("{value:?}")).collect();
        parts.push(Some(format!("{pointer} alone decides another 2xx")));
        parts.push(said(values(executed), "executed"));
        parts.push(said(values(not_executed), "not executed"));
    }
    // A value that decides a 2xx leaves no meaning to the status.
    let effective = |status: &&u16| rules.when.is_none() || !(200..300).contains(*status);
    let executed: Vec<u16> = rules.executed.iter().filter(effective).copied().collect();
    parts.push(said(by_status(&executed), "executed"));
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let response = match &rules.response {
        None => format!("The response stays unknown: {}", problems::told(route, Slug::OutcomeSettled)),
        Some(pointer) if pointer.is_whole() => {
            "The whole body is stored as the response, with status 200".to_owned()
        }
        Some(pointer) => format!("{pointer} is stored as the response, with status 200"),
    };
    format!("{}; any other answer leaves it unknown. {response}", parts.join("; "))
}

fn marked(page: &mut Page, marker: &Marker, route: &Route) {
    let policy = &route.policy;
    page.row(
        "a lost answer",
        &format!(
            "{}; {} after the lease ended the marker table is asked. The upstream's row: settled as \
             executed. No row: the gateway inserts a fence, which the execution can never pass, and the next attempt \
             runs. A row that is not committed yet, or no answer: {}",
            told_at_once(route),
            Span(policy.response_timeout),
            later(route),
        ),
    );
    page.row(
        "the marker",
        &format!(
            "table {} at {}. The upstream inserts the Idempotency-Execution value that it was sent, in the \
             transaction of the operation itself, and fails if that row is there: no ON CONFLICT DO NOTHING. It says \
             so with Idempotency-Marker: conflict. The table is durable, on one primary, and keeps its rows longer \
             than {} (ttl and tombstone_ttl). `oncegate check --print-marker-schema` prints it",
            marker.table,
            marker.shown,
            Span(policy.ttl.saturating_add(policy.tombstone_ttl)),
        ),
    );
}

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
