//! Checks of JSON pointers.

use crate::config::mistakes::KeyCursor;
use crate::protocol::Pointer;

/// Checks pointers to members that are left out.
pub fn all(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<String>> {
    let checked = texts.iter().enumerate().map(|(index, text)| {
        let escapes = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        if !text.starts_with('/') || !escapes {
            return at.item(index).refuse(format!(
                "{text:?} is not the JSON pointer of a member; write one like \"/sent_at\", \
                 with `~0` for `~` and `~1` for `/`"
            ));
        }
        match text.split('/').skip(1).find(|step| is_wildcard(step)) {
            Some(step) => at.item(index).refuse(format!(
                "{text:?} has the step {step:?}, which stands for no other member: there are no wildcards. Name \
                 each, like \"/items/0/ts\"; a member that is called {step:?} cannot be left out"
            )),
            None => Some(text.clone()),
        }
    });
    checked.collect::<Vec<Option<String>>>().into_iter().collect()
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
