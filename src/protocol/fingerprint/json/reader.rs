//! A reader of a document (RFC 8259), which writes the canonical form beside it.
//!
//! If only named members count, the form has these members and the way to them. A list on the way is written
//! as `<0:…,7:…>`, because the number of its other elements does not count.

use std::borrow::Cow;

use super::order::{Member, Order, order};
use super::reordered::Reordered;
use super::{number, text};
use crate::protocol::fingerprint::places::{Below, Filter};

/// Largest nesting depth of arrays and objects.
const MAX_DEPTH: usize = 127;

/// A reader of one document, up to some position. Each step takes the next part. A step returns `None` if the
/// document is not JSON, or has no canonical form.
pub(super) struct Reader<'t> {
    rest: &'t str,
    depth: usize,
    out: Vec<u8>,
    /// Members of all objects that are open.
    members: Vec<Member<'t>>,
    reordered: Reordered,
}

impl<'t> Reader<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let out = Vec::with_capacity(text.len());
        Self { rest: text, depth: 0, out, members: Vec::new(), reordered: Reordered::default() }
    }

    /// Reads the whole document. Returns the canonical form of what counts, or `Some(None)` if no part of it
    /// counts.
    pub(super) fn document(mut self, filter: &Filter<'_>) -> Option<Option<Vec<u8>>> {
        let counts = self.value(filter)?;
        self.skip_space();
        self.rest.is_empty().then(|| counts.then(|| self.reordered.in_order(self.out)))
    }

    /// Reads a value. Returns whether something in it counts; otherwise the caller removes what was written.
    fn value(&mut self, filter: &Filter<'_>) -> Option<bool> {
        self.skip_space();
        match self.rest.as_bytes().first()? {
            b'[' if filter.is_way_to_named() => return self.named_elements(filter),
            b'[' => self.array(filter)?,
            b'{' => return self.object(filter),
            b'"' => {
                let content = self.string()?;
                text::write(&content, &mut self.out);
            }
            b't' => self.word("true")?,
            b'f' => self.word("false")?,
            b'n' => self.word("null")?,
            _ => self.number(filter)?,
        }
        Some(!filter.is_way_to_named())
    }

    fn number(&mut self, filter: &Filter<'_>) -> Option<()> {
        let text = self.rest.as_bytes();
        // A number that does not count may have any number of digits.
        let counts = !matches!(filter, Filter::Nothing) && !filter.is_way_to_named();
        let length =
            if counts { number::write_canonical(text, &mut self.out) } else { number::length(text) }?;
        self.rest = &self.rest[length..];
        Some(())
    }

    fn array(&mut self, filter: &Filter<'_>) -> Option<()> {
        self.open("[")?;
        let filter = filter.for_elements();
        if !self.accepts("]") {
            for place in 0.. {
                if place > 0 {
                    self.out.push(b',');
                }
                let start = self.out.len();
                let below = matches!(filter, Filter::Named(..)).then(|| filter.element(place));
                self.value(below.as_ref().map_or(filter, |below| &below.filter))?;
                if below.is_some_and(|below| below.is_left_out) {
                    self.leave_out(start);
                    self.out.extend_from_slice(b"null");
                }
                if !self.accepts(",") {
                    break;
                }
            }
            self.accepts("]").then_some(())?;
        }
        self.close(b']');
        Some(())
    }

    /// Reads a list of which only named elements count.
    fn named_elements(&mut self, filter: &Filter<'_>) -> Option<bool> {
        self.open("[")?;
        self.out.pop();
        self.out.push(b'<');
        let inside = self.out.len();
        if !self.accepts("]") {
            for place in 0.. {
                self.named_element(place, inside, filter)?;
                if !self.accepts(",") {
                    break;
                }
            }
            self.accepts("]").then_some(())?;
        }
        let counts = self.out.len() > inside;
        self.close(b'>');
        Some(counts)
    }

    /// Reads an element of a list of which only named elements count. What is written of them starts at
    /// `inside`.
    fn named_element(&mut self, place: usize, inside: usize, filter: &Filter<'_>) -> Option<()> {
        let (before, below) = (self.out.len(), filter.element(place));
        self.skip_space();
        let has_parts = self.rest.starts_with(['{', '[']);
        let may_count = !below.is_left_out && (has_parts || !below.filter.is_way_to_named());
        if may_count {
            let comma = if before > inside { "," } else { "" };
            self.out.extend_from_slice(format!("{comma}{place}:").as_bytes());
        }
        if !self.value(&below.filter)? || !may_count {
            self.leave_out(before);
        }
        Some(())
    }

    fn object(&mut self, filter: &Filter<'_>) -> Option<bool> {
        self.open("{")?;
        let (inside, first) = (self.out.len(), self.members.len());
        if !self.accepts("}") {
            loop {
                self.member(inside, filter)?;
                if !self.accepts(",") {
                    break;
                }
            }
            self.accepts("}").then_some(())?;
        }
        let members = &self.members[first..];
        match order(members) {
            Order::Right => {}
            Order::Other(places) => {
                let written = places.iter().map(|place| members[*place as usize].written.clone());
                self.reordered.add(inside..self.out.len(), written.filter(|written| !written.is_empty()));
            }
            Order::Repeated if matches!(filter, Filter::Nothing) => {}
            Order::Repeated => return None,
        }
        self.members.truncate(first);
        let counts = !filter.is_way_to_named() || self.out.len() > inside;
        self.close(b'}');
        Some(counts)
    }

    /// Reads the name and value of a member of an object. The members of the object start at `inside`.
    fn member(&mut self, inside: usize, filter: &Filter<'_>) -> Option<()> {
        self.skip_space();
        let before = self.out.len();
        if before > inside {
            self.out.push(b',');
        }
        let start = self.out.len();
        let name = self.string()?;
        text::write(&name, &mut self.out);
        self.accepts(":").then_some(())?;
        self.out.push(b':');
        let Below { is_left_out, filter } = filter.member(&name);
        let is_left_out = !self.value(&filter)? || is_left_out;
        let written = if is_left_out { start..start } else { start..self.out.len() };
        if is_left_out {
            self.leave_out(before);
        }
        self.members.push(Member::new(name, written));
        Some(())
    }

    /// Removes the text that was written from this position on.
    fn leave_out(&mut self, from: usize) {
        self.out.truncate(from);
        self.reordered.forget(from);
    }

    fn open(&mut self, bracket: &str) -> Option<()> {
        self.depth += 1;
        self.word(bracket)?;
        (self.depth <= MAX_DEPTH).then_some(())
    }

    fn close(&mut self, bracket: u8) {
        self.depth -= 1;
        self.out.push(bracket);
    }

    fn string(&mut self) -> Option<Cow<'t, str>> {
        let (content, length) = text::read(self.rest)?;
        self.rest = &self.rest[length..];
        Some(content)
    }

    /// Takes the expected word and writes it.
    fn word(&mut self, word: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        self.out.extend_from_slice(word.as_bytes());
        Some(())
    }

    /// Takes a separator, if it comes next.
    fn accepts(&mut self, separator: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(separator);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_space(&mut self) {
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let length = self.rest.bytes().take_while(is_space).count();
        self.rest = &self.rest[length..];
    }
}
