//! The unknown records in the order of time: the list and the count.

use sqlx::{Row, query};

use crate::protocol::{Record, RecordId};
use crate::store::{PAGE_SCAN, Position, StoreError, Tally, UnknownFilter, UnknownPage};

use super::failure::Failure;
use super::lists::{ListConnection, clock, count, decode};
use super::row::{self, moment};

impl ListConnection {
    /// Implements [`crate::store::Store::oldest_unknown`].
    pub(super) async fn oldest_unknown(
        &self,
        filter: &UnknownFilter,
        limit: usize,
    ) -> Result<UnknownPage, StoreError> {
        let looked_at = if filter.route.is_some() { PAGE_SCAN } else { limit };
        let (since, id) = filter
            .after
            .map_or((0, Vec::new()), |after| (after.since.0.cast_signed(), after.id.as_bytes().to_vec()));
        let statement = query(self.statements.oldest.clone())
            .bind(since)
            .bind(id)
            .bind(filter.route.clone())
            .bind(count(looked_at))
            .bind(count(limit));
        let rows = self.ask(statement).await.map_err(Failure::of_a_read)?;
        let mut page = UnknownPage { now: clock(&rows, "now")?, ..UnknownPage::default() };
        let (mut shown, mut last_shown) = (0, None);
        for row in &rows {
            let Some((id, record)) = decode(row)? else { continue };
            shown += 1;
            last_shown = Some(Position { since: moment(row, "updated_at")?, id });
            match record {
                Ok(record) => page.records.push((id, record)),
                Err(error) => tracing::error!("{error}; it is left as it is"),
            }
        }
        let Some(end) = rows.last() else { return Ok(page) };
        let seen: i64 = end.try_get("looked_at").map_err(Failure::from)?;
        page.next = match row::id(end)? {
            _ if shown == limit => last_shown,
            Some(id) if seen == count(looked_at) => Some(Position { since: moment(end, "updated_at")?, id }),
            _ => None,
        };
        page.now = page.now.max(newest(&page.records));
        Ok(page)
    }

    /// Implements [`crate::store::Store::tally`].
    pub(super) async fn tally(&self) -> Result<Tally, StoreError> {
        let rows = self.ask(query(self.statements.tally.clone())).await.map_err(Failure::of_a_read)?;
        let mut tally = Tally { now: clock(&rows, "now")?, ..Tally::default() };
        for row in &rows {
            let route: Option<&str> = row.try_get("route").map_err(Failure::from)?;
            let Some(route) = route else { continue };
            let records: i64 = row.try_get("records").map_err(Failure::from)?;
            tally.add(route, records.cast_unsigned(), moment(row, "oldest")?);
        }
        Ok(tally)
    }
}

/// Returns the time of the last write to any of `records`: the clock never goes back before it.
fn newest(records: &[(RecordId, Record)]) -> crate::clock::Timestamp {
    records.iter().map(|(_, record)| record.updated_at).max().unwrap_or_default()
}
