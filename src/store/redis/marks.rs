//! A mark in every bucket, by which a claim itself sees that the bucket was emptied.
//!
//! A mark is random and lies in the slot of its bucket. A gateway learns all marks when it starts, and makes
//! those that are missing: a new store has none, nor has one that only an earlier release wrote to. From
//! then on a script with which an execution may begin compares the mark. Where it is gone, or another one,
//! the bucket was emptied or is an older copy that was emptied since, and nothing begins.
//!
//! Once the loss is written down (`loss`), new marks are made, and they are learnt: claims are held back by
//! what was written down from then on. So a mark that is not the known one is always a further loss.

use std::sync::{Mutex, PoisonError};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{FromRedisValue, Value, pipe};

use crate::protocol::hex;
use crate::random;

use super::failure::Failure;
use super::keys::{BUCKETS, Keys};

/// The digits of a mark.
pub(super) type Digits = [u8; 16];

/// What is known of the marks of all buckets.
pub(super) struct Marks {
    keys: Keys,
    known: Mutex<[Option<Digits>; BUCKETS]>,
}

impl Marks {
    /// Nothing is known yet.
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, known: Mutex::new([None; BUCKETS]) }
    }

    /// The mark of a bucket, if it is known.
    pub(super) fn of(&self, bucket: u8) -> Option<Digits> {
        self.known()[usize::from(bucket)]
    }

    /// Makes the marks of `buckets` that are missing, and learns all of them. One that the server refuses
    /// to make, or does not hold, stays as it is known.
    pub(super) async fn learn(
        &self,
        connection: &mut MultiplexedConnection,
        buckets: impl IntoIterator<Item = u8>,
    ) -> Result<(), Failure> {
        let buckets: Vec<u8> = buckets.into_iter().collect();
        let mut commands = pipe();
        for bucket in &buckets {
            let (key, mut mark) = (self.keys.mark(*bucket), Digits::default());
            hex::encode(&random::bytes::<8>(), &mut mark);
            commands.cmd("SET").arg(&key).arg(&mark).arg("NX");
            commands.cmd("GET").arg(&key);
        }
        if buckets.is_empty() {
            return Ok(());
        }
        let answers = connection.req_packed_commands(&commands, 0, 2 * buckets.len()).await?;
        for (bucket, answer) in buckets.iter().zip(answers.into_iter().skip(1).step_by(2)) {
            let found = answer.extract_error().ok().and_then(|value| Vec::from_redis_value(value).ok());
            if let Some(mark) = found.and_then(|found| Digits::try_from(found).ok()) {
                self.known()[usize::from(*bucket)] = Some(mark);
            }
        }
        Ok(())
    }

    /// Whether the mark of one of `buckets` is not the known one. What the server does not answer for, such as
    /// a bucket that it has given away, is not held against it.
    pub(super) async fn differ(
        &self,
        connection: &mut MultiplexedConnection,
        buckets: &[u8],
    ) -> Result<bool, Failure> {
        let known: Vec<_> = buckets.iter().filter_map(|bucket| Some((*bucket, self.of(*bucket)?))).collect();
        let mut commands = pipe();
        for (bucket, _) in &known {
            commands.cmd("GET").arg(self.keys.mark(*bucket));
        }
        if known.is_empty() {
            return Ok(false);
        }
        let answers = connection.req_packed_commands(&commands, 0, known.len()).await?;
        Ok(known.iter().zip(answers).any(|((_, mark), answer)| match answer {
            Value::Nil => true,
            Value::BulkString(found) => found != mark,
            _ => false,
        }))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, [Option<Digits>; BUCKETS]> {
        // Only whole values are assigned under this lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
