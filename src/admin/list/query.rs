//! The query of a list.

use std::time::Duration;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::config::units::parse_span;
use crate::protocol::{Reason, Record, State};

use super::place::Place;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

const STATES: [&str; 6] = ["running", "completed", UNKNOWN, "settled", "cleared", EXPIRED];
const UNKNOWN: &str = "unknown";
const EXPIRED: &str = "expired";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct ListQuery {
    state: Option<String>,
    route: Option<String>,
    reason: Option<String>,
    label: Option<String>,
    older_than: Option<String>,
    order: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

/// A checked query.
pub(super) struct Selection {
    state: Option<&'static str>,
    /// Name of the route, or `None` for records of every route.
    pub(super) route: Option<String>,
    reason: Option<Reason>,
    /// Value of one of the labels.
    label: Option<String>,
    older_than: Option<Duration>,
    /// Largest number of records to show.
    pub(super) limit: usize,
    /// Place at which the list begins.
    pub(super) place: Place,
}

impl Selection {
    /// Checks a query.
    ///
    /// # Errors
    /// A message that names the wrong parameter and says what is allowed.
    pub(super) fn read(query: ListQuery) -> Result<Self, String> {
        let given = |parameter: Option<String>| parameter.filter(|text| !text.is_empty());
        let state = filter("state", query.state)?.map(|name| state_named(&name)).transpose()?;
        let reason = filter("reason", query.reason)?.map(|text| reason_named(&text)).transpose()?;
        let order = given(query.order).map_or(Ok(Place::ById(None)), |name| order_named(&name))?;
        let rule = match (order, reason) {
            (Place::ByAge(_), _) => Some("order: only unknown outcomes have the order `oldest`"),
            (Place::ById(_), Some(_)) => Some("reason: only unknown outcomes have a reason"),
            (Place::ById(_), None) => None,
        };
        let state = match (rule, state) {
            (None, state) => state,
            (Some(_), None | Some(UNKNOWN)) => Some(UNKNOWN),
            (Some(rule), Some(state)) => {
                return Err(format!("{rule}; state={state} does not fit, state=unknown does"));
            }
        };
        Ok(Self {
            state,
            route: filter("route", query.route)?,
            reason,
            label: filter("label", query.label)?,
            older_than: filter("older_than", query.older_than)?.map(|text| age_of(&text)).transpose()?,
            limit: given(query.limit).map_or(Ok(DEFAULT_LIMIT), |text| limit_of(&text))?,
            place: given(query.cursor).map_or(Ok(order), |cursor| place_at(order, &cursor))?,
        })
    }

    /// Returns the state for the store to select by. A record past its time is stored under its old state
    /// until the sweep reaches it.
    pub(super) fn stored_state(&self) -> Option<&'static str> {
        self.state.filter(|state| *state != EXPIRED)
    }

    /// Tells whether a record that the store selects may still not fit.
    pub(super) fn is_narrower_than_store(&self) -> bool {
        self.reason.is_some() || self.label.is_some() || self.older_than.is_some()
    }

    /// Tells whether a record fits. The route is not compared, because stores do that.
    pub(super) fn fits(&self, record: &Record, now: Timestamp) -> bool {
        let is_of_reason = self
            .reason
            .is_none_or(|wanted| matches!(record.state, State::Unknown { reason, .. } if reason == wanted));
        self.state.is_none_or(|state| state == record.state.name())
            && is_of_reason
            && self.label.as_ref().is_none_or(|label| record.labels.have(label))
            && self.is_old_enough(record, now)
    }

    /// Tells whether the last write of a record is long enough ago.
    pub(super) fn is_old_enough(&self, record: &Record, now: Timestamp) -> bool {
        self.older_than.is_none_or(|age| record.updated_at.plus(age) <= now)
    }
}

/// Checks a parameter that selects records. An empty one would select all of them, which is not what a script
/// with an unset variable means.
fn filter(name: &str, value: Option<String>) -> Result<Option<String>, String> {
    match value {
        Some(text) if text.is_empty() => {
            Err(format!("{name}: this filter is empty; leave it out to select all"))
        }
        value => Ok(value),
    }
}

fn state_named(name: &str) -> Result<&'static str, String> {
    let known = STATES.into_iter().find(|state| *state == name);
    known.ok_or_else(|| format!("state: `{name}` is not one of {}", STATES.join(", ")))
}

fn order_named(name: &str) -> Result<Place, String> {
    match name {
        "id" => Ok(Place::ById(None)),
        "oldest" => Ok(Place::ByAge(None)),
        _ => Err(format!("order: `{name}` is not one of id, oldest")),
    }
}

fn reason_named(text: &str) -> Result<Reason, String> {
    Reason::named(text).ok_or_else(|| {
        let known: Vec<_> = Reason::WITHOUT_STATUS.iter().map(ToString::to_string).collect();
        format!("reason: `{text}` is not one of {}, status NNN", known.join(", "))
    })
}

fn age_of(text: &str) -> Result<Duration, String> {
    parse_span(text).map_err(|why| format!("older_than: {why}"))
}

fn limit_of(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("limit: `{text}` is not a number from 1 to {MAX_LIMIT}"))
}

fn place_at(order: Place, cursor: &str) -> Result<Place, String> {
    order.at(cursor).ok_or_else(|| {
        let order = if matches!(order, Place::ById(_)) { "id" } else { "oldest" };
        format!("cursor: `{cursor}` is not the next_cursor of a list with order={order}")
    })
}
