//! Checks of JSON pointers.

use crate::config::mistakes::KeyCursor;
use crate::protocol::Pointer;

/// Largest number of pointers of a list that have a wildcard. Each costs time for every member of a body.
const MOST_WILDCARDS: usize = 32;

/// Checks pointers to members that are left out, or that alone count. The step `*` stands for any member or
/// element.
pub fn all(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<String>> {
    let checked = texts.iter().enumerate().map(|(index, text)| member(&at.item(index), text));
    let checked: Option<Vec<String>> = checked.collect::<Vec<Option<String>>>().into_iter().collect();
    if texts.iter().filter(|text| has_wildcard(text)).count() > MOST_WILDCARDS {
        return at.refuse(format!("has more than {MOST_WILDCARDS} pointers with the step `*`"));
    }
    checked
}

/// Checks a pointer to a member, or to all members that a wildcard stands for.
fn member(at: &KeyCursor<'_>, text: &str) -> Option<String> {
    let escapes = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    if !text.starts_with('/') || !escapes {
        return at.refuse(format!(
            "{text:?} is not the JSON pointer of a member; write one like \"/sent_at\", with `~0` for `~` and \
             `~1` for `/`"
        ));
    }
    match text.split('/').skip(1).find(|step| is_wildcard(step) && *step != "*") {
        Some(step) => at.refuse(format!(
            "{text:?} has the step {step:?}, which stands for no member. The wildcard is `*` for any member or \
             element, like \"/items/*/ts\"; a member that is called {step:?} or \"*\" has no pointer of its own"
        )),
        None => Some(text.to_owned()),
    }
}

/// Tells whether a pointer has a step that stands for any member or element.
pub fn has_wildcard(pointer: &str) -> bool {
    pointer.split('/').skip(1).any(|step| step == "*")
}

/// Checks a pointer to one value of an answer.
pub fn part(at: &KeyCursor<'_>, text: &str) -> Option<Pointer> {
    let pointer = whole_or_part(at, text)?;
    match pointer.is_whole() {
        true => at.refuse(format!("is the whole body; {PART}")),
        false => Some(pointer),
    }
}

/// Checks a pointer to an answer's body or to one value in it.
pub fn whole_or_part(at: &KeyCursor<'_>, text: &str) -> Option<Pointer> {
    let wildcard = text.split('/').skip(1).any(is_wildcard);
    match Pointer::parse(text) {
        Ok(_) if wildcard => at.refuse(format!("has a step that names no one value; {PART}")),
        Ok(pointer) => Some(pointer),
        Err(why) => at.refuse(format!("{why}; {PART}")),
    }
}

const PART: &str = "write the JSON pointer of one value, like \"/data/0/status\"";

/// Tells whether a step of a pointer is meant for any member, as in other notations, or for the member behind
/// the last one (RFC 6901, section 4), which no document has.
fn is_wildcard(step: &str) -> bool {
    matches!(step, "*" | "**" | "-" | "[]" | "{}") || step.ends_with("[*]") || step.ends_with("[]")
}
