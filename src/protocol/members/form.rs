//! Fields of a form, `application/x-www-form-urlencoded` (WHATWG URL, section 5), found by JSON pointers.
//!
//! A nested member is written with brackets: `metadata[order]=o-17`, `items[0][id]=7`. Servers understand
//! `items[][id]` as an element, too, but not all of them as the same one, so that such a field is unclear.

use std::borrow::Cow;

use super::pointer::Pointer;

/// The body of a form.
pub(in crate::protocol) struct Form<'t>(pub(super) &'t [u8]);

/// The error for a field that a form does not name clearly.
pub(super) struct UnclearField;

/// The relation of a field to a member that is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    /// The field is the member.
    Same,
    /// The field lies below the member, or the member lies below the field, or it is not clear which element
    /// of a list the field is.
    Unclear,
    /// The field has nothing to do with the member.
    Other,
}

impl<'t> Form<'t> {
    /// Finds the value of the field that a pointer names. Returns `None` if there is no such field.
    ///
    /// # Errors
    /// The form does not name the field clearly.
    pub(super) fn field(&self, pointer: &Pointer) -> Result<Option<Cow<'t, str>>, UnclearField> {
        let mut found = None;
        for (name, value) in form_urlencoded::parse(self.0) {
            match relation(&name, pointer.steps()) {
                Relation::Other => {}
                // A replacement character stands for bytes that are no UTF-8, and for no text.
                Relation::Same if found.is_none() && !value.contains('\u{fffd}') => found = Some(value),
                Relation::Same | Relation::Unclear => return Err(UnclearField),
            }
        }
        Ok(found)
    }

    /// Tells whether a field is the member of a pointer, or is unclear for it, once names are folded.
    pub(super) fn has_variant(&self, pointer: &Pointer, folded: fn(&str) -> String) -> bool {
        let steps: Vec<String> = pointer.steps().iter().map(|step| folded(step)).collect();
        form_urlencoded::parse(self.0).any(|(name, _)| relation(&folded(&name), &steps) != Relation::Other)
    }
}

/// Compares the name of a field with the steps to a member.
fn relation(name: &str, steps: &[String]) -> Relation {
    let mut parts = name.split('[').enumerate().map(|(place, part)| match place {
        0 => Some(part),
        _ => part.strip_suffix(']'),
    });
    let mut is_clear = true;
    for (place, step) in steps.iter().enumerate() {
        match parts.next() {
            Some(Some(part)) if part == step => {}
            Some(Some("")) if place > 0 && is_number(step) => is_clear = false,
            Some(_) => return Relation::Other,
            None => return Relation::Unclear,
        }
    }
    if is_clear && parts.next().is_none() { Relation::Same } else { Relation::Unclear }
}

fn is_number(step: &str) -> bool {
    !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit())
}
