//! Lists of records: the records that are due, and pages for operators.
//!
//! The lists walk the indexes of the buckets. An index is written together with its records, but not read
//! together with them, so an entry is only a hint. An entry that the record does not confirm is left out, and
//! an entry with a wrong deadline is corrected.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{FromRedisValue, Value, cmd};
use tokio::task::JoinSet;

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId};
use crate::store::{Cause, Due, Filter, Page, StoreError};

use super::Shared;
use super::failure::Failure;
use super::keys::bucket;
use super::script::{Call, Request, Script};
use super::value::decode;

/// Least number of ids that one page examines.
const LOOK_AT: usize = 256;
/// Largest number of buckets that are scanned at once.
const AT_ONCE: usize = 32;
/// Time until the sweeper examines a record again that it could not decode: a newer gateway may decode it.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

/// An entry of a deadline index: the deadline and the id.
type Entry = (u64, RecordId);

/// The entries with a deadline that has passed, the earliest first.
struct Passed {
    entries: Vec<Entry>,
    now: Timestamp,
    /// Time until the earliest deadline; zero if there are entries.
    quiet_for: Duration,
}

impl Shared {
    /// Implements [`crate::store::Store::due`].
    pub(super) async fn due(self: &Arc<Self>, limit: usize) -> Result<Due, StoreError> {
        let Passed { entries, now, quiet_for } = self.passed(limit).await?;
        let mut due = Due { records: Vec::new(), now, quiet_for };
        if entries.is_empty() {
            return Ok(due);
        }
        let mut stored = self.fetch(entries.iter().map(|(_, id)| *id).collect()).await?;
        for (listed, id) in entries {
            let decoded = stored.remove(&id).map(|bytes| decode(id, &bytes)).transpose();
            match decoded {
                Ok(Some(record)) if record.deadline().0 == listed => due.records.push((id, record)),
                Ok(record) => self.mend(id, listed, record.map_or(now, |record| record.deadline())).await?,
                Err(error) => {
                    tracing::error!("{error}; it is left as it is");
                    self.mend(id, listed, now.plus(LOOK_AGAIN)).await?;
                }
            }
        }
        Ok(due)
    }

    /// Implements [`crate::store::Store::page`].
    pub(super) async fn page(self: &Arc<Self>, filter: &Filter, limit: usize) -> Result<Page, StoreError> {
        let many = limit.max(LOOK_AT);
        let ids = match filter.state {
            Some("unknown") => self.unknown_ids(filter.after, many).await?,
            _ => self.all_ids(filter.after, many).await?,
        };
        let full = ids.len() == many;
        let mut stored = self.fetch(ids.clone()).await?;
        let mut page = Page { next: ids.last().copied().filter(|_| full), ..Page::default() };
        for id in ids {
            match stored.remove(&id).map(|bytes| decode(id, &bytes)).transpose() {
                Ok(Some(record)) if filter.fits(&record) => page.records.push((id, record)),
                Ok(_) => {}
                Err(error) => tracing::error!("{error}; it is left as it is"),
            }
            if page.records.len() >= limit {
                page.next = Some(id);
                break;
            }
        }
        page.now = self.now(&page.records).await?;
        Ok(page)
    }

    /// Looks for entries with a deadline that has passed.
    async fn passed(self: &Arc<Self>, limit: usize) -> Result<Passed, StoreError> {
        // Ids are digests, so due records are spread evenly. The rest of a bucket is due again at the next
        // call.
        let of_each = limit.min((limit / 64).max(8));
        let answers = self.on_groups(self.nodes.groups(), move |shared, group| async move {
            let keys = group.iter().map(|bucket| shared.keys.deadlines(*bucket));
            let call = Call::new(Script::Due, keys).number(of_each as u128);
            shared.ask_bucket(group[0], Request::Script(&call)).await
        });
        let mut passed = Passed { entries: Vec::new(), now: Timestamp(u64::MAX), quiet_for: Duration::MAX };
        for answer in answers.await? {
            let parts = Vec::<Vec<u8>>::from_redis_value(answer).unwrap_or_default();
            let [time, earliest, listed @ ..] = parts.as_slice() else {
                passed.quiet_for = Duration::ZERO;
                continue;
            };
            // The nodes of a cluster may disagree about the time. The earliest of their times counts, and a
            // deadline is compared with the time of its own node.
            let time = Timestamp(number(time));
            passed.now = passed.now.min(time);
            if !earliest.is_empty() {
                passed.quiet_for = passed.quiet_for.min(Timestamp(number(earliest)).since(time));
            }
            let (listed, _) = listed.as_chunks::<2>();
            passed.entries.extend(
                listed
                    .iter()
                    .filter_map(|[id, deadline]| Some((number(deadline), RecordId::from_bytes(id)?))),
            );
        }
        passed.entries.retain(|(deadline, _)| *deadline <= passed.now.0);
        passed.entries.sort_unstable();
        passed.entries.truncate(limit);
        Ok(passed)
    }

    async fn unknown_ids(
        self: &Arc<Self>,
        after: Option<RecordId>,
        many: usize,
    ) -> Result<Vec<RecordId>, StoreError> {
        let from = after.map_or(0, bucket);
        let groups = self
            .nodes
            .groups()
            .into_iter()
            .map(|group| group.into_iter().filter(|bucket| *bucket >= from).collect::<Vec<_>>());
        let groups = groups.filter(|group| !group.is_empty()).collect();
        let answers = self.on_groups(groups, move |shared, group| async move {
            let keys = group.iter().map(|bucket| shared.keys.unknown(*bucket));
            let after = after.map(|id| id.as_bytes().to_vec()).unwrap_or_default();
            let call = Call::new(Script::Unknown, keys).arg(after).number(many as u128);
            shared.ask_bucket(group[0], Request::Script(&call)).await
        });
        let mut ids: Vec<_> = answers.await?.into_iter().flat_map(ids_in).collect();
        ids.truncate(many);
        Ok(ids)
    }

