//! A place in a list, and its text: the cursor.

use std::fmt;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId};
use crate::store::Position;

/// A place in a list of either order. The list goes on behind it; without an id or a position it is the
/// beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A place in the order of ids.
    ById(Option<RecordId>),
    /// A place in the order of time.
    ByAge(Option<Position>),
}

impl Place {
    /// Returns the place that `cursor` names, in the order of this place. Returns `None` if the text is no
    /// cursor of that order.
    pub(super) fn at(self, cursor: &str) -> Option<Self> {
        match self {
            Self::ById(_) => cursor.parse().ok().map(|id| Self::ById(Some(id))),
            Self::ByAge(_) => {
                let (since, id) = cursor.split_once('-')?;
                let is_number = since.bytes().all(|byte| byte.is_ascii_digit());
                let since = Timestamp(since.parse().ok().filter(|_| is_number)?);
                Some(Self::ByAge(Some(Position { since, id: id.parse().ok()? })))
            }
        }
    }

    /// Returns the place behind a stored record, in the order of this place.
    pub(super) fn behind(self, id: RecordId, stored: &Record) -> Self {
        match self {
            Self::ById(_) => Self::ById(Some(id)),
            Self::ByAge(_) => Self::ByAge(Some(Position { since: stored.updated_at, id })),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ById(Some(id)) => write!(f, "{id}"),
            Self::ByAge(Some(Position { since, id })) => write!(f, "{}-{id}", since.0),
            Self::ById(None) | Self::ByAge(None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1729da5396184af3057999b2d4aa5c8b04e22bce";

    #[test]
    fn a_cursor_is_read_in_its_own_order_alone() {
        let by_age = format!("1700000000000-{ID}");
        for (order, cursor) in [(Place::ById(None), ID), (Place::ByAge(None), &by_age)] {
            let place = order.at(cursor).expect("its own cursor");
            assert_eq!(place.to_string(), cursor);
            assert_ne!(place, order);
        }
        assert_eq!(Place::ById(None).at(&by_age), None);
        for cursor in [ID, "", "-", &format!("-{ID}"), &format!("+1-{ID}"), "1700000000000-17"] {
            assert_eq!(Place::ByAge(None).at(cursor), None, "{cursor}");
        }
    }
}
