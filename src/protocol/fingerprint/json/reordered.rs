//! Objects with members that are written in another order than they came.
//!
//! The written text stays in place until the end and is then copied once, so that an object inside many
//! others is not moved with each of them.

use std::ops::Range;

/// The objects of a document that are out of order.
#[derive(Default)]
pub(super) struct Reordered {
    objects: Vec<Object>,
    members: Vec<Range<usize>>,
}

struct Object {
    /// Range of all its members in the written text.
    inside: Range<usize>,
    /// Members of the object in order, as a range of all members.
    members: Range<usize>,
    /// Number of the first object that is not inside this one.
    next: usize,
}

impl Reordered {
    /// Adds an object with members in the range `inside`, which belong into this order. Objects inside it are
    /// added before it.
    pub(super) fn add(&mut self, inside: Range<usize>, members: impl Iterator<Item = Range<usize>>) {
        let first = self.members.len();
        self.members.extend(members);
        self.objects.push(Object { inside, members: first..self.members.len(), next: 0 });
    }

    /// Forgets the objects at `from` or behind it, because they are left out.
    pub(super) fn forget(&mut self, from: usize) {
        while self.objects.pop_if(|object| object.inside.start >= from).is_some() {}
    }

    /// Returns the written text with every member in its place.
    pub(super) fn in_order(mut self, written: Vec<u8>) -> Vec<u8> {
        if self.objects.is_empty() {
            return written;
        }
        self.objects.sort_by_key(|object| object.inside.start);
        let mut open: Vec<usize> = Vec::new();
        for number in 0..self.objects.len() {
            let start = self.objects[number].inside.start;
            while let Some(ended) = open.pop_if(|open| self.objects[*open].inside.end <= start) {
                self.objects[ended].next = number;
            }
            open.push(number);
        }
        for ended in open {
            self.objects[ended].next = self.objects.len();
        }
        let mut out = Vec::with_capacity(written.len());
        self.copy(&written, 0..written.len(), 0..self.objects.len(), &mut out);
        out
    }

    /// Copies a piece of the written text. Only the objects of `among` can be in it.
    fn copy(&self, written: &[u8], piece: Range<usize>, among: Range<usize>, out: &mut Vec<u8>) {
        let within = &self.objects[among.clone()];
        let mut number = among.start + within.partition_point(|object| object.inside.start < piece.start);
        let mut at = piece.start;
        while number < among.end && self.objects[number].inside.start < piece.end {
            let Object { inside, members, next } = &self.objects[number];
            out.extend_from_slice(&written[at..inside.start]);
            for (place, member) in self.members[members.clone()].iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                self.copy(written, member.clone(), number + 1..*next, out);
            }
            (at, number) = (inside.end, *next);
        }
        out.extend_from_slice(&written[at..piece.end]);
    }
}