    /// Returns the ids of all records in their order. A bucket has no index in that order, so it is scanned
    /// as a whole, in steps that do not keep the server from other clients. One bucket of a large store has
    /// enough ids for a page, so the first steps scan few buckets.
    async fn all_ids(
        self: &Arc<Self>,
        after: Option<RecordId>,
        many: usize,
    ) -> Result<Vec<RecordId>, StoreError> {
        let buckets: Vec<u8> = (after.map_or(0, bucket)..=u8::MAX).collect();
        let (mut ids, mut rest, mut number) = (Vec::new(), buckets.as_slice(), 1);
        while ids.len() < many && !rest.is_empty() {
            let (some, others) = rest.split_at(number.min(rest.len()));
            let scanned = self.on_groups(some.to_vec(), move |shared, bucket| async move {
                shared.scan(bucket, after).await
            });
            ids.extend(scanned.await?.into_iter().flatten());
            (rest, number) = (others, AT_ONCE.min(2 * number));
        }
        ids.truncate(many);
        Ok(ids)
    }

    async fn scan(&self, bucket: u8, after: Option<RecordId>) -> Result<Vec<RecordId>, Failure> {
        let (mut ids, mut cursor) = (Vec::new(), 0);
        loop {
            let mut scan = cmd("ZSCAN");
            scan.arg(self.keys.deadlines(bucket)).arg(cursor).arg("COUNT").arg(1000);
            let answer = self.ask_bucket(bucket, Request::Command(&scan)).await?;
            let (next, entries) = <(u64, Vec<Vec<u8>>)>::from_redis_value(answer)
                .map_err(|error| Failure::down(format!("a bad answer to ZSCAN: {error}")))?;
            ids.extend(entries.chunks(2).filter_map(|entry| RecordId::from_bytes(&entry[0])));
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        ids.retain(|id| Some(*id) > after);
        // A scan may return an id twice.
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Fetches the stored values under some ids, undecoded.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        ids: Vec<RecordId>,
    ) -> Result<BTreeMap<RecordId, Vec<u8>>, StoreError> {
        let groups: Vec<Vec<RecordId>> = self
            .nodes
            .groups()
            .into_iter()
            .map(|group| ids.iter().copied().filter(|id| group.contains(&bucket(*id))).collect())
            .collect();
        let groups: Vec<_> = groups.into_iter().filter(|group: &Vec<_>| !group.is_empty()).collect();
        let values = self.on_groups(groups, |shared, group| async move {
            let mut get = cmd("MGET");
            for id in &group {
                get.arg(shared.keys.record(*id));
            }
            let answer = shared.ask_bucket(bucket(group[0]), Request::Command(&get)).await?;
            let values = Vec::<Option<Vec<u8>>>::from_redis_value(answer);
            let values = values.map_err(|error| Failure::down(format!("a bad answer to MGET: {error}")))?;
            Ok(group.into_iter().zip(values).collect::<Vec<_>>())
        });
        let values = values.await?.into_iter().flatten();
        Ok(values.filter_map(|(id, value)| Some((id, value?))).collect())
    }

    /// Corrects the deadline entry of a record: moves it from `listed` to `deadline`, or removes it if there
    /// is no record.
    async fn mend(&self, id: RecordId, listed: u64, deadline: Timestamp) -> Result<(), StoreError> {
        let keys = [self.keys.record(id), self.keys.deadlines(bucket(id))];
        let call = Call::new(Script::Mend, keys).arg(*id.as_bytes());
        let call = call.number(listed.into()).number(deadline.0.into());
        Ok(self.ask_bucket(bucket(id), Request::Script(&call)).await.map(drop)?)
    }

    /// Returns the time, no earlier than any stamp of `records`.
    pub(super) async fn now(&self, records: &[(RecordId, Record)]) -> Result<Timestamp, StoreError> {
        let answer = self.ask_bucket(0, Request::Command(&cmd("TIME"))).await?;
        let (seconds, micros) = <(u64, u64)>::from_redis_value(answer)
            .map_err(|error| StoreError::unavailable(format!("a bad answer to TIME: {error}")))?;
        let newest = records.iter().map(|(_, record)| record.updated_at).max().unwrap_or_default();
        Ok(newest.max(Timestamp(seconds * 1000 + micros / 1000)))
    }

    /// Asks about all groups at once. The answers keep the order of the groups.
    pub(super) async fn on_groups<G, T, F>(
        self: &Arc<Self>,
        groups: Vec<G>,
        ask: impl Fn(Arc<Self>, G) -> F,
    ) -> Result<Vec<T>, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let mut asking = JoinSet::new();
        for (number, group) in groups.into_iter().enumerate() {
            let answer = ask(Arc::clone(self), group);
            asking.spawn(async move { answer.await.map(|answer| (number, answer)) });
        }
        let mut answers = BTreeMap::new();
        while let Some(answer) = asking.join_next().await {
            let (number, answer) =
                answer.map_err(|error| StoreError::Unavailable(Cause::of(error.to_string(), error)))??;
            answers.insert(number, answer);
        }
        Ok(answers.into_values().collect())
    }
}

pub(super) fn ids_in(answer: Value) -> Vec<RecordId> {
    let parts = Vec::<Vec<u8>>::from_redis_value(answer).unwrap_or_default();
    parts.iter().filter_map(|part| RecordId::from_bytes(part)).collect()
}

/// Parses a score or a time as Redis writes it. A text that is no number gives a deadline that never passes.
pub(super) fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}
