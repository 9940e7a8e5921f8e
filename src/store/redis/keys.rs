//! The names of keys.
//!
//! Records fall into 256 buckets by the first byte of their id. A bucket's number, as two hexadecimal digits
//! in braces, is the hash tag of all its keys. A record, its response and the bucket's indexes therefore lie
//! in one slot of a cluster, and one script writes them together. The order of the buckets is the order of
//! the ids.

use crate::protocol::{RecordId, hex};
use crate::store::DocumentName;

/// Number of buckets.
pub(super) const BUCKETS: usize = 256;

/// The bucket beside which the documents lie.
pub(super) const DOCUMENTS_BUCKET: u8 = 0;

/// Name of a bucket's index by deadline.
pub(super) const DEADLINES: &str = "deadlines";
/// Name of a bucket's index of unknown records.
pub(super) const UNKNOWN: &str = "unknown";
/// Name of a bucket's index of unknown records by time.
pub(super) const UNKNOWN_SINCE: &str = "unknown-since";
/// Name of a bucket's mark.
pub(super) const MARK: &str = "mark";

/// Number of slots in a cluster.
const SLOTS: u16 = 16_384;

/// The keys that start with one prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
    channel: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), channel: format!("{prefix}ended") }
    }

    /// Returns the keys of a record and of its bucket. Writes the digits of the id to `digits`.
    pub(super) fn about<'a>(&'a self, id: RecordId, digits: &'a mut [u8; 40]) -> RecordKeys<'a> {
        RecordKeys { prefix: &self.prefix, digits: hex::encode(id.as_bytes(), digits) }
    }

    /// Returns the key of a record.
    pub(super) fn record(&self, id: RecordId) -> String {
        self.about(id, &mut [0; 40]).record().concat()
    }

    /// Returns the key of the index by deadline: one entry for each record of the bucket.
    pub(super) fn deadlines(&self, bucket: u8) -> String {
        self.in_bucket(bucket, [DEADLINES])
    }

    /// Returns the key of the index of unknown records: the ids of the bucket's records with an unknown
    /// outcome.
    pub(super) fn unknown(&self, bucket: u8) -> String {
        self.in_bucket(bucket, [UNKNOWN])
    }

    /// Returns the key of the index of unknown records by the time of their last write. Each entry is an id
    /// and the route.
    pub(super) fn unknown_since(&self, bucket: u8) -> String {
        self.in_bucket(bucket, [UNKNOWN_SINCE])
    }

    /// Returns the key under which `loss` notes which run of a server held the data.
    pub(super) fn run(&self, bucket: u8) -> String {
        self.in_bucket(bucket, ["run"])
    }

    /// Returns the key of the bucket's mark, which shows that the bucket was not emptied.
    pub(super) fn mark(&self, bucket: u8) -> String {
        self.in_bucket(bucket, [MARK])
    }

    /// Returns the key that readiness checks write.
    pub(super) fn ready(&self, bucket: u8) -> String {
        self.in_bucket(bucket, ["ready"])
    }

    /// Returns the key of a document. The whole store has one document of each name.
    pub(super) fn document(&self, name: DocumentName) -> String {
        self.in_bucket(DOCUMENTS_BUCKET, [&*name.text()])
    }

    /// Returns the channel on which ends of executions are published.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    fn in_bucket<const N: usize>(&self, bucket: u8, name: [&str; N]) -> String {
        let mut key = String::with_capacity(self.prefix.len() + 64);
        for part in [&self.prefix, "{", hex::encode(&[bucket], &mut [0; 2]), "}:"].into_iter().chain(name) {
            key.push_str(part);
        }
        key
    }
}

/// The keys of a record and of its bucket, each as the parts that it consists of: a script about one record
/// needs up to six of them, and a text of its own for each would cost an allocation.
#[derive(Clone, Copy)]
pub(super) struct RecordKeys<'a> {
    prefix: &'a str,
    /// The id in hexadecimal digits. The first two are the tag of the bucket.
    digits: &'a str,
}

impl<'a> RecordKeys<'a> {
    /// Returns the key of the record.
    pub(super) fn record(self) -> [&'a str; 6] {
        self.named(self.digits, "")
    }

    /// Returns the key of the response of the record, once it is completed.
    pub(super) fn response(self) -> [&'a str; 6] {
        self.named(self.digits, ":response")
    }

    /// Returns a key of the bucket, as [`Keys`] does.
    pub(super) fn of_bucket(self, name: &'a str) -> [&'a str; 6] {
        self.named(name, "")
    }

    fn named(self, name: &'a str, more: &'a str) -> [&'a str; 6] {
        [self.prefix, "{", &self.digits[..2], "}:", name, more]
    }
}

/// Returns the bucket of a record.
pub(super) fn bucket(id: RecordId) -> u8 {
    id.as_bytes()[0]
}

/// Returns the slot of a cluster that a bucket lies in.
pub(super) fn slot(bucket: u8) -> u16 {
    crc16(format!("{bucket:02x}").as_bytes()) % SLOTS
}

/// Computes CRC-16/XMODEM, with which Redis Cluster hashes tags.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with the check value of the cluster specification, and with an answer of `CLUSTER KEYSLOT`.
    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b"foo") % SLOTS, 12_182);
    }

    #[test]
    fn keys_of_one_record_share_its_tag() {
        let (keys, id) = (Keys::new("p:"), RecordId::from_bytes(&[0xa7; 20]).expect("twenty bytes"));
        assert!(keys.record(id).starts_with("p:{a7}:a7a7"));
        let mut digits = [0; 40];
        let about = keys.about(id, &mut digits);
        assert_eq!(about.record().concat(), keys.record(id));
        assert_eq!(about.response().concat(), format!("{}:response", keys.record(id)));
        assert_eq!(about.of_bucket(DEADLINES).concat(), keys.deadlines(bucket(id)));
        assert_eq!(keys.deadlines(bucket(id)), "p:{a7}:deadlines");
    }
}
