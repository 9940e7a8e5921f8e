//! What clients of a route are answered: while an attempt runs, in replays, after the upstream's answer, and
//! while the store does not answer.

use http::HeaderName;

use super::outcomes::{outcomes, release_when};
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::rules::{headers, limits};
use crate::config::{InFlight, OnStoreError, UnknownAnswers};
use crate::headers::{HeaderWord, NOT_REPLAYED, NOT_REPLAYED_FAMILIES, is_not_replayed};
use crate::problem::Shape;
use crate::protocol::Outcomes;

/// The checked answers of a route. Each field is the field of [`crate::config::Route`] with its name.
pub struct Answers {
    pub replay_headers: Vec<HeaderName>,
    pub replay_drop: Vec<HeaderName>,
    pub in_flight: InFlight,
    pub max_response_body: usize,
    pub outcomes: Outcomes,
    pub release_when: Vec<HeaderWord>,
    pub unknown_answers: UnknownAnswers,
    pub on_store_error: OnStoreError,
}

/// Checks the answers of a route.
pub fn answers(at: &KeyCursor<'_>, file: &file::Route) -> Option<Answers> {
    let replay_headers = replay_headers(&at.key("replay_headers"), &file.replay_headers);
    let replay_drop = headers::names(&at.key("replay_drop"), &file.replay_drop);
    let in_flight = in_flight(&at.key("wait_timeout"), file);
    let max_response_body =
        limits::size(&at.key("max_response_body"), &file.max_response_body, &limits::RESPONSE_BODY);
    let outcomes = outcomes(&at.key("outcomes"), &file.outcomes);
    let unknown_answers = unknown_answers(at, file);
    let release_when = release_when(&at.key("release_when"), &file.release_when);
    let on_store_error = on_store_error(at, file);
    Some(Answers {
        replay_headers: replay_headers?,
        replay_drop: replay_drop?,
        in_flight: in_flight?,
        max_response_body: max_response_body?,
        outcomes: outcomes?,
        unknown_answers: unknown_answers?,
        release_when: release_when?,
        on_store_error: on_store_error?,
    })
}

/// Checks `on_store_error`. "At most once" and a bypass exclude each other, so an operator who asks for both
/// has to accept duplicates explicitly. "retry" does not promise it.
fn on_store_error(at: &KeyCursor<'_>, file: &file::Route) -> Option<OnStoreError> {
    let repeats = file.on_unknown == file::OnUnknown::Retry;
    match (file.on_store_error, file.i_accept_duplicates) {
        (file::OnStoreError::Reject, false) => Some(OnStoreError::Reject),
        (file::OnStoreError::Bypass, accepted) if accepted || repeats => Some(OnStoreError::Bypass),
        (file::OnStoreError::Bypass, _) => at.key("on_store_error").refuse(format!(
            "\"bypass\" runs operations twice that are retried while the store is away, which \
             on_unknown = \"{}\" promises never to do; allowed: \"reject\", or \"bypass\" with \
             i_accept_duplicates = true beside it",
            file.on_unknown.name(),
        )),
        (file::OnStoreError::Reject, true) => {
            at.key("i_accept_duplicates").refuse("is only for on_store_error = \"bypass\"")
        }
    }
}

fn replay_headers(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<HeaderName>> {
    let names = headers::names(at, texts)?;
    match names.iter().position(|name| !is_not_replayed(name)) {
        None => Some(names),
        Some(index) => at.item(index).refuse(format!(
            "{:?} is not a header that replays drop by default; allowed: {}, and what begins with {}",
            texts[index],
            NOT_REPLAYED.iter().map(|name| format!("{:?}", name.as_str())).collect::<Vec<_>>().join(", "),
            NOT_REPLAYED_FAMILIES.map(|first| format!("{first:?}")).join(" or "),
        )),
    }
}

fn in_flight(at: &KeyCursor<'_>, file: &file::Route) -> Option<InFlight> {
    let wait_timeout = limits::span(at, &file.wait_timeout, &limits::WAIT_TIMEOUT)?;
    Some(match file.in_flight {
        file::InFlight::Wait => InFlight::Wait(wait_timeout),
        file::InFlight::Reject => InFlight::Reject,
    })
}

/// Checks `unknown_answers`. A client of Stripe's API reads a 503 as "did not happen", and takes a fresh key.
fn unknown_answers(at: &KeyCursor<'_>, file: &file::Route) -> Option<UnknownAnswers> {
    match (file.unknown_answers, file.problems == Shape::STRIPE) {
        (Some(file::UnknownAnswers::Pass), true) => at.key("unknown_answers").refuse(
            "\"pass\" shows the upstream's 503 to clients of Stripe's API, which take it for a payment that did \
             not happen; allowed beside problems = \"stripe\": \"problem\", or leave it out",
        ),
        (Some(file::UnknownAnswers::Problem), _) | (None, true) => Some(UnknownAnswers::Problem),
        (Some(file::UnknownAnswers::Pass) | None, false) => Some(UnknownAnswers::Pass),
    }
}
