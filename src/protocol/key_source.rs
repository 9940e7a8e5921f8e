//! The place of the key in requests: a header, members of the body, or the first of several places that a
//! request has.
//!
//! A place that is there decides. If its value is no key, the request is refused and no later place is looked
//! at, because the client meant a key and another one would name another operation.

use std::fmt;

use http::{HeaderMap, HeaderName};

use super::key::{InvalidKey, Key};
use super::members::{self, BodyMembers, Member, Pointer, Unreadable};

/// The largest number of places, and of members of one place.
pub const MOST: usize = 8;

/// The places of a route's keys, in the order in which they are looked at. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySource(Vec<KeyPlace>);

/// One place of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// A request header.
    Header(HeaderName),
    /// Members of the body, a JSON document or a form, which together are the key.
    Members(Vec<Pointer>),
}

/// A key, and the place that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The key.
    pub key: Key,
    /// The place in the source.
    pub place: PlaceNumber,
}

/// The number of a place in its source. An attempt keeps it, and it needs one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceNumber(u8);

/// The result of a search for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySearch {
    /// The key.
    Found(FoundKey),
    /// A request without a key.
    Absent,
    /// A request with a key in its body, if it has one at all.
    InBody,
}

/// The reason why the value at a place is no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRefusal<'s> {
    /// The place.
    pub place: &'s KeyPlace,
    /// The rule that the value breaks.
    pub why: InvalidKey,
}

impl KeySource {
    /// Returns a source with a header as its only place.
    #[must_use]
    pub fn header(name: HeaderName) -> Self {
        Self(vec![KeyPlace::Header(name)])
    }

    /// Returns a source with these places. `None` if there is no place, or more than [`MOST`].
    #[must_use]
    pub fn first(places: Vec<KeyPlace>) -> Option<Self> {
        (1..=MOST).contains(&places.len()).then_some(Self(places))
    }

    /// Returns the places, in their order.
    #[must_use]
    pub fn places(&self) -> &[KeyPlace] {
        &self.0
    }

    /// Returns the headers that may carry the key.
    pub fn headers(&self) -> impl Iterator<Item = &HeaderName> + Clone {
        self.0.iter().filter_map(KeyPlace::as_header)
    }

    /// Returns the members of the body that may be the key, or a part of it.
    pub fn members(&self) -> impl Iterator<Item = &Pointer> {
        self.0.iter().flat_map(|place| match place {
            KeyPlace::Header(_) => [].iter(),
            KeyPlace::Members(pointers) => pointers.iter(),
        })
    }

    /// Tells whether the key may stand in the body.
    #[must_use]
    pub fn reads_body(&self) -> bool {
        self.members().next().is_some()
    }

    /// Looks for the key of a request. Without a body, the search ends at the first place in it.
    ///
    /// # Errors
    /// The first place that is there, if its value is no key.
    pub fn find(&self, headers: &HeaderMap, body: Option<&[u8]>) -> Result<KeySearch, KeyRefusal<'_>> {
        let mut members = None;
        for (number, place) in self.0.iter().enumerate() {
            let refused = |why| KeyRefusal { place, why };
            let found = match (place, body) {
                (KeyPlace::Header(name), _) => in_header(headers, name),
                (KeyPlace::Members(_), None) => return Ok(KeySearch::InBody),
                (KeyPlace::Members(pointers), Some(body)) => {
                    let read = || BodyMembers::declared(headers, body);
                    let members = members.get_or_insert_with(read);
                    in_members(members, pointers).and_then(|key| match key {
                        None if self.has_variant(members, pointers) => Err(InvalidKey::OtherCase),
                        key => Ok(key),
                    })
                }
            };
            if let Some(key) = found.map_err(refused)? {
                let place = PlaceNumber(u8::try_from(number).unwrap_or(u8::MAX));
                return Ok(KeySearch::Found(FoundKey { key, place }));
            }
        }
        Ok(KeySearch::Absent)
    }

    /// Tells whether a body without these members has one of them for a server that does not distinguish upper
    /// and lower case. A member that the source names in another spelling is read there.
    fn has_variant(&self, body: &Result<Option<BodyMembers<'_>>, Unreadable>, pointers: &[Pointer]) -> bool {
        let Ok(Some(body)) = body else { return false };
        let is_named_otherwise =
            |pointer: &Pointer| self.members().any(|other| other != pointer && other.is_variant(pointer));
        pointers.iter().any(|pointer| !is_named_otherwise(pointer) && body.has_variant(pointer))
    }

    /// Checks whether keys can be read from bodies with these headers.
    ///
    /// # Errors
    /// The first place in the body.
    pub fn check_readable(&self, headers: &HeaderMap) -> Result<(), KeyRefusal<'_>> {
        let place = self.0.iter().find(|place| place.as_header().is_none());
        match (place, members::check(headers)) {
            (Some(place), Err(unreadable)) => Err(KeyRefusal { place, why: InvalidKey::Body(unreadable) }),
            _ => Ok(()),
        }
    }

    /// Returns the places in words, such as `the x-event-id header or the member /id of the body`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let places: Vec<String> = self.0.iter().map(KeyPlace::in_words).collect();
        places.join(" or ")
    }

    /// Returns the header at a place. `None` for members of the body.
    #[must_use]
    pub fn header_at(&self, place: PlaceNumber) -> Option<&HeaderName> {
        self.0.get(usize::from(place.0)).and_then(KeyPlace::as_header)
    }
}

