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

/// Number of slots in a cluster.
const SLOTS: u16 = 16_384;

/// The keys that start with one prefix.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Returns the key of a record.
    pub(super) fn record(&self, id: RecordId) -> String {
        self.in_bucket(bucket(id), [hex::encode(id.as_bytes(), &mut [0; 40])])
    }

    /// Returns the key of the response of a completed record.
    pub(super) fn response(&self, id: RecordId) -> String {
        self.in_bucket(bucket(id), [hex::encode(id.as_bytes(), &mut [0; 40]), ":response"])
    }

    /// Returns the key of the index by deadline: one entry for each record of the bucket.
    pub(super) fn deadlines(&self, bucket: u8) -> String {
        self.in_bucket(bucket, ["deadlines"])
    }

    /// Returns the key of the index of unknown records: the ids of the bucket's records with an unknown
    /// outcome.
    pub(super) fn unknown(&self, bucket: u8) -> String {
        self.in_bucket(bucket, ["unknown"])
    }

    /// Returns the key of the index of unknown records by the time of their last write. Each entry is an id
    /// and the route.
    pub(super) fn unknown_since(&self, bucket: u8) -> String {
        self.in_bucket(bucket, ["unknown-since"])
    }

    /// Returns the key under which `loss` notes which run of a server held the data.
    pub(super) fn run(&self, bucket: u8) -> String {
        self.in_bucket(bucket, ["run"])
    }

    /// Returns the key of the bucket's mark, which shows that the bucket was not emptied.
    pub(super) fn mark(&self, bucket: u8) -> String {
        self.in_bucket(bucket, ["mark"])
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
    pub(super) fn channel(&self) -> String {
        format!("{}ended", self.prefix)
    }

    fn in_bucket<const N: usize>(&self, bucket: u8, name: [&str; N]) -> String {
        let mut key = String::with_capacity(self.prefix.len() + 64);
        for part in [&self.prefix, "{", hex::encode(&[bucket], &mut [0; 2]), "}:"].into_iter().chain(name) {
            key.push_str(part);
        }
        key
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
        assert_eq!(keys.response(id), format!("{}:response", keys.record(id)));
        assert_eq!(keys.deadlines(bucket(id)), "p:{a7}:deadlines");
    }
}
