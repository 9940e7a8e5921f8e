//! Values in a JSON document, in the spelling of its author.
//!
//! A tree of parsed values would round long numbers and would keep one of two members with the same name. The
//! values are found in the text instead. The text comes from an untrusted client or from an upstream, so
//! reading it uses no recursion, and its time is bounded by its length for each step of a pointer.

use serde::de::IgnoredAny;

use super::pointer::Pointer;

/// A JSON document with valid syntax.
pub(in crate::protocol) struct Document<'t>(&'t str);

/// The result of a search for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Found<'t> {
    /// The value.
    Value(Node<'t>),
    /// A place where no value stands: behind the end of a list, or a last member that is missing or null.
    Absent,
    /// A place that the document does not name clearly: a member on the way has its name twice, or the way
    /// leads into a value that is neither an object nor a list, or something on the way to it is missing.
    Unclear,
}

/// The result of a search for a member.
pub(super) enum Reached<'t> {
    /// The value.
    Value(Node<'t>),
    /// The value `null`.
    Null,
    /// A place where no value stands, because the member or one on the way to it is not there.
    Missing,
    /// A place that the document does not name clearly: a member on the way has its name twice, or the way
    /// leads into a value that is neither an object nor a list.
    Unclear,
}

/// A value other than null, as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::protocol) struct Node<'t>(&'t str);

impl<'t> Document<'t> {
    /// Checks a document; `None` if it is not JSON.
    pub(in crate::protocol) fn parse(body: &'t [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        serde_json::from_str::<IgnoredAny>(text).ok()?;
        Some(Self(text.trim_matches(WHITESPACE)))
    }

    /// Finds a member, for a reader that must not take a member that it cannot find for one that is missing.
    pub(super) fn member(&self, pointer: &Pointer) -> Reached<'t> {
        let mut value = self.0;
        for step in pointer.steps() {
            match child(value, step) {
                Found::Value(Node(below)) => value = below,
                Found::Absent => return Reached::Missing,
                Found::Unclear => return Reached::Unclear,
            }
        }
        if value == NULL { Reached::Null } else { Reached::Value(Node(value)) }
    }

    /// Tells whether a value, or null, stands at a place once names are folded.
    pub(super) fn has_variant(&self, pointer: &Pointer, folded: fn(&str) -> String) -> bool {
        let mut values = vec![self.0];
        for step in pointer.steps() {
            let name = folded(step);
            values = values.into_iter().flat_map(|value| variants(value, step, &name, folded)).collect();
        }
        !values.is_empty()
    }

    /// Finds the value at a place.
    pub(in crate::protocol) fn at(&self, pointer: &Pointer) -> Found<'t> {
        let (mut value, mut in_element) = (self.0, false);
        let mut steps = pointer.steps().iter().peekable();
        while let Some(step) = steps.next() {
            let (is_list, is_last) = (value.starts_with('['), steps.peek().is_none());
            match child(value, step) {
                Found::Value(Node(below)) => value = below,
                // Nothing stands in a list that is there, or the named member is not in an object that is
                // there. Anything else may be the answer of a search that failed.
                Found::Absent if !in_element && (is_list || is_last) && value != NULL => {
                    return Found::Absent;
                }
                Found::Absent | Found::Unclear => return Found::Unclear,
            }
            in_element |= is_list;
        }
        match value == NULL {
            true if in_element => Found::Unclear,
            true => Found::Absent,
            false => Found::Value(Node(value)),
        }
    }
}

impl<'t> Node<'t> {
    /// Returns the value as it was written.
    pub(in crate::protocol) fn json(self) -> &'t str {
        self.0
    }

    /// Returns the text of a string, or the digits of an integer that a double holds exactly: one between -2^53
    /// and 2^53, written without fraction, exponent and negative zero.
    pub(super) fn exact(self) -> Option<String> {
        if self.0.starts_with('"') {
            return self.scalar();
        }
        let number = self.0.parse::<i64>().ok().filter(|number| number.unsigned_abs() <= 1 << 53)?;
        (number.to_string() == self.0).then(|| self.0.to_owned())
    }

    /// Returns the text of a string, or a number, `true` or `false` as it was written. Returns `None` for
    /// objects and lists.
    pub(in crate::protocol) fn scalar(self) -> Option<String> {
        match self.0.as_bytes().first()? {
            b'"' => serde_json::from_str(self.0).ok(),
            b'{' | b'[' => None,
            _ => Some(self.0.to_owned()),
        }
    }

    /// Returns the text of a string, the digits of a whole number, or `true` or `false`. Returns `None` for
    /// objects, lists, and numbers that have another usual spelling.
    pub(in crate::protocol) fn text(self) -> Option<String> {
        let is_number = !self.0.starts_with(['"', 't', 'f']);
        self.scalar().filter(|_| !is_number || is_usual(self.0))
    }
}

