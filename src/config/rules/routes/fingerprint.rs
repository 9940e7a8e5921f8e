//! What makes a request of a route the same as another one.

use http::HeaderName;

use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::rules::{headers, pointers};
use crate::headers::METHOD_OVERRIDES;
use crate::protocol::{BodyScheme, MemberChoice, PathScheme, Scheme};

/// Checks the fingerprint of a route, as far as it does not depend on the path.
pub fn fingerprint(
    at: &KeyCursor<'_>,
    file: &file::Fingerprint,
    key_headers: &[HeaderName],
) -> Option<Scheme> {
    let headers = headers::names(&at.key("headers"), &file.headers);
    let apart = headers::distinguishing(&at.key("headers"), headers.as_deref().unwrap_or(&[]), key_headers);
    let body = body(at, file);
    apart?;
    // Many servers take the method from these headers, so they always count.
    let mut headers = headers?;
    let overrides = METHOD_OVERRIDES.iter().filter(|name| !headers.contains(name)).cloned();
    headers.extend(overrides.collect::<Vec<_>>());
    let headers = headers.iter().map(|name| name.as_str().to_owned()).collect();
    Some(Scheme { body: body?, headers, path: PathScheme::AsSent })
}

fn body(at: &KeyCursor<'_>, file: &file::Fingerprint) -> Option<BodyScheme> {
    let members = members(at, file);
    match file.body {
        file::BodyForm::Json => Some(BodyScheme::JsonMembers { members: members?, sent_as: None }),
        file::BodyForm::Form => Some(BodyScheme::Form { members: members? }),
        file::BodyForm::Raw => without_members(at, file, BodyScheme::Raw),
        file::BodyForm::None => without_members(at, file, BodyScheme::None),
        file::BodyForm::Multipart => without_members(at, file, BodyScheme::Multipart),
    }
}

fn members(at: &KeyCursor<'_>, file: &file::Fingerprint) -> Option<MemberChoice> {
    let ignore = pointers::all(&at.key("ignore"), &file.ignore);
    let only = pointers::all(&at.key("only"), &file.only);
    let (ignore, only) = (ignore?, only?);
    if !ignore.is_empty() && !only.is_empty() {
        return at.key("only").refuse(
            "is not allowed beside ignore: members that only does not name do not count. Write one of the two",
        );
    }
    if let Some(index) = ignore.iter().position(|pointer| pointer == "/*") {
        return at.key("ignore").item(index).refuse(
            "\"/*\" leaves out every member; write body = \"none\" if the body does not count, or name the \
             members that do in only",
        );
    }
    let has_wildcards = [&ignore, &only].into_iter().flatten().any(|pointer| pointers::has_wildcard(pointer));
    Some(match only.is_empty() {
        true => MemberChoice::except(ignore, has_wildcards),
        false => MemberChoice::only(only, has_wildcards),
    })
}

fn without_members(at: &KeyCursor<'_>, file: &file::Fingerprint, body: BodyScheme) -> Option<BodyScheme> {
    let lists = [("ignore", &file.ignore), ("only", &file.only)];
    match lists.into_iter().find(|(_, pointers)| !pointers.is_empty()) {
        Some((key, _)) => at.key(key).refuse("is allowed only beside body = \"json\" or \"form\""),
        None => Some(body),
    }
}
