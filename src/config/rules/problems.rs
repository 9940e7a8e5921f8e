//! Rules for the shapes of problems, and for references to them.
//!
//! A shape must not make a client take a payment for done that is not known to be done. Only a problem about
//! an operation that was executed may have a status of success.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode};

use super::{headers, limits};
use crate::config::RouteKey;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::problem::{ContentType, CustomShape, Shape, Slug, SlugWords, Template};

/// Shapes by name. The value is `None` for a shape that is named but not valid.
pub type Shapes = BTreeMap<String, Option<Arc<Shape>>>;

/// Checks all shapes.
pub fn all(at: &KeyCursor<'_>, files: &BTreeMap<String, file::Problems>) -> Shapes {
    let checked = |(name, file): (&String, &file::Problems)| {
        let at = at.key(name);
        let valid_name = self::name(&at, name);
        let shape = shape(&at, name, file).map(|shape| Arc::new(Shape::Custom(shape)));
        (name.clone(), valid_name.and(shape))
    };
    files.iter().map(checked).collect()
}

fn name<'n>(at: &KeyCursor<'_>, text: &'n str) -> Option<&'n str> {
    match text {
        Shape::RFC9457 | Shape::STRIPE => {
            at.refuse("is the name of a shape that the gateway knows by itself; give this one another name")
        }
        text => limits::name(at, text),
    }
}

/// Finds the shape that a route names. `key` is where the route finds its key, and how it sends it on.
pub fn named(at: &KeyCursor<'_>, name: &str, shapes: &Shapes, key: Option<&RouteKey>) -> Option<Arc<Shape>> {
    let shape = match (name, shapes.get(name)) {
        (Shape::RFC9457, _) => Arc::default(),
        (Shape::STRIPE, _) => Arc::new(Shape::Stripe),
        // Its mistakes are reported where it is defined.
        (_, Some(shape)) => shape.clone()?,
        (_, None) => {
            let known: Vec<String> = shapes.keys().map(|known| format!("{known:?}")).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return at.refuse(format!(
                "there is no shape {name:?}; allowed: \"rfc9457\", \"stripe\", or the name of a [problems.NAME]; \
                 defined: {known}"
            ));
        }
    };
    let mut headers = key.into_iter().flat_map(|key| key.source.headers());
    match headers.find(|key| shape.echo().contains(key)) {
        Some(key) => at.refuse(format!(
            "names a shape with {key} in echo, which is the header of this route's key; take it out of echo"
        )),
        None => Some(shape),
    }
}

fn shape(at: &KeyCursor<'_>, name: &str, file: &file::Problems) -> Option<CustomShape> {
    let written = at.key("content_type");
    let content_type = file.content_type.as_deref().map(|text| {
        ContentType::parse(text).map_or_else(|why| written.refuse(format!("{text:?} {why}")), Some)
    });
    let echo = echo(&at.key("echo"), &file.echo);
    let mut slugs = BTreeMap::new();
    let statuses = each(&at.key("status"), &file.status, &mut slugs, |at, slug, number, words| {
        words.status = Some(status(at, slug, *number)?);
        Some(())
    });
    let codes = each(&at.key("codes"), &file.codes, &mut slugs, |at, _, text, words| {
        words.code = Some(word(at, text)?);
        Some(())
    });
    let types = each(&at.key("types"), &file.types, &mut slugs, |at, _, text, words| {
        words.kind = Some(word(at, text)?);
        Some(())
    });
    // Without a valid content type it is unknown what a template has to be.
    let content_type = content_type.map_or(Some(None), |valid| valid.map(Some))?;
    let of_templates = content_type.clone().unwrap_or_else(ContentType::json);
    let body = file.body.as_deref().map(|text| template(&at.key("body"), text, &of_templates));
    let bodies = each(&at.key("bodies"), &file.bodies, &mut slugs, |at, _, text, words| {
        words.body = Some(template(at, text, &of_templates)?);
        Some(())
    });
    let fixed = each(&at.key("headers"), &file.headers, &mut slugs, |at, _, table, words| {
        words.headers = fixed_headers(at, table, echo.as_deref().unwrap_or(&[]))?;
        Some(())
    });
    if !of_templates.is_json() && body.is_none() && file.bodies.len() < Slug::ALL.len() {
        return written.refuse("needs `body` beside it, because the usual document is JSON");
    }
    statuses.and(codes).and(types).and(bodies).and(fixed)?;
    let body = body.map_or(Some(None), |valid| valid.map(Some))?;
    Some(CustomShape { name: name.to_owned(), content_type, echo: echo?, body, slugs })
}

