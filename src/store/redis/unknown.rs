//! The unknown records in the order of time: the list, the count, and what gateways of an earlier release
//! left out or left behind.
//!
//! Each bucket has a sorted set `unknown-since` beside its set `unknown`. Scripts of this release write both
//! in one step. Scripts of an earlier release write `unknown` only, so an entry of `unknown-since` is a hint
//! like every entry of an index, and the comparison of [`Shared::mend_unknown`] mends it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use redis::{FromRedisValue, Value};
use tokio::time::{Instant, sleep};

use crate::clock::Timestamp;
use crate::protocol::{Record, RecordId};
use crate::store::{Position, StoreError, Tally, UnknownFilter, UnknownPage};

use super::Shared;
use super::failure::Failure;
use super::keys::{BUCKETS, bucket};
use super::lists::{ids_in, number};
use super::script::{Call, Request, Script};
use super::value::decode;

/// Length of the id at the beginning of an entry, in bytes. The route follows.
const ID: usize = 20;
/// Number of buckets that one script counts or compares. It limits how long other callers wait for a script.
const TOGETHER: usize = 16;
/// Number of entries that a page looks at, at least, before it is called full.
const LOOK_AT: usize = 256;
/// Number of entries that a comparison reads of one bucket: all of them.
const ALL: usize = i32::MAX as usize;

/// An entry of a bucket's `unknown-since`.
struct UnknownEntry {
    position: Position,
    /// Id and route, as Redis has it.
    member: Vec<u8>,
}

impl UnknownEntry {
    fn is_of(&self, route: Option<&str>) -> bool {
        route.is_none_or(|route| route.as_bytes() == &self.member[ID..])
    }
}

impl Shared {
    /// Implements [`crate::store::Store::oldest_unknown`].
    pub(super) async fn oldest_unknown(
        self: &Arc<Self>,
        filter: &UnknownFilter,
        limit: usize,
    ) -> Result<UnknownPage, StoreError> {
        let (mut listed, mut next) = self.listed(filter.after, limit.max(LOOK_AT)).await?;
        listed.retain(|entry| entry.is_of(filter.route.as_deref()));
        if listed.len() > limit {
            listed.truncate(limit);
            next = listed.last().map(|entry| entry.position);
        }
        let mut stored = self.fetch(listed.iter().map(|entry| entry.position.id).collect()).await?;
        let mut page = UnknownPage { next, ..UnknownPage::default() };
        for UnknownEntry { position, .. } in listed {
            match stored.remove(&position.id).map(|bytes| decode(position.id, &bytes)).transpose() {
                Ok(Some(record)) if Position::of(position.id, &record) == Some(position) => {
                    page.records.push((position.id, record));
                }
                // The entry is left over from an earlier write.
                Ok(_) => {}
                Err(error) => tracing::error!("{error}; it is left as it is"),
            }
        }
        page.now = self.now(&page.records).await?;
        Ok(page)
    }

    /// Implements [`crate::store::Store::tally`].
    pub(super) async fn tally(self: &Arc<Self>) -> Result<Tally, StoreError> {
        let answers = self.on_groups(self.small_groups(), |shared, group| async move {
            let keys = group.iter().map(|bucket| shared.keys.unknown_since(*bucket));
            shared.ask_bucket(group[0], Request::Script(&Call::new(Script::Tally, keys))).await
        });
        let mut tally = Tally { now: Timestamp(u64::MAX), ..Tally::default() };
        for answer in answers.await? {
            let odd = |error| StoreError::unavailable(format!("an odd count of unknown records: {error}"));
            let mut parts = Vec::<Value>::from_redis_value(answer).map_err(odd)?.into_iter();
            let time = parts.next().unwrap_or_default();
            // Nodes of a cluster may disagree; it is no later than the earliest says.
            tally.now = tally.now.min(Timestamp(u64::from_redis_value(time).map_err(odd)?));
            while let (Some(route), Some(records), Some(oldest)) = (parts.next(), parts.next(), parts.next())
            {
                let (route, records): (Vec<u8>, u64) = (
                    Vec::from_redis_value(route).map_err(odd)?,
                    u64::from_redis_value(records).map_err(odd)?,
                );
                let oldest = Vec::<u8>::from_redis_value(oldest).map_err(odd)?;
                tally.add(&String::from_utf8_lossy(&route), records, Timestamp(number(&oldest)));
            }
        }
        Ok(tally)
    }

    /// Implements [`crate::store::Store::mend_unknown`]. Half of the time is left to other callers.
    pub(super) async fn mend_unknown(self: &Arc<Self>) -> Result<u64, StoreError> {
        let mut mended = 0;
        for group in self.small_groups() {
            let started = Instant::now();
            mended += self.mend_buckets(group).await?;
            sleep(started.elapsed()).await;
        }
        Ok(mended)
    }

