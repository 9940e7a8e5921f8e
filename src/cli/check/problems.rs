//! The problems of each route as its clients read them: `check` prints a line about them, and
//! `check --problems` each of them, with an example of its body.

use crate::cli::page::Page;
use crate::config::{Config, Route, Settling};
use crate::problem::{Executed, Problem, Retry, Shape, Slug};
use crate::protocol::RecordId;

/// Describes the shape of a route's problems in one paragraph.
pub(super) fn summary(route: &Route) -> String {
    let shape = &*route.problems;
    let mut text = match shape {
        Shape::Rfc9457 => "rfc9457: application/problem+json".to_owned(),
        Shape::Stripe => "stripe: the error object of Stripe's API, as application/json".to_owned(),
        Shape::Custom(custom) => format!("the shape of [problems.{}]", custom.name),
    };
    let own = own_statuses(shape);
    if !own.is_empty() {
        text += &format!("; {own}");
    }
    if !shape.echo().is_empty() {
        let names: Vec<&str> = shape.echo().iter().map(http::HeaderName::as_str).collect();
        text += &format!("; they repeat {} of the request", names.join(", "));
    }
    text + "; `oncegate check --problems` prints each"
}

/// Returns the status of a problem on a route.
pub(super) fn status(route: &Route, slug: Slug) -> u16 {
    route.problems.own_status(slug).unwrap_or_else(|| slug.status()).as_u16()
}

/// Returns the status and the slug of a problem on a route, like `410 key-expired`.
pub(super) fn told(route: &Route, slug: Slug) -> String {
    format!("{} {}", status(route, slug), slug.name())
}

/// Returns the same for an outcome that was lost while its attempts were present.
pub(super) fn told_at_once(route: &Route) -> String {
    let own = route.problems.own_status(Slug::OutcomeUnknown);
    let status = own.unwrap_or(http::StatusCode::GATEWAY_TIMEOUT);
    format!("{} {}", status.as_u16(), Slug::OutcomeUnknown.name())
}

fn own_statuses(shape: &Shape) -> String {
    let own = Slug::ALL.into_iter().filter_map(|slug| Some((shape.own_status(slug)?, slug)));
    let own: Vec<String> = own.map(|(status, slug)| format!("{} {}", status.as_u16(), slug.name())).collect();
    own.join(", ")
}

/// Describes each problem that clients of the routes may get: its status, whether the operation was executed,
/// the advice to clients, the content type and an example of the body.
#[must_use]
pub fn of_routes(config: &Config) -> String {
    let mut lists: Vec<(String, Vec<String>)> = Vec::new();
    for route in &config.routes {
        let (list, name) = (of_route(config, route), format!("{:?}", &*route.name));
        match lists.iter_mut().find(|(said, _)| *said == list) {
            Some((_, names)) => names.push(name),
            None => lists.push((list, vec![name])),
        }
    }
    let mut page = Page::default();
    page.heading("Headers of each problem, in every shape");
    page.hanging("  ", HEADERS);
    let mut text = page.into_text();
    for (list, names) in lists {
        let routes = if names.len() == 1 { "Route" } else { "Routes" };
        text += &format!("\n{routes} {}: {list}", names.join(", "));
    }
    text
}

fn of_route(config: &Config, route: &Route) -> String {
    let mut page = Page::default();
    page.heading(route.problems.name());
    for slug in Slug::ALL.into_iter().filter(|slug| may_be_given(*slug, route)) {
        one(&mut page, config, route, slug);
    }
    page.into_text()
}

const HEADERS: &str = "Idempotency-Executed and Cache-Control: no-store; Stripe-Should-Retry and X-Should-Retry, which are \
                       true for the retry \"same-key\" of all but caller-unknown; Retry-After where that is for now; \
                       Idempotency-Record where a record was read.";

/// Tells whether the settings of a route leave room for a problem.
fn may_be_given(slug: Slug, route: &Route) -> bool {
    match slug {
        Slug::KeyMissing => route.key.required,
        Slug::CallerUnknown => !route.anonymous,
        _ => true,
    }
}

fn one(page: &mut Page, config: &Config, route: &Route, slug: Slug) {
    let example = example(slug, route);
    let wording = example.wording(&route.problems, config.server.problem_docs.as_deref());
    let also = match slug {
        Slug::OutcomeUnknown if route.problems.own_status(slug).is_none() => " (504 at first)",
        Slug::AnswerUnusable => " (executed and retry as the upstream's status says)",
        Slug::PayloadMismatch => " (retry never, where the first outcome is unknown)",
        Slug::Http(_) => " (others have 408, 415 or 504)",
        _ => "",
    };
    let advice = format!(
        "{} {}, executed {}, retry {}{also}",
        wording.status.as_u16(),
        wording.content_type.to_str().unwrap_or_default(),
        example.executed().name(),
        example.retry().name(),
    );
    let own = wording
        .headers
        .iter()
        .map(|(name, value)| format!("; {name}: {}", value.to_str().unwrap_or_default()));
    page.hanging(&format!("  {:22}", slug.name()), &(advice + &own.collect::<String>()));
    page.example(&String::from_utf8_lossy(&wording.body));
}

/// Makes a problem with the members that it has when a client gets it.
fn example(slug: Slug, route: &Route) -> Problem {
    const DETAIL: &str = "A sentence for the developer.";
    let problem = Problem::new(slug, DETAIL);
    let id = RecordId::from_bytes(&[0x1f; 20]).expect("20 bytes");
    match slug {
        Slug::OutcomeUnknown if !matches!(route.settling, Settling::Hold) => {
            problem.advising(Executed::Unknown, Retry::SameKey).about(id)
        }
        Slug::ResponseNotRetained => problem.about(id).original_status(200),
        Slug::AnswerUnusable => problem.about(id).original_status(201),
        Slug::PayloadMismatch
        | Slug::InFlight
        | Slug::OutcomeUnknown
        | Slug::KeyExpired
        | Slug::OutcomeSettled
        | Slug::RecordUnreadable => problem.about(id),
        _ => problem,
    }
}
