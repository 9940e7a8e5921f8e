//! The journals' ends, put right before the engine reads them.
//!
//! After a crash the last write may be there in part: cut off, or with holes where pages did not
//! reach the disk. It was never acknowledged, so it goes. The engine cuts off some such ends by
//! itself, refuses others, and does not tell either from damage further up, where it would drop
//! acknowledged writes without a word. The difference is what follows: behind a torn end there is
//! no whole write any more; where there is one, something acknowledged is lost and the store must
//! not be opened.
//!
//! This reads version 3 of fjall's journal format: batches of a start (tag 1, count, sequence
//! number), items (tag 2) or clearings (tag 4), and an end (tag 3, XXH3 of what lies between,
//! trailer). Numbers are little-endian.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;

/// The start of the version file, and the end of every batch.
const VERSION_3: &[u8] = b"FJL\x03";

/// How far ahead a sequence number may be of the last one to be believed.
const MAX_SKIPPED: u64 = 1 << 20;

/// Cuts off what is torn at the end of each journal in `data`.
///
/// # Errors
/// Which journal is damaged, and where; or which file could not be read.
pub(super) fn mend(data: &Path) -> Result<(), String> {
    match fs::read(data.join("version")) {
        Ok(version) if version.starts_with(VERSION_3) => {}
        // A new store, or one in another format, which the engine refuses.
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("its version cannot be read: {error}")),
    }
    let entries = fs::read_dir(data).map_err(|error| error.to_string())?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            mend_journal(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

fn mend_journal(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let (mut end, mut newest) = (0, None);
    let mut reader = BufReader::with_capacity(64 * 1024, &file);
    while let Some(batch) = read_batch(&mut reader)? {
        // The number decides which write is the newer one, and no checksum covers it.
        if newest.is_some_and(|newest| batch.sequence <= newest) {
            return Err(damaged(format!("damaged at byte {end}: its writes are out of order")));
        }
        (end, newest) = (end + batch.length, Some(batch.sequence));
    }
    let rest = written_behind(&mut file, end)?;
    if rest.is_empty() {
        return Ok(());
    }
    if holds_later_batch(&rest, newest) {
        return Err(damaged(format!("damaged at byte {end}, with whole writes behind it")));
    }
    tracing::warn!(journal = %path.display(), bytes = rest.len(), "cut off a write that a crash left in part");
    file.set_len(end)?;
    file.sync_all()
}

fn damaged(cause: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

struct Batch {
    length: u64,
    sequence: u64,
}

/// The next batch; `None` if what comes is not a whole one.
fn read_batch(input: &mut impl Read) -> io::Result<Option<Batch>> {
    let Some([START, head @ ..]) = take::<13>(input)? else { return Ok(None) };
    let [c0, c1, c2, c3, sequence @ ..] = head;
    let (mut length, mut hash) = (26, Xxh3::new());
    for _ in 0..u32::from_le_bytes([c0, c1, c2, c3]) {
        let Some(item) = read_item(input, &mut hash)? else { return Ok(None) };
        length += item;
    }
    let Some([END, end @ ..]) = take::<13>(input)? else { return Ok(None) };
    let [checksum @ .., t0, t1, t2, t3] = end;
    let whole = u64::from_le_bytes(checksum) == hash.digest() && [t0, t1, t2, t3] == VERSION_3;
    Ok(whole.then_some(Batch { length, sequence: u64::from_le_bytes(sequence) }))
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
            // Kind, compression, keyspace (8); length of the key (2), of the value (4), and of the
            // value as it is stored (4).
            let Some(head) = take::<20>(input)? else { return Ok(None) };
            hash.update(&head);
            let [.., k0, k1, _, _, _, _, s0, s1, s2, s3] = head;
            let key = u64::from(u16::from_le_bytes([k0, k1]));
            let length = key + u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
            let whole = hash_through(input, length, hash)?;
            Ok(whole.then_some(21 + length))
        }
        _ => Ok(None),
    }
}

/// Hashes `length` bytes; false if there are fewer.
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

/// What follows `end`, without the zeros with which the engine lengthens its journals ahead.
fn written_behind(file: &mut File, end: u64) -> io::Result<Vec<u8>> {
    let (mut position, mut written_to) = (end, end);
    let mut buffer = vec![0; 64 * 1024];
    file.seek(SeekFrom::Start(end))?;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        if let Some(last) = buffer[..read].iter().rposition(|byte| *byte != 0) {
            written_to = position + last as u64 + 1;
        }
        position += read as u64;
    }
    let mut rest = Vec::new();
    file.seek(SeekFrom::Start(end))?;
    file.take(written_to - end).read_to_end(&mut rest)?;
    Ok(rest)
}

/// Whether a whole batch lies somewhere in `rest`, at whose start there is none.
///
/// Its number has to follow the last one, so that neither an older journal's blocks nor a stored
/// body that looks like a batch is taken for one.
fn holds_later_batch(rest: &[u8], newest: Option<u64>) -> bool {
    let follows =
        |sequence: u64| newest.is_none_or(|newest| sequence > newest && sequence - newest <= MAX_SKIPPED);
    let starts = (1..rest.len()).filter(|start| rest[*start] == START);
    starts.map(|start| &rest[start..]).any(|mut candidate| {
        let sequence = candidate.get(5..13).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
        sequence.is_some_and(follows) && matches!(read_batch(&mut candidate), Ok(Some(_)))
    })
}
