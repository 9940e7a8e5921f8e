//! `GET /v1/records?state=&route=&reason=&label=&older_than=&order=&limit=&cursor=`: records as of now, in the
//! order of their ids, or the unknown outcomes with the oldest first. `label` is the value of any label.
//!
//! An empty `order`, `limit` or `cursor` counts as an absent one. An empty filter and an unknown parameter are
//! refused. A page of the list may be short or even empty although more records follow: follow `next_cursor`
//! until it is null.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId};
use crate::store::{Filter, Ledger, StoreError, UnknownFilter};

use super::input::Parameters;
use super::problem::AdminProblem;
use super::state::AdminState;
use super::view::RecordView;

mod place;
mod query;

use place::Place;
use query::{ListQuery, Selection};

/// Number of store pages that one list may read. A selection that few records fit ends the list early, with a
/// cursor to go on from.
const MAX_PAGES: usize = 16;

/// Least number of records in a store page, if the selection has a part that the store does not know.
const LOOK_AT: usize = 256;

#[derive(Default, Serialize)]
pub(super) struct RecordList {
    records: Vec<RecordView>,
    next_cursor: Option<String>,
}

pub(super) async fn list(
    State(admin): State<AdminState>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<RecordList>, AdminProblem> {
    let selection = Selection::read(query).map_err(AdminProblem::bad_request)?;
    Ok(Json(gather(&admin.ledger, &selection).await?))
}

/// A page of a store, in either order.
struct StorePage {
    records: Vec<(RecordId, Record)>,
    next: Option<Place>,
    now: Timestamp,
}

async fn gather(ledger: &Ledger, selection: &Selection) -> Result<RecordList, StoreError> {
    let mut records = Vec::new();
    let mut place = Some(selection.place);
    for _ in 0..MAX_PAGES {
        let Some(from) = place else { break };
        let page = store_page(ledger, selection, from, selection.limit - records.len()).await?;
        place = take(page, selection, from, &mut records);
        if records.len() == selection.limit {
            break;
        }
    }
    Ok(RecordList { records, next_cursor: place.map(|place| place.to_string()) })
}

/// Reads the next page of the store, with at least `wanted` records if there are that many.
async fn store_page(
    ledger: &Ledger,
    selection: &Selection,
    from: Place,
    wanted: usize,
) -> Result<StorePage, StoreError> {
    let limit = if selection.is_narrower_than_store() { wanted.max(LOOK_AT) } else { wanted };
    let route = selection.route.clone();
    Ok(match from {
        Place::ById(after) => {
            let page = ledger.page(Filter { state: selection.stored_state(), route, after }, limit).await?;
            let next = page.next.map(|id| Place::ById(Some(id)));
            StorePage { records: page.records, next, now: page.now }
        }
        Place::ByAge(after) => {
            let page = ledger.oldest_unknown(UnknownFilter { route, after }, limit).await?;
            let next = page.next.map(|position| Place::ByAge(Some(position)));
            StorePage { records: page.records, next, now: page.now }
        }
    })
}

/// Adds the records of a store page that fit, up to the limit, and returns the place to go on from.
fn take(page: StorePage, selection: &Selection, from: Place, records: &mut Vec<RecordView>) -> Option<Place> {
    let last = page.records.len().saturating_sub(1);
    for (index, (id, stored)) in page.records.iter().enumerate() {
        // The records behind this one are younger still.
        if matches!(from, Place::ByAge(_)) && !selection.is_old_enough(stored, page.now) {
            return None;
        }
        let current = stored.at(page.now).filter(|record| selection.fits(record, page.now));
        records.extend(current.map(|record| RecordView::of(*id, &record)));
        if records.len() == selection.limit && index < last {
            return Some(from.behind(*id, stored));
        }
    }
    page.next
}
