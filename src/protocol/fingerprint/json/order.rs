//! The order of members: the order of their names as UTF-16 (RFC 8785, 3.2.3).

use std::borrow::Cow;
use std::ops::Range;

/// Largest number of members that are compared by whole names.
const FEW: usize = 32;

/// A member as it was written.
pub(super) struct Member<'t> {
    key: Cow<'t, [u8]>,
    /// Range of the name and value in the written text, empty if the member is left out.
    pub(super) written: Range<usize>,
}

impl<'t> Member<'t> {
    pub(super) fn new(name: Cow<'t, str>, written: Range<usize>) -> Self {
        Self { key: key(name), written }
    }
}

/// Returns bytes with the same order as the UTF-16 of a name. UTF-8 has the order of code points, so only
/// those from U+E000 to U+FFFF, which start with one of two bytes, have to come after all surrogate pairs.
fn key(name: Cow<'_, str>) -> Cow<'_, [u8]> {
    if !name.bytes().any(|byte| matches!(byte, 0xee | 0xef)) {
        return match name {
            Cow::Borrowed(name) => Cow::Borrowed(name.as_bytes()),
            Cow::Owned(name) => Cow::Owned(name.into_bytes()),
        };
    }
    let late = |byte| if matches!(byte, 0xee | 0xef) { byte | 0x10 } else { byte };
    Cow::Owned(name.bytes().map(late).collect())
}

/// The order of the members of an object.
pub(super) enum Order {
    /// The right order.
    Right,
    /// Another order, with the positions of the members in the right order.
    Other(Vec<u32>),
    /// Two members with the same name.
    Repeated,
}

pub(super) fn order(members: &[Member<'_>]) -> Order {
    if members.is_sorted_by(|one, next| one.key < next.key) {
        return Order::Right;
    }
    let mut places: Vec<u32> = (0..).take(members.len()).collect();
    let key = |place: u32| &*members[place as usize].key;
    let is_repeated = if members.len() <= FEW {
        places.sort_unstable_by_key(|place| key(*place));
        places.windows(2).any(|two| key(two[0]) == key(two[1]))
    } else {
        sort(&mut places, &key)
    };
    if is_repeated { Order::Repeated } else { Order::Other(places) }
}

/// Sorts by eight bytes of the keys at a time. Each byte is looked at only a few times, even if the keys are
/// very similar. Returns whether two keys are equal.
fn sort<'k>(places: &mut [u32], key: &impl Fn(u32) -> &'k [u8]) -> bool {
    let mut parts: Vec<Part> = places.iter().map(|place| Part::of(key(*place), 0, *place)).collect();
    let mut alike = vec![(0..parts.len(), 0)];
    while let Some((range, from)) = alike.pop() {
        let part = &mut parts[range.clone()];
        if from > 0 {
            part.iter_mut().for_each(|part| *part = Part::of(key(part.place()), from, part.place()));
        }
        part.sort_unstable();
        let mut start = range.start;
        for run in part.chunk_by(|one, next| one.text() == next.text()) {
            if run.len() > 1 {
                if run[0].is_end() {
                    return true;
                }
                alike.push((start..start + run.len(), from + 8));
            }
            start += run.len();
        }
    }
    for (place, part) in places.iter_mut().zip(parts) {
        *place = part.place();
    }
    false
}

/// Eight bytes of a key, their count, and the position of the member, in one number because numbers are
/// compared quickly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Part(u128);

impl Part {
    fn of(key: &[u8], from: usize, place: u32) -> Self {
        let rest = key.get(from..).unwrap_or_default();
        let mut bytes = [0; 8];
        let count = rest.len().min(8);
        bytes[..count].copy_from_slice(&rest[..count]);
        Self(u128::from(u64::from_be_bytes(bytes)) << 64 | (count as u128) << 32 | u128::from(place))
    }

    fn place(self) -> u32 {
        self.0 as u32
    }

    fn text(self) -> u128 {
        self.0 >> 32
    }

    /// Tells whether the key ends here.
    fn is_end(self) -> bool {
        self.text() as u32 != 8
    }
}
