//! Version 3 of fjall's journal format. A batch has a start (tag 1, count, sequence number), items (tag 2) or
//! clearings (tag 4), and an end (tag 3, XXH3 of the bytes in between, trailer). Numbers are little-endian.

use std::io::{self, Read};

use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// The start of the version file, and the end of every batch.
pub(super) const VERSION_3: &[u8] = b"FJL\x03";

/// Largest distance from the last sequence number to a later one that is believed.
const MAX_SKIPPED: u64 = 1 << 20;

/// Upper limit for the length of a key; the store writes shorter ones.
const MAX_KEY: u64 = 64;

/// A whole batch, as read from a journal.
pub(super) struct Batch {
    /// Length of the batch in the journal, in bytes.
    pub(super) length: u64,
    /// Sequence number. Later batches have higher ones.
    pub(super) sequence: u64,
}

/// Reads the next batch. Returns `None` if the input does not go on with a whole one.
pub(super) fn read_batch(input: &mut impl Read) -> io::Result<Option<Batch>> {
    let Some((count, sequence)) = read_start(input)? else { return Ok(None) };
    let (mut length, mut hash) = (26, Xxh3::new());
    for _ in 0..count {
        let Some(item) = read_item(input, &mut hash)? else { return Ok(None) };
        length += item;
    }
    let Some([END, end @ ..]) = take::<13>(input)? else { return Ok(None) };
    let [checksum @ .., t0, t1, t2, t3] = end;
    let whole = u64::from_le_bytes(checksum) == hash.digest() && [t0, t1, t2, t3] == VERSION_3;
    Ok(whole.then_some(Batch { length, sequence }))
}

/// Tells whether a whole batch with a later number than `newest` seems to lie somewhere in `rest`, which
/// starts with a broken batch. A stored body made of such batches is recognised only if the broken batch is
/// whole up to that body.
pub(super) fn one_looks_written_behind(rest: &[u8], newest: Option<u64>) -> bool {
    !matches!(ends_in_an_item(rest), Ok(true)) && holds_later_batch(rest, newest)
}

/// Reads the number of items in a batch and its sequence number.
fn read_start(input: &mut impl Read) -> io::Result<Option<(u32, u64)>> {
    let Some([START, head @ ..]) = take::<13>(input)? else { return Ok(None) };
    let [c0, c1, c2, c3, sequence @ ..] = head;
    Ok(Some((u32::from_le_bytes([c0, c1, c2, c3]), u64::from_le_bytes(sequence))))
}

/// Hashes one item or clearing and returns its length.
fn read_item(input: &mut impl Read, hash: &mut Xxh3) -> io::Result<Option<u64>> {
    let Some(tag) = take::<1>(input)? else { return Ok(None) };
    hash.update(&tag);
    match tag {
        [CLEAR] => {
            let Some(keyspace) = take::<8>(input)? else { return Ok(None) };
            hash.update(&keyspace);
            Ok(Some(9))
        }
        [ITEM] => {
            let Some(head) = take::<20>(input)? else { return Ok(None) };
            hash.update(&head);
            let lengths = Lengths::of(head);
            let length = lengths.key + lengths.stored;
            let whole = hash_through(input, length, hash)?;
            Ok(whole.then_some(21 + length))
        }
        _ => Ok(None),
    }
}

/// The lengths that an item states.
struct Lengths {
    key: u64,
    value: u64,
    /// Length of the value as stored, perhaps compressed.
    stored: u64,
}

impl Lengths {
    /// Parses the lengths in an item's head: kind, compression, keyspace (8), key (2), value (4), stored
    /// value (4).
    fn of(head: [u8; 20]) -> Self {
        let [.., k0, k1, v0, v1, v2, v3, s0, s1, s2, s3] = head;
        Self {
            key: u64::from(u16::from_le_bytes([k0, k1])),
            value: u64::from(u32::from_le_bytes([v0, v1, v2, v3])),
            stored: u64::from(u32::from_le_bytes([s0, s1, s2, s3])),
        }
    }
}

/// Tells whether `rest` is one batch that ends within an item, as a write leaves it that stopped there.
fn ends_in_an_item(mut rest: &[u8]) -> io::Result<bool> {
    let input = &mut rest;
    let Some((count, _)) = read_start(input)? else { return Ok(false) };
    for _ in 0..count {
        let Some([ITEM, head @ ..]) = take::<21>(input)? else { return Ok(false) };
        let lengths = Lengths::of(head);
        if lengths.key > MAX_KEY || lengths.value != lengths.stored {
            return Ok(false);
        }
        let length = usize::try_from(lengths.key + lengths.stored).unwrap_or(usize::MAX);
        match input.split_at_checked(length) {
            Some((_, behind)) => *input = behind,
            None => return Ok(true),
        }
    }
    Ok(false)
}

/// Hashes `length` bytes. Returns false if there are fewer.
fn hash_through(input: &mut impl Read, length: u64, hash: &mut Xxh3) -> io::Result<bool> {
    let (mut left, mut buffer) = (length, [0; 8192]);
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        match input.read(&mut buffer[..part]) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                hash.update(&buffer[..read]);
                left -= read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn take<const N: usize>(input: &mut impl Read) -> io::Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match input.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells whether a whole batch lies somewhere in `rest`, which does not start with one.
///
/// The sequence number of that batch has to follow the last one, so that blocks of an older journal are not
/// taken for a later batch.
fn holds_later_batch(rest: &[u8], newest: Option<u64>) -> bool {
    let follows =
        |sequence: u64| newest.is_none_or(|newest| sequence > newest && sequence - newest <= MAX_SKIPPED);
    let starts = (1..rest.len()).filter(|start| rest[*start] == START);
    starts.map(|start| &rest[start..]).any(|mut candidate| {
        let sequence = candidate.get(5..13).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        sequence.is_some_and(follows) && matches!(read_batch(&mut candidate), Ok(Some(_)))
    })
}
