//! The labels of a route: places in a request, with values that records, lists and logs show in clear text.

use http::HeaderName;

use crate::config::mistakes::KeyCursor;
use crate::config::rules::{headers, pointers};
use crate::headers::{HOP_BY_HOP, IDEMPOTENCY_KEY, NEVER_BELIEVED, is_mimic};
use crate::protocol::credential::is_credential;
use crate::protocol::labels::{LONGEST, MOST, acts_on_lines};
use crate::protocol::{LabelSource, Pointer, ScopePart};

const ALLOWED: &str = "allowed: \"header:x-request-id\" for a request header, and \"json:/metadata/order_id\" for a \
                       member of a JSON body";

/// The headers that a label must not show.
#[derive(Clone, Copy)]
pub struct Hidden<'r> {
    /// The headers that may carry the key, here or at the upstream.
    pub key_headers: &'r [HeaderName],
    /// The members of the body that may be the key, or a part of it.
    pub key_members: &'r [&'r Pointer],
    /// The parts of the route's scope.
    pub scope: &'r [ScopePart],
}

/// Checks the places of a route's labels.
pub fn labels(at: &KeyCursor<'_>, texts: &[String], hidden: Hidden<'_>) -> Option<Vec<LabelSource>> {
    if texts.len() > MOST {
        return at.refuse(format!("names {} labels; allowed: at most {MOST}", texts.len()));
    }
    let mut found: Vec<Option<LabelSource>> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let at = at.item(index);
        let label = label(&at, text, hidden);
        let twice = label.is_some() && found.contains(&label);
        found.push(if twice { at.refuse("is named twice") } else { label });
    }
    found.into_iter().collect()
}

fn label(at: &KeyCursor<'_>, text: &str, hidden: Hidden<'_>) -> Option<LabelSource> {
    // A text of another kind may be a credential, so the message does not repeat it.
    let source = match text.split_once(':') {
        Some(("header", name)) => LabelSource::header(header(at, name, hidden)?),
        Some(("json", pointer)) => LabelSource::member(member(at, pointer, hidden)?),
        _ => return at.refuse(format!("is no place of a label; {ALLOWED}")),
    };
    match source.name() {
        name if name.len() > LONGEST => at.refuse(format!("is longer than {LONGEST} bytes")),
        name if name.contains(acts_on_lines) => at.refuse("has a character that breaks or turns a line"),
        _ => Some(source),
    }
}

/// Checks a member of the body. Lists and logs show its values, so it may not be the key.
fn member(at: &KeyCursor<'_>, text: &str, hidden: Hidden<'_>) -> Option<Pointer> {
    let pointer = pointers::part(at, text)?;
    match hidden.key_members.iter().any(|member| member.is_like(&pointer)) {
        true => {
            at.refuse("is a member that makes the key, which no list or log shows; allowed: other members")
        }
        false => Some(pointer),
    }
}

/// Checks a header. Lists and logs show its values, so it may neither hold the key nor identify the caller.
fn header(at: &KeyCursor<'_>, text: &str, hidden: Hidden<'_>) -> Option<HeaderName> {
    let name = headers::name(at, text)?;
    let in_scope = |name: &HeaderName| hidden.scope.contains(&ScopePart::Header(name.clone()));
    let usual = IDEMPOTENCY_KEY;
    let scope = hidden.scope.iter().filter_map(|part| match part {
        ScopePart::Header(name) => Some(name.as_str()),
        ScopePart::ClientCertificate | ScopePart::Path => None,
    });
    let judged = scope.chain(hidden.key_headers.iter().chain([&usual]).map(HeaderName::as_str));
    // A client may send a key in the usual header although the route reads another place.
    let why = if hidden.key_headers.contains(&name) || name == usual {
        "is the header of the key, which no list or log shows"
    } else if in_scope(&name) {
        "is a part of the scope, which no list or log shows"
    } else if is_credential(&name) {
        "proves who the caller is, which no list or log shows"
    } else if HOP_BY_HOP.contains(&name) || NEVER_BELIEVED.contains(&name) || is_mimic(&name, judged) {
        "is not passed on to the upstream, so no request has a label from it"
    } else {
        return Some(name);
    };
    at.refuse(format!("{text:?} {why}; allowed: other headers, like \"header:x-request-id\""))
}
