//! A reader of a document (RFC 8259), which writes the canonical form beside it.

use std::borrow::Cow;

use super::ignored::{Ignored, Subtree};
use super::order::{Member, Order, order};
use super::reordered::Reordered;
use super::{number, text};

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

    /// Reads the whole document and returns its canonical form.
    pub(super) fn document(mut self, ignored: &Ignored<'_>) -> Option<Vec<u8>> {
        self.value(ignored)?;
        self.skip_space();
        self.rest.is_empty().then(|| self.reordered.in_order(self.out))
    }

    fn value(&mut self, ignored: &Ignored<'_>) -> Option<()> {
        self.skip_space();
        match self.rest.as_bytes().first()? {
            b'[' => self.array(ignored),
            b'{' => self.object(ignored),
            b'"' => {
                let content = self.string()?;
                text::write(&content, &mut self.out);
                Some(())
            }
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => {
                let length = number::write_canonical(self.rest.as_bytes(), &mut self.out)?;
                self.rest = &self.rest[length..];
                Some(())
            }
        }
    }

    fn array(&mut self, ignored: &Ignored<'_>) -> Option<()> {
        self.open("[")?;
        if !self.accepts("]") {
            for place in 0.. {
                if place > 0 {
                    self.out.push(b',');
                }
                let (start, subtree) = (self.out.len(), ignored.element(place));
                self.value(&subtree.ignored)?;
                if subtree.is_left_out {
                    self.leave_out(start);
                    self.out.extend_from_slice(b"null");
                }
                if !self.accepts(",") {
                    break;
                }
            }
            self.accepts("]").then_some(())?;
        }
        self.close(b']')
    }

    fn object(&mut self, ignored: &Ignored<'_>) -> Option<()> {
        self.open("{")?;
        let (inside, first) = (self.out.len(), self.members.len());
        if !self.accepts("}") {
            loop {
                self.member(inside, ignored)?;
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
            Order::Repeated => return None,
        }
        self.members.truncate(first);
        self.close(b'}')
    }

    /// Reads the name and value of a member of an object. The members of the object start at `inside`.
    fn member(&mut self, inside: usize, ignored: &Ignored<'_>) -> Option<()> {
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
        let Subtree { is_left_out, ignored } = ignored.member(&name);
        self.value(&ignored)?;
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

    fn close(&mut self, bracket: u8) -> Option<()> {
        self.depth -= 1;
        self.out.push(bracket);
        Some(())
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
