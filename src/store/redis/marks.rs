//! A mark in every bucket, by which a claim itself notices that the bucket was emptied.
//!
//! A mark is random and lies in the slot of its bucket. At its start a gateway learns all marks and makes the
//! missing ones. A new store has no marks, and neither has a store that only an earlier release wrote to.
//! From then on, every script that may begin an execution compares the mark. If the mark is gone or differs,
//! no execution begins: the bucket was emptied, or it is an older copy that was emptied since.
//!
//! After the loss is written down (`loss`), new marks are made and learnt. From then on the loss that was
//! written down holds claims back. A mark that is not the known one is therefore always a further loss.

use parking_lot::Mutex;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{FromRedisValue, Value, cmd, pipe};

use crate::protocol::hex;
use crate::random;

use super::failure::Failure;
use super::keys::{BUCKETS, Keys};

/// The hexadecimal digits of a mark.
pub(super) type Digits = [u8; 16];

/// The marks of all buckets, as far as they are known.
pub(super) struct Marks {
    keys: Keys,
    // Only whole values are assigned under this lock.
    known: Mutex<[Option<Digits>; BUCKETS]>,
}

impl Marks {
    /// Creates the marks of a store; none is known yet.
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, known: Mutex::new([None; BUCKETS]) }
    }

    /// Returns the mark of `bucket`, if it is known.
    pub(super) fn of(&self, bucket: u8) -> Option<Digits> {
        self.known.lock()[usize::from(bucket)]
    }

    /// Makes the missing marks of `buckets`, and learns the marks of all of them. A mark that the server
    /// refuses to make, or does not hold, keeps its known value.
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
                self.known.lock()[usize::from(*bucket)] = Some(mark);
            }
        }
        Ok(())
    }

    /// Tells whether the mark of one of `buckets` is not the known one. A bucket for which the server gives
    /// no answer, such as one that it has given away, does not count. A server outside of a cluster is asked
    /// for all marks with one command.
    pub(super) async fn differ(
        &self,
        connection: &mut MultiplexedConnection,
        buckets: &[u8],
        in_cluster: bool,
    ) -> Result<bool, Failure> {
        let known: Vec<_> = buckets.iter().filter_map(|bucket| Some((*bucket, self.of(*bucket)?))).collect();
        if known.is_empty() {
            return Ok(false);
        }
        let keys = known.iter().map(|(bucket, _)| self.keys.mark(*bucket));
        let answers = if in_cluster {
            let mut commands = pipe();
            for key in keys {
                commands.cmd("GET").arg(key);
            }
            connection.req_packed_commands(&commands, 0, known.len()).await?
        } else {
            let mut command = cmd("MGET");
            for key in keys {
                command.arg(key);
            }
            match connection.req_packed_command(&command).await? {
                Value::Array(answers) => answers,
                _ => return Ok(false),
            }
        };
        Ok(known.iter().zip(answers).any(|((_, mark), answer)| match answer {
            Value::Nil => true,
            Value::BulkString(found) => found != mark,
            _ => false,
        }))
    }
}