const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];
const NULL: &str = "null";

/// Tells whether a number is written as usual programs write it: a whole number in its digits, any other in
/// the shortest decimal form.
fn is_usual(number: &str) -> bool {
    match number.contains(['.', 'e', 'E']) {
        true => number.parse::<f64>().is_ok_and(|value| value.to_string() == number),
        false => number != "-0",
    }
}

/// Finds the member or element of a value. Null on the way has no members.
fn child<'t>(value: &'t str, step: &str) -> Found<'t> {
    match value.as_bytes().first() {
        Some(b'{') => {
            let mut named = Members(&value[1..]).filter(|(name, _)| is_name(name, step));
            match (named.next(), named.next()) {
                (Some((_, value)), None) => Found::Value(Node(value)),
                (None, _) => Found::Absent,
                (Some(_), Some(_)) => Found::Unclear,
            }
        }
        Some(b'[') => match index(step) {
            Some(number) => {
                Elements(&value[1..]).nth(number).map_or(Found::Absent, |value| Found::Value(Node(value)))
            }
            None => Found::Unclear,
        },
        _ if value == NULL => Found::Absent,
        _ => Found::Unclear,
    }
}

/// Returns the members of an object with this folded name, or the element of a list.
fn variants<'t>(value: &'t str, step: &str, name: &str, folded: fn(&str) -> String) -> Vec<&'t str> {
    let is_variant =
        |written: &str| serde_json::from_str::<String>(written).is_ok_and(|it| folded(&it) == name);
    match value.as_bytes().first() {
        Some(b'{') => {
            let named = Members(&value[1..]).filter(|(written, _)| is_variant(written));
            named.map(|(_, value)| value).collect()
        }
        Some(b'[') => index(step).and_then(|number| Elements(&value[1..]).nth(number)).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Returns the number of an element in its one spelling.
fn index(step: &str) -> Option<usize> {
    step.parse().ok().filter(|number: &usize| number.to_string() == step)
}

/// Tells whether a name, as it is written in a document, is `step`.
fn is_name(written: &str, step: &str) -> bool {
    match written.contains('\\') {
        true => serde_json::from_str::<String>(written).is_ok_and(|name| name == step),
        false => written.get(1..written.len() - 1) == Some(step),
    }
}

/// The members of an object: names, as they are written, and values. The text begins behind the brace.
struct Members<'t>(&'t str);

impl<'t> Iterator for Members<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = next_value(self.0)?;
        let rest = rest.trim_start_matches(WHITESPACE).strip_prefix(':')?;
        let (value, rest) = next_value(rest)?;
        self.0 = rest;
        Some((name, value))
    }
}

/// The elements of a list. The text begins behind the bracket.
struct Elements<'t>(&'t str);

impl<'t> Iterator for Elements<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let (value, rest) = next_value(self.0)?;
        self.0 = rest;
        Some(value)
    }
}

/// Splits the next value from the text behind it; `None` at the end of an object or a list.
fn next_value(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start_matches(WHITESPACE);
    let text = text.strip_prefix(',').unwrap_or(text).trim_start_matches(WHITESPACE);
    let end = match text.as_bytes().first()? {
        b'}' | b']' => return None,
        b'"' => string_end(text.as_bytes()),
        b'{' | b'[' => container_end(text.as_bytes()),
        _ => text.find(|c| WHITESPACE.contains(&c) || ",]}".contains(c)).unwrap_or(text.len()),
    };
    text.split_at_checked(end)
}

/// Returns the position behind the string at the start of `text`.
fn string_end(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

/// Returns the position behind the object or list at the start of `text`.
fn container_end(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0_usize, 0_usize);
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => {
                at += string_end(&text[at..]);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return at + 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}
