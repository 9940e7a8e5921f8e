//! The key of a route: where requests carry it, and how it is sent to the upstream.

use http::HeaderName;

use crate::config::file::{self, Forward, MembersText};
use crate::config::mistakes::KeyCursor;
use crate::config::rules::{headers, pointers};
use crate::config::{KeyForwarding, RouteKey};
use crate::headers::IDEMPOTENCY_KEY;
use crate::protocol::key_source::MOST;
use crate::protocol::labels::acts_on_lines;
use crate::protocol::{KeyForm, KeyPlace, KeySource, Pointer};

/// Longest pointer to a member, in bytes.
const LONGEST: usize = 256;

const SEVERAL: &str = "for several, write { first = [{ header = \"X-Event-Id\" }, { json = \"/id\" }] }";

/// Checks the key of a route.
pub fn key(at: &KeyCursor<'_>, file: &file::Route) -> Option<RouteKey> {
    let on_unknown = file.on_unknown;
    let (at, file) = (at.key("key"), &file.key);
    let source = source(&at, file);
    let forward = forward(&at, file, on_unknown, source.as_ref());
    Some(RouteKey::new(source?, file.required, forward?))
}

fn source(at: &KeyCursor<'_>, file: &file::Key) -> Option<KeySource> {
    let given = [file.header.as_ref().map(|_| "header"), file.json.as_ref().map(|_| "json")];
    let mut given = given.into_iter().flatten().chain(file.first.as_ref().map(|_| "first"));
    if let (Some(one), Some(other)) = (given.next(), given.next()) {
        return at.key(other).refuse(format!("stands beside `{one}`, and a key has one place; {SEVERAL}"));
    }
    match (&file.json, &file.first) {
        (Some(texts), _) => KeySource::first(vec![KeyPlace::Members(members(&at.key("json"), texts)?)]),
        (None, Some(places)) => several(&at.key("first"), places),
        // A value that was refused before looks absent.
        (None, None) if ["json", "first"].iter().any(|key| at.key(key).is_refused()) => None,
        (None, None) => match &file.header {
            Some(name) => headers::key(&at.key("header"), name).map(KeySource::header),
            None => Some(KeySource::header(IDEMPOTENCY_KEY)),
        },
    }
}

fn several(at: &KeyCursor<'_>, files: &[file::Place]) -> Option<KeySource> {
    let mut places: Vec<Option<KeyPlace>> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let at = at.item(index);
        let place = match (&file.header, &file.json) {
            (Some(name), None) => headers::key(&at.key("header"), name).map(KeyPlace::Header),
            (None, Some(texts)) => members(&at.key("json"), texts).map(KeyPlace::Members),
            _ => at.refuse("is no place of a key; write { header = \"X-Event-Id\" } or { json = \"/id\" }"),
        };
        let twice = place.is_some() && places.contains(&place);
        places.push(if twice { at.refuse("is named twice") } else { place });
    }
    let places: Vec<KeyPlace> = places.into_iter().collect::<Option<_>>()?;
    let count = places.len();
    KeySource::first(places).or_else(|| at.refuse(format!("names {count} places; allowed: 1 to {MOST}")))
}

/// Checks the members that are a key together.
fn members(at: &KeyCursor<'_>, texts: &MembersText) -> Option<Vec<Pointer>> {
    let texts = match texts {
        MembersText::One(text) => return Some(vec![member(at, text)?]),
        MembersText::Several(texts) => texts,
    };
    if !(1..=MOST).contains(&texts.len()) {
        return at.refuse(format!("names {} members; allowed: 1 to {MOST}", texts.len()));
    }
    let mut found: Vec<Option<Pointer>> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let at = at.item(index);
        let pointer = member(&at, text);
        let is_known = |other: &Option<Pointer>| {
            pointer.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one.is_like(other))
        };
        let twice = found.iter().any(is_known);
        found.push(if twice { at.refuse("is named twice") } else { pointer });
    }
    found.into_iter().collect()
}

fn member(at: &KeyCursor<'_>, text: &str) -> Option<Pointer> {
    let pointer = pointers::part(at, text)?;
    if text.len() > LONGEST {
        return at.refuse(format!("is longer than {LONGEST} bytes"));
    }
    if text.split('/').skip(1).any(str::is_empty) {
        return at.refuse("has a step without a name; write one like \"/idempotency_key\"");
    }
    match text.contains(acts_on_lines) {
        true => at.refuse("has a character that breaks or turns a line"),
        false => Some(pointer),
    }
}

/// Checks the way of the key to the upstream. `Some(None)` sends no header with it.
fn forward(
    at: &KeyCursor<'_>,
    file: &file::Key,
    on_unknown: file::OnUnknown,
    source: Option<&KeySource>,
) -> Option<Option<KeyForwarding>> {
    let repeats = on_unknown == file::OnUnknown::Retry;
    let in_header = source.and_then(|source| source.headers().next());
    let form = match file.forward {
        Forward::None if repeats => {
            return at.key("forward").refuse(
                "\"none\" sends no key, by which the upstream could tell a repeated execution; with on_unknown = \
                 \"retry\" allowed: \"bare\" or \"quoted\"",
            );
        }
        Forward::AsSent if repeats && in_header.is_some() => {
            return at.key("forward").refuse(
                "\"as-sent\" forwards the two spellings of a key as two keys, and the upstream could not tell a \
                 repeated execution; with on_unknown = \"retry\" allowed: \"bare\" or \"quoted\"",
            );
        }
        Forward::None if file.forward_as.is_some() => {
            return at.key("forward_as").refuse("names a header, but forward = \"none\" sends none");
        }
        Forward::None => return Some(None),
        Forward::Bare => KeyForm::Bare,
        Forward::AsSent => KeyForm::AsSent,
        Forward::Quoted => KeyForm::Quoted,
    };
    let name: HeaderName = match &file.forward_as {
        Some(name) => headers::key(&at.key("forward_as"), name)?,
        None => in_header.cloned().unwrap_or(IDEMPOTENCY_KEY),
    };
    Some(Some(KeyForwarding { form, name }))
}
