//! What the upstream's answers mean for an operation: by their status, and by a header of the upstream's own.

use http::HeaderValue;

use crate::config::file;
use crate::config::file::StatusText;
use crate::config::mistakes::KeyCursor;
use crate::config::rules::headers;
use crate::headers::{HeaderWord, meaning};
use crate::protocol::{Outcomes, StatusClass, Statuses};

/// Checks the lists of statuses.
pub fn outcomes(at: &KeyCursor<'_>, file: &file::Outcomes) -> Option<Outcomes> {
    let release = entries(&at.key("release"), &file.release);
    let unknown = entries(&at.key("unknown"), &file.unknown);
    let (release, unknown) = (release?, unknown?);
    Outcomes::new(release, unknown).map_or_else(
        |entry| {
            let what = match entry {
                Statuses::One(_) => "a status",
                Statuses::Class(_) => "a class",
            };
            at.refuse(format!("{entry} stands in both lists; allowed: one meaning for {what}"))
        },
        Some,
    )
}

fn entries(at: &KeyCursor<'_>, texts: &[StatusText]) -> Option<Vec<Statuses>> {
    let checked = texts.iter().enumerate().map(|(index, text)| entry(&at.item(index), text));
    checked.collect::<Vec<_>>().into_iter().collect()
}

fn entry(at: &KeyCursor<'_>, text: &StatusText) -> Option<Statuses> {
    let (shown, found) = match text {
        StatusText::Number(number) => {
            let status = u16::try_from(*number).ok().filter(|status| (200..600).contains(status));
            (number.to_string(), status.map(Statuses::One))
        }
        StatusText::Class(name) => (format!("{name:?}"), StatusClass::named(name).map(Statuses::Class)),
    };
    let hint = match text {
        StatusText::Class(name) => hint(name),
        StatusText::Number(_) => None,
    };
    found.or_else(|| {
        let classes = StatusClass::ALL.map(|class| format!("{:?}", class.name())).join(", ");
        at.refuse(format!(
            "{shown} is not a final status; allowed: 200 to 599, as a number, or {classes}{}",
            hint.map(|hint| format!("; write {hint}")).unwrap_or_default()
        ))
    })
}

/// Returns the notation that was probably meant.
fn hint(name: &str) -> Option<String> {
    let name = name.trim();
    match (name.parse::<u16>(), StatusClass::named(&name.to_ascii_lowercase())) {
        (Ok(status), _) if (200..600).contains(&status) => Some(format!("{status}, without quotes")),
        (_, Some(class)) => Some(format!("{:?}", class.name())),
        (_, None) => None,
    }
}

/// Checks the headers by which the upstream says that it did not act.
pub fn release_when(at: &KeyCursor<'_>, files: &[file::ReleaseWhen]) -> Option<Vec<HeaderWord>> {
    let mut words: Vec<Option<HeaderWord>> = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let at = at.item(index);
        let word = word(&at, file).and_then(|word| {
            let twice = words.contains(&Some(word.clone()));
            if twice {
                at.refuse("stands there twice; allowed: each header and value once")
            } else {
                Some(word)
            }
        });
        words.push(word);
    }
    words.into_iter().collect()
}

/// Checks one header. A header with a meaning of its own says nothing about the execution: it is about a
/// connection, a proxy or the body, and some are deleted before an answer is judged.
fn word(at: &KeyCursor<'_>, file: &file::ReleaseWhen) -> Option<HeaderWord> {
    let header = at.key("header");
    let name =
        header.require(file.header.as_deref(), "a header of the upstream's answer, like \"x-executed\"");
    let name = name.and_then(|text| headers::name(&header, text)).and_then(|name| match meaning(&name) {
        None => Some(name),
        Some(means) => header.refuse(format!(
            "{:?} {means}; allowed: a header of the upstream's own, which says that it did not act",
            name.as_str()
        )),
    });
    let at = at.key("value");
    let value = at.require(file.value.as_deref(), "the value that says that it did not act, like \"true\"");
    let value = value.and_then(|text| {
        let plain = !text.is_empty() && text.trim() == text && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        let value = HeaderValue::from_str(text).ok().filter(|_| plain);
        value.or_else(|| {
            at.refuse(
                "is not a value to compare; allowed: printable ASCII characters, without spaces around them",
            )
        })
    });
    Some(HeaderWord { name: name?, value: value? })
}