    async fn mend_buckets(self: &Arc<Self>, group: Vec<u8>) -> Result<u64, StoreError> {
        let keys = group.iter().map(|bucket| self.keys.unknown(*bucket));
        let call = Call::new(Script::Unknown, keys).arg("").number(ALL as u128);
        let unknown = ids_in(self.ask_bucket(group[0], Request::Script(&call)).await?);
        let mut listed: BTreeMap<RecordId, Vec<UnknownEntry>> = BTreeMap::new();
        for entry in self.entries(&group, None, ALL).await? {
            listed.entry(entry.position.id).or_default().push(entry);
        }
        let ids: BTreeSet<RecordId> = listed.keys().copied().chain(unknown).collect();
        let stored = self.fetch(ids.iter().copied().collect()).await?;
        let mut mended = 0;
        for id in ids {
            let listed = listed.remove(&id).unwrap_or_default();
            // A record that cannot be decoded keeps its entries; each list logs the fault.
            if let Ok(record) = stored.get(&id).map(|bytes| decode(id, bytes)).transpose() {
                mended += self.relist(id, record.as_ref(), &listed).await?;
            }
        }
        Ok(mended)
    }

    /// Mends the entries of one record, if they are not what the record says.
    async fn relist(
        &self,
        id: RecordId,
        record: Option<&Record>,
        listed: &[UnknownEntry],
    ) -> Result<u64, StoreError> {
        let right = record.and_then(|record| Some((Position::of(id, record)?, member(id, record))));
        let is_right = |entry: &UnknownEntry| {
            right
                .as_ref()
                .is_some_and(|(position, member)| *position == entry.position && *member == entry.member)
        };
        if listed.iter().all(is_right) && listed.len() == usize::from(right.is_some()) {
            return Ok(0);
        }
        let keys = [self.keys.record(id), self.keys.unknown_since(bucket(id))];
        let revision = record.map(|record| record.revision.0.to_be_bytes().to_vec());
        let (since, entry) = match right.as_ref() {
            Some((position, member)) => (position.since.0.to_string(), member.clone()),
            None => Default::default(),
        };
        let mut call =
            Call::new(Script::Relist, keys).arg(revision.unwrap_or_default()).arg(since).arg(entry);
        for wrong in listed {
            call = call.arg(&wrong.member);
        }
        let changed = self.ask_bucket(bucket(id), Request::Script(&call)).await?;
        Ok(u64::from_redis_value(changed).unwrap_or_default())
    }

    /// Returns the first entries behind `after`, and where to go on; `None` if these are all.
    async fn listed(
        self: &Arc<Self>,
        after: Option<Position>,
        many: usize,
    ) -> Result<(Vec<UnknownEntry>, Option<Position>), StoreError> {
        // Ids are digests, so the oldest are spread evenly over the buckets.
        let of_each = (many / 64).max(8);
        let answers = self.on_groups(self.nodes.groups(), move |shared, group| async move {
            shared.entries(&group, after, of_each).await
        });
        let mut entries: Vec<UnknownEntry> = answers.await?.into_iter().flatten().collect();
        let mut ends = vec![(0, None); BUCKETS];
        for entry in &entries {
            let (number, end) = &mut ends[usize::from(bucket(entry.position.id))];
            *number += 1;
            *end = Some(entry.position);
        }
        // A bucket that has more may continue right behind its last entry.
        let known =
            ends.into_iter().filter(|(number, _)| *number >= of_each).filter_map(|(_, end)| end).min();
        entries.sort_unstable_by_key(|entry| entry.position);
        entries.retain(|entry| known.is_none_or(|known| entry.position <= known));
        Ok((entries, known))
    }

    /// Returns the entries behind `after` of each bucket of `group`, up to `of_each` of them.
    async fn entries(
        &self,
        group: &[u8],
        after: Option<Position>,
        of_each: usize,
    ) -> Result<Vec<UnknownEntry>, Failure> {
        let keys = group.iter().map(|bucket| self.keys.unknown_since(*bucket));
        let (from, id) =
            after.map_or((Timestamp(0), Vec::new()), |after| (after.since, after.id.as_bytes().to_vec()));
        let call = Call::new(Script::Oldest, keys).number(from.0.into()).arg(id).number(of_each as u128);
        let answer = self.ask_bucket(group[0], Request::Script(&call)).await?;
        let parts = Vec::<Vec<u8>>::from_redis_value(answer)
            .map_err(|error| Failure::down(format!("an odd list of unknown records: {error}")))?;
        let (pairs, _) = parts.as_chunks::<2>();
        let entry = |[member, since]: &[Vec<u8>; 2]| {
            let id = RecordId::from_bytes(member.get(..ID)?)?;
            let position = Position { since: Timestamp(number(since)), id };
            Some(UnknownEntry { position, member: member.clone() })
        };
        Ok(pairs.iter().filter_map(entry).collect())
    }

    fn small_groups(&self) -> Vec<Vec<u8>> {
        let groups = self.nodes.groups();
        groups.iter().flat_map(|group| group.chunks(TOGETHER)).map(<[u8]>::to_vec).collect()
    }
}

/// Returns the entry of a record.
fn member(id: RecordId, record: &Record) -> Vec<u8> {
    [id.as_bytes().as_slice(), record.route.as_bytes()].concat()
}
