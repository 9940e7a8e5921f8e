//! The problems that a route can answer, and the shape in which clients read them.

use std::collections::BTreeMap;

use yaml_serde::Value;

use super::value::object;
use crate::config::Route;
use crate::problem::{self, Problem, Slug};

/// The shape of a route's problems.
pub struct Shape {
    /// Content type.
    pub content_type: String,
    /// Name of the component.
    pub name: String,
    /// Schema of the document.
    pub schema: Value,
}

/// Returns the shape of a route's problems.
pub fn shape(route: &Route) -> Shape {
    // The content type is the same for all problems of a shape.
    let wording = Problem::new(Slug::KeyInvalid, "").wording(&route.problems, None);
    let content_type = wording.content_type.to_str().unwrap_or_default().to_owned();
    let (name, schema) = match &*route.problems {
        problem::Shape::Rfc9457 => ("OncegateProblem".to_owned(), rfc9457()),
        problem::Shape::Stripe => ("OncegateStripeProblem".to_owned(), stripe()),
        problem::Shape::Custom(custom) => {
            let letters = custom.name.chars().filter(char::is_ascii_alphanumeric);
            let templates = custom.body.is_some() || custom.slugs.values().any(|words| words.body.is_some());
            let schema = if templates { own(&custom.name) } else { rfc9457() };
            (format!("OncegateProblem-{}", letters.collect::<String>()), schema)
        }
    };
    Shape { content_type, name, schema }
}

/// Returns the problems that a route can answer, by their status.
pub fn problems(route: &Route) -> BTreeMap<u16, Vec<Slug>> {
    let mut found: BTreeMap<u16, Vec<Slug>> = BTreeMap::new();
    for (slug, can_be) in [
        (Slug::KeyMissing, route.key.required),
        (Slug::KeyInvalid, true),
        (Slug::CallerUnknown, !route.anonymous),
        (Slug::InFlight, true),
        (Slug::OutcomeUnknown, true),
        (Slug::OutcomeSettled, true),
        (Slug::KeyExpired, !route.policy.tombstone_ttl.is_zero()),
        (Slug::ResponseNotRetained, true),
        (Slug::RequestTooLarge, true),
        (Slug::PayloadMismatch, true),
        (Slug::RecordUnreadable, true),
        (Slug::UpstreamUnreachable, true),
        (Slug::AnswerUnusable, true),
        (Slug::StoreUnavailable, true),
        (Slug::Overloaded, true),
        (Slug::ShuttingDown, true),
    ] {
        if can_be {
            found.entry(status(route, slug)).or_default().push(slug);
        }
    }
    // The attempts that were present when an execution was lost are told with a status of its own.
    if route.problems.own_status(Slug::OutcomeUnknown).is_none() {
        found.entry(504).or_default().push(Slug::OutcomeUnknown);
    }
    found
}

/// Returns the status of a problem on a route.
fn status(route: &Route, slug: Slug) -> u16 {
    route.problems.own_status(slug).unwrap_or_else(|| slug.status()).as_u16()
}

/// Returns the schema of a document in the words of an operator, of which nothing more is known.
fn own(name: &str) -> Value {
    object([("description", format!("A problem in the shape `{name}`.").into())])
}

/// Returns the schema of the error object of Stripe's API.
fn stripe() -> Value {
    let text = |description: &str| described(object([("type", "string".into())]), description);
    let error = object([
        ("type", "object".into()),
        ("required", ["type", "code", "message"].into_iter().map(Value::from).collect()),
        (
            "properties",
            object([
                ("type", text("The class of the error.")),
                ("code", text("The name of the problem, with underscores.")),
                ("message", text("A sentence for the developer of the client.")),
            ]),
        ),
    ]);
    object([
        ("type", "object".into()),
        ("description", "A problem as an error object of Stripe's API.".into()),
        ("required", [Value::from("error")].into_iter().collect()),
        ("properties", object([("error", error)])),
    ])
}

/// Returns the schema of the document of RFC 9457.
fn rfc9457() -> Value {
    let text = || object([("type", "string".into())]);
    let number = || object([("type", "integer".into())]);
    let words = |words: &[&str]| -> Value {
        let words: Vec<Value> = words.iter().map(|word| (*word).into()).collect();
        object([("type", "string".into()), ("enum", words.into())])
    };
    let required = |names: &[&str]| -> Value { names.iter().map(|name| Value::from(*name)).collect() };
    object([
        ("type", "object".into()),
        ("description", "A problem as RFC 9457 describes it.".into()),
        ("required", required(&["type", "title", "status", "detail", "executed", "retry", "error"])),
        (
            "properties",
            object([
                ("type", described(text(), "A URI that names the kind of problem.")),
                ("title", text()),
                ("status", number()),
                ("detail", described(text(), "A sentence for the developer of the client.")),
                (
                    "executed",
                    described(
                        words(&["yes", "no", "unknown"]),
                        "Tells whether the requested operation was executed.",
                    ),
                ),
                (
                    "retry",
                    described(
                        words(&["same-key", "new-key", "never"]),
                        "`same-key`: safe to send again later with this key. `new-key`: this key will never run this \
                         request. `never`: find out first what happened.",
                    ),
                ),
                ("record", described(text(), "Id of the record, for questions to support.")),
                ("original_status", described(number(), "Status of a response that was not kept.")),
                (
                    "error",
                    object([
                        ("type", "object".into()),
                        ("required", required(&["type", "code", "message"])),
                        ("properties", object([("type", text()), ("code", text()), ("message", text())])),
                    ]),
                ),
            ]),
        ),
    ])
}

fn described(mut schema: Value, description: &str) -> Value {
    if let Some(members) = schema.as_mapping_mut() {
        members.insert("description".into(), description.into());
    }
    schema
}