type Words = BTreeMap<&'static str, SlugWords>;

/// Checks the entry of each slug in a table, and sets what it says.
fn each<T>(
    at: &KeyCursor<'_>,
    table: &BTreeMap<String, T>,
    slugs: &mut Words,
    set: impl Fn(&KeyCursor<'_>, Slug, &T, &mut SlugWords) -> Option<()>,
) -> Option<()> {
    let mut all = Some(());
    for (name, value) in table {
        let at = at.key(name);
        let set = match Slug::named(name) {
            Some(slug) => set(&at, slug, value, slugs.entry(slug.name()).or_default()),
            None => {
                let known: Vec<&str> = Slug::ALL.into_iter().map(Slug::name).collect();
                at.refuse(format!("there is no problem {name:?}; known: {}", known.join(", ")))
            }
        };
        all = all.and(set);
    }
    all
}

/// Checks the status of a problem.
fn status(at: &KeyCursor<'_>, slug: Slug, number: i64) -> Option<StatusCode> {
    let name = slug.name();
    let code = u16::try_from(number).ok().filter(|number| (200..600).contains(number));
    let Some(status) = code.and_then(|code| StatusCode::from_u16(code).ok()) else {
        return at.refuse(format!("{number} is not a final status; allowed: 200 to 599"));
    };
    match number {
        _ if matches!(slug, Slug::Http(_)) => {
            at.refuse(format!("{name} stands for several problems, each with its own status; leave it out"))
        }
        204 | 205 | 304 => at.refuse(format!("{number} forbids a body, and a problem has one; take another")),
        300..=399 => at.refuse(format!(
            "{number} leads clients elsewhere, and a problem says nothing of another place; allowed: 400 to 599"
        )),
        200..=299 if !slug.is_always_executed() => {
            let executed = Slug::ALL.into_iter().filter(|slug| slug.is_always_executed()).map(Slug::name);
            at.refuse(format!(
                "{number} tells clients that the operation was executed, and {name} does not; allowed: 400 to 599. \
                 Only {} may be 2xx",
                executed.collect::<Vec<_>>().join(", ")
            ))
        }
        407 => at.refuse("407 asks for the credentials of a proxy; take another"),
        401 if slug != Slug::CallerUnknown => at.refuse(
            "401 makes clients fetch another token, and with it a retry is another caller's and runs again; take \
             another. Only caller-unknown may be 401",
        ),
        _ => Some(status),
    }
}

/// Checks a code or a type.
fn word(at: &KeyCursor<'_>, text: &str) -> Option<String> {
    match text.is_empty() || text.chars().any(char::is_control) {
        true => at.refuse(
            "is empty or has control characters; write the word that clients expect, or leave it out",
        ),
        false => Some(text.to_owned()),
    }
}

fn template(at: &KeyCursor<'_>, text: &str, content_type: &ContentType) -> Option<Template> {
    Template::parse(text, content_type).map_or_else(|why| at.refuse(why), Some)
}

/// Checks the headers that a problem has with fixed values. No header may come twice.
fn fixed_headers(
    at: &KeyCursor<'_>,
    table: &BTreeMap<String, String>,
    echo: &[HeaderName],
) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut found: Vec<Option<(HeaderName, HeaderValue)>> = Vec::new();
    for (text, value) in table {
        let at = at.key(text);
        let name = headers::name(&at, text);
        let name = name.filter(|name| headers::fixed(&at, name).is_some());
        let name = name.and_then(|name| {
            let earlier = found.iter().flatten().any(|(earlier, _)| *earlier == name);
            match earlier || echo.contains(&name) {
                true => at.refuse("is named twice, here in other letters or in echo; leave one out"),
                false => Some(name),
            }
        });
        let is_plain = !value.trim().is_empty() && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        let value = HeaderValue::from_str(value).ok().filter(|_| is_plain);
        let value = value.or_else(|| at.refuse("is no value of a header; write printable ASCII characters"));
        found.push(name.zip(value));
    }
    found.into_iter().collect()
}

fn echo(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<HeaderName>> {
    let names = headers::names(at, texts)?;
    let told = names.iter().enumerate().map(|(index, name)| headers::repeated(&at.item(index), name));
    told.collect::<Vec<Option<()>>>().into_iter().collect::<Option<()>>()?;
    Some(names)
}