impl KeyPlace {
    /// Returns the header, if the place is one.
    #[must_use]
    pub fn as_header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name) => Some(name),
            Self::Members(_) => None,
        }
    }

    fn in_words(&self) -> String {
        match self {
            Self::Header(name) => format!("the {name} header"),
            Self::Members(pointers) => match pointers.as_slice() {
                [all @ .., last] if !all.is_empty() => {
                    format!("the members {} and {last} of the body", list(all))
                }
                all => format!("the member {} of the body", list(all)),
            },
        }
    }
}

fn list(pointers: &[Pointer]) -> String {
    pointers.iter().map(Pointer::as_str).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for KeyRefusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            KeyPlace::Header(name) => write!(f, "{name}: {}", self.why),
            KeyPlace::Members(pointers) => write!(f, "{}: {}", list(pointers), self.why),
        }
    }
}

fn in_header(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Key>, InvalidKey> {
    let mut lines = headers.get_all(name).into_iter();
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(InvalidKey::SeveralLines),
        (Some(line), None) => Key::parse(line.as_bytes()).map(Some),
    }
}

fn in_members(
    body: &Result<Option<BodyMembers<'_>>, Unreadable>,
    pointers: &[Pointer],
) -> Result<Option<Key>, InvalidKey> {
    let Some(body) = body.as_ref().map_err(|unreadable| InvalidKey::Body(*unreadable))? else {
        return Ok(None);
    };
    let mut texts = Vec::with_capacity(pointers.len());
    for pointer in pointers {
        match body.member(pointer) {
            Member::Missing => {}
            Member::Null => return Err(InvalidKey::Null),
            Member::Unclear => return Err(InvalidKey::Unclear),
            member => texts.push(member.exact().ok_or(InvalidKey::NoText)?),
        }
    }
    match texts.len() {
        0 => Ok(None),
        all if all == pointers.len() => Key::of_members(&texts).map(Some),
        _ => Err(InvalidKey::Incomplete),
    }
}

impl fmt::Display for KeySource {
    /// Writes the source as the configuration does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.places() {
            return only.fmt(f);
        }
        let places: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "{{ first = [{}] }}", places.join(", "))
    }
}

impl fmt::Display for KeyPlace {
    /// Writes the place as the configuration does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "{{ header = \"{name}\" }}"),
            Self::Members(pointers) => match pointers.as_slice() {
                [only] => write!(f, "{{ json = {} }}", quoted(only)),
                several => {
                    let several: Vec<String> = several.iter().map(quoted).collect();
                    write!(f, "{{ json = [{}] }}", several.join(", "))
                }
            },
        }
    }
}

/// Writes a pointer as a string of TOML. A pointer of a key has no control characters.
fn quoted(pointer: &Pointer) -> String {
    format!("\"{}\"", pointer.as_str().replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;
