//! Names of the fields of a form, such as `metadata[order]`, and the order of fields that counts.
//!
//! Servers make a tree of such names. The order of two fields does not count if they are different members
//! of the tree. It counts in three cases:
//!
//! * the fields have one name;
//! * a list without numbers is on the way to them (`items[][id]`), because the order says which element a
//!   field belongs to;
//! * one field is a member of the other (`a` and `a[b]`), because servers keep the last of them.

use std::cmp::Ordering;

/// Largest number of steps in a name.
const MAX_STEPS: usize = 32;

/// A name as steps: `metadata[order]` has the steps `metadata` and `order`. A name with other brackets is one
/// step.
pub(super) struct FieldName<'n> {
    name: &'n [u8],
    /// The end of each step in the name, brackets included.
    ends: Vec<usize>,
}

impl<'n> FieldName<'n> {
    /// Reads a name. Returns `None` if it has too many steps.
    pub(super) fn read(name: &'n [u8]) -> Option<Self> {
        let first = name.iter().position(|byte| *byte == b'[').unwrap_or(name.len());
        let mut ends = vec![first];
        let mut rest = &name[first..];
        while let Some(inside) = rest.strip_prefix(b"[") {
            let Some(length) = inside.iter().position(|byte| matches!(byte, b'[' | b']')) else { break };
            if inside[length] == b'[' {
                break;
            }
            rest = &inside[length + 1..];
            ends.push(name.len() - rest.len());
            if ends.len() > MAX_STEPS {
                return None;
            }
        }
        let ends = if rest.is_empty() { ends } else { vec![name.len()] };
        Some(Self { name, ends })
    }

    /// Returns the steps without brackets. An empty step behind the first is an element without a number.
    pub(super) fn steps(&self) -> impl Iterator<Item = &'n [u8]> {
        let starts = [None].into_iter().chain(self.ends.iter().copied().map(Some));
        starts.zip(&self.ends).map(|(start, end)| match start {
            None => &self.name[..*end],
            Some(start) => &self.name[start + 1..end - 1],
        })
    }

    /// Returns the name of the outermost list without numbers on the way to this field.
    fn list(&self) -> Option<&'n [u8]> {
        let is_unnumbered = |(place, step): (usize, &[u8])| place > 0 && step.is_empty();
        let place = self.steps().enumerate().position(is_unnumbered)?;
        Some(&self.name[..self.ends[place.checked_sub(1)?]])
    }
}

/// Returns the positions of these fields, in an order that is the same for all orders with one meaning.
pub(super) fn in_order(names: &[FieldName<'_>]) -> Vec<usize> {
    let groups = groups(names);
    let mut places: Vec<usize> = (0..names.len()).collect();
    // Fields of one group keep their order.
    places.sort_by_key(|place| groups[*place]);
    places
}

/// Returns for each field the name of the member within which the order of fields counts.
fn groups<'n>(names: &[FieldName<'n>]) -> Vec<&'n [u8]> {
    let mut groups: Vec<&[u8]> = names.iter().map(|name| name.name).collect();
    if !groups.iter().any(|name| name.contains(&b'[')) {
        return groups;
    }
    let fields = groups.iter().copied().zip((0..).map(Some));
    let lists = names.iter().filter_map(FieldName::list).map(|list| (list, None));
    let mut members: Vec<(&[u8], Option<usize>)> = fields.chain(lists).collect();
    members.sort_by(|(one, _), (other, _)| members_first(one, other));
    let mut outermost: Option<&[u8]> = None;
    for (member, field) in members {
        let is_inside = |outer: &&[u8]| {
            member.strip_prefix(*outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"["))
        };
        let group = *outermost.insert(outermost.filter(is_inside).unwrap_or(member));
        if let Some(field) = field {
            groups[field] = group;
        }
    }
    groups
}

/// Compares names so that the members of a name follow it, before all other names.
fn members_first(one: &[u8], other: &[u8]) -> Ordering {
    let rank = |byte: u8| if byte == b'[' { 0 } else { u16::from(byte) + 1 };
    match one.iter().zip(other).find(|(one, other)| one != other) {
        Some((one, other)) => rank(*one).cmp(&rank(*other)),
        None => one.len().cmp(&other.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(name: &str) -> Option<Vec<&str>> {
        let name = FieldName::read(name.as_bytes())?;
        Some(name.steps().map(|step| std::str::from_utf8(step).expect("a text")).collect())
    }

    #[test]
    fn a_name_has_a_step_for_each_bracket() {
        assert_eq!(steps("amount"), Some(vec!["amount"]));
        assert_eq!(steps("metadata[order][id]"), Some(vec!["metadata", "order", "id"]));
        assert_eq!(steps("items[][id]"), Some(vec!["items", "", "id"]));
        assert_eq!(steps(""), Some(vec![""]));
        assert_eq!(steps("[a]"), Some(vec!["", "a"]));
        for odd in ["a[", "a]", "a[b", "a[b]c", "a[[b]]", "a[b]]", "a][b]["] {
            assert_eq!(steps(odd), Some(vec![odd]), "{odd}");
        }
        assert!(steps(&format!("a{}", "[b]".repeat(31))).is_some());
        assert_eq!(steps(&format!("a{}", "[b]".repeat(32))), None);
    }

    fn ordered(names: &[&str]) -> Vec<String> {
        let read: Vec<FieldName<'_>> =
            names.iter().map(|name| FieldName::read(name.as_bytes()).expect("few steps")).collect();
        in_order(&read).into_iter().map(|place| format!("{place}{}", names[place])).collect()
    }

    #[test]
    fn members_are_in_the_order_of_their_names() {
        assert_eq!(ordered(&["b", "a[c]", "a[b]", "a!"]), ["3a!", "2a[b]", "1a[c]", "0b"]);
    }

    #[test]
    fn fields_of_one_name_or_one_list_keep_their_order() {
        assert_eq!(ordered(&["b", "a", "b", "a"]), ["1a", "3a", "0b", "2b"]);
        let list = ["z", "a[][y]", "a[][x]", "a[][y]", "a[1]"];
        assert_eq!(ordered(&list), ["1a[][y]", "2a[][x]", "3a[][y]", "4a[1]", "0z"]);
        assert_eq!(ordered(&["b[c][][y]", "b[a]", "b[c][][x]"]), ["1b[a]", "0b[c][][y]", "2b[c][][x]"]);
    }

    #[test]
    fn a_field_and_its_own_members_keep_their_order() {
        assert_eq!(ordered(&["b", "a[b][d]", "a[b]", "a[a]"]), ["3a[a]", "1a[b][d]", "2a[b]", "0b"]);
        assert_eq!(ordered(&["a[b]", "a", "a[a]"]), ["0a[b]", "1a", "2a[a]"]);
    }
}
