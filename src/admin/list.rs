//! `GET /v1/records?state=&route=&limit=&cursor=`: records as of now, in the order of their ids.
//!
//! An empty parameter counts as an absent one. An unknown parameter is refused. A page of the list may be
//! short or even empty although more records follow: follow `next_cursor` until it is null.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::protocol::RecordId;
use crate::store::{Filter, Ledger, StoreError};

use super::input::Parameters;
use super::problem::AdminProblem;
use super::state::AdminState;
use super::view::RecordView;

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

/// Number of store pages that one list may read. A filter that few records pass ends the list early, with a
/// cursor to go on from.
const MAX_PAGES: usize = 16;

const STATES: [&str; 6] = ["running", "completed", "unknown", "settled", "cleared", "expired"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: Option<String>,
    route: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

#[derive(Serialize)]
pub(super) struct RecordList {
    records: Vec<RecordView>,
    next_cursor: Option<String>,
}

pub(super) async fn list(
    State(admin): State<AdminState>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Json<RecordList>, AdminProblem> {
    let filter = ListFilter::read(query).map_err(AdminProblem::bad_request)?;
    Ok(Json(filter.gather(&admin.ledger).await?))
}

/// A checked query.
struct ListFilter {
    state: Option<&'static str>,
    route: Option<String>,
    limit: usize,
    after: Option<RecordId>,
}

impl ListFilter {
    fn read(query: ListQuery) -> Result<Self, String> {
        let given = |parameter: Option<String>| parameter.filter(|text| !text.is_empty());
        Ok(Self {
            state: given(query.state).map(|name| state_named(&name)).transpose()?,
            route: given(query.route),
            limit: given(query.limit).map_or(Ok(DEFAULT_LIMIT), |text| limit_of(&text))?,
            after: given(query.cursor)
                .map(|text| text.parse().map_err(|error| format!("cursor: {error}")))
                .transpose()?,
        })
    }

    async fn gather(self, ledger: &Ledger) -> Result<RecordList, StoreError> {
        // A record past its time is stored under its old state until the sweep reaches it.
        let stored_state = self.state.filter(|state| *state != "expired");
        let mut filter = Filter { state: stored_state, route: self.route, after: self.after };
        let mut records = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = ledger.page(filter.clone(), self.limit - records.len()).await?;
            for (id, record) in &page.records {
                let current = record.at(page.now);
                let fits = |name| self.state.is_none_or(|state| state == name);
                records.extend(
                    current
                        .filter(|record| fits(record.state.name()))
                        .map(|record| RecordView::of(*id, &record)),
                );
            }
            filter.after = page.next;
            if filter.after.is_none() || records.len() == self.limit {
                break;
            }
        }
        Ok(RecordList { records, next_cursor: filter.after.map(|id| id.to_string()) })
    }
}

fn state_named(name: &str) -> Result<&'static str, String> {
    let known = STATES.into_iter().find(|state| *state == name);
    known.ok_or_else(|| format!("state: `{name}` is not one of {}", STATES.join(", ")))
}

fn limit_of(text: &str) -> Result<usize, String> {
    let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| format!("limit: `{text}` is not a number from 1 to {MAX_LIMIT}"))
}
