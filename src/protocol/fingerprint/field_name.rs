//! Names of the fields of a form, such as `metadata[order]`, and the order of fields that counts.
//!
//! Servers make a tree of such names. The order of two fields does not count if they are different members
//! of the tree. It counts in three cases:
//!
//! * the fields have one name;
//! * a list without numbers is on the way to them (`items[][id]`), because the order says which element a
//!   field belongs to;
//! * one field is a member of the other (`a` and `a[b]`), because servers keep the last of them.

/// Largest number of steps in a name.
const MAX_STEPS: usize = 32;

/// A name as steps: `metadata[order]` has the steps `metadata` and `order`. A name with other brackets is one
/// step.
pub(super) struct FieldName<'n> {
    name: &'n [u8],
    /// The end of each step in the name, brackets included. Empty for a name of one step.
    ends: Vec<usize>,
}

impl<'n> FieldName<'n> {
    /// Reads a name. Returns `None` if it has too many steps.
    pub(super) fn read(name: &'n [u8]) -> Option<Self> {
        let first = name.iter().position(|byte| *byte == b'[').unwrap_or(name.len());
        let (mut ends, mut rest) = (Vec::new(), &name[first..]);
        while let Some(inside) = rest.strip_prefix(b"[") {
            let Some(length) = inside.iter().position(|byte| matches!(byte, b'[' | b']')) else { break };
            if inside[length] == b'[' {
                break;
            }
            if ends.is_empty() {
                ends.push(first);
            }
            rest = &inside[length + 1..];
            ends.push(name.len() - rest.len());
            if ends.len() > MAX_STEPS {
                return None;
            }
        }
        let ends = if rest.is_empty() { ends } else { Vec::new() };
        Some(Self { name, ends })
    }

    /// Returns the steps without brackets. An empty step behind the first is an element without a number.
    pub(super) fn steps(&self) -> impl Iterator<Item = &'n [u8]> {
        let first = self.ends.first().copied().unwrap_or(self.name.len());
        let inside = self.ends.windows(2).map(|ends| &self.name[ends[0] + 1..ends[1] - 1]);
        [&self.name[..first]].into_iter().chain(inside)
    }

    /// Returns the name of the outermost list without numbers on the way to this field.
    fn list(&self) -> Option<&'n [u8]> {
        let place = self.steps().skip(1).position(<[u8]>::is_empty)?;
        Some(&self.name[..self.ends[place]])
    }
}

/// Returns the positions of these fields, in an order that is the same for all orders with one meaning.
pub(super) fn in_order(names: &[FieldName<'_>]) -> Vec<usize> {
    // Fields of one group keep their order.
    sorted(&groups(names), |byte| byte)
}

/// Returns for each field the name of the member within which the order of fields counts.
fn groups<'n>(names: &[FieldName<'n>]) -> Vec<&'n [u8]> {
    let mut groups: Vec<&[u8]> = names.iter().map(|name| name.name).collect();
    if !groups.iter().any(|name| name.contains(&b'[')) {
        return groups;
    }
    let lists = names.iter().filter_map(FieldName::list);
    let members: Vec<&[u8]> = groups.iter().copied().chain(lists).collect();
    let mut outermost: Option<&[u8]> = None;
    for place in sorted(&members, members_first) {
        let member = members[place];
        let is_inside = |outer: &&[u8]| {
            member.strip_prefix(*outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"["))
        };
        let group = *outermost.insert(outermost.filter(is_inside).unwrap_or(member));
        if let Some(field) = groups.get_mut(place) {
            *field = group;
        }
    }
    groups
}

/// Exchanges the bytes 0 and `[`, so that the members of a name follow it, before all other names.
fn members_first(byte: u8) -> u8 {
    match byte {
        b'[' => 0,
        0 => b'[',
        byte => byte,
    }
}

/// Returns the positions of names in the order of their bytes under `rank`. Equal names keep their order.
///
/// The first eight bytes decide most comparisons, without a look at the names.
fn sorted(names: &[&[u8]], rank: impl Fn(u8) -> u8) -> Vec<usize> {
    let start = |name: &[u8]| {
        (0..8).fold(0, |start, at| start << 8 | name.get(at).map_or(0, |byte| u64::from(rank(*byte))))
    };
    let ranked = |name: &[u8], other: &[u8]| match name.iter().zip(other).find(|(one, other)| one != other) {
        Some((one, other)) => rank(*one).cmp(&rank(*other)),
        None => name.len().cmp(&other.len()),
    };
    let mut places: Vec<(u64, usize)> = names.iter().map(|name| start(name)).zip(0..).collect();
    places.sort_unstable_by(|(one, place), (other, next)| {
        one.cmp(other).then_with(|| ranked(names[*place], names[*next])).then(place.cmp(next))
    });
    places.into_iter().map(|(_, place)| place).collect()
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
    fn long_names_and_odd_bytes_are_in_order_too() {
        let names =
            ["aaaaaaaab", "aaaaaaaaa[c]", "aaaaaaaaa[b]", "aaaaaaaaa", "aaaaaaaa", "a\0", "a", "a[b]"];
        let expected = [
            "6a",
            "7a[b]",
            "5a\0",
            "4aaaaaaaa",
            "1aaaaaaaaa[c]",
            "2aaaaaaaaa[b]",
            "3aaaaaaaaa",
            "0aaaaaaaab",
        ];
        assert_eq!(ordered(&names), expected);
    }

    #[test]
    fn a_field_and_its_own_members_keep_their_order() {
        assert_eq!(ordered(&["b", "a[b][d]", "a[b]", "a[a]"]), ["3a[a]", "1a[b][d]", "2a[b]", "0b"]);
        assert_eq!(ordered(&["a[b]", "a", "a[a]"]), ["0a[b]", "1a", "2a[a]"]);
    }
}
