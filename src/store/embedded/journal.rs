//! Repair of the ends of the journals, before the engine reads them.
//!
//! After a crash the last write may be there in part: cut off, or with holes where pages did not reach the
//! disk. That write was never acknowledged, so it is cut off. The engine cuts off some such ends by itself
//! and refuses others. It does not tell either from damage further up, where it would drop acknowledged
//! writes without a message. The difference is in the bytes that follow. A batch is synced before the next
//! one is written. If another batch begins behind the broken one, something acknowledged is lost, and the
//! store must not be opened.
//!
//! A batch begins with its [`Mark`], which no caller knows. Nothing in a stored body can therefore look like
//! the start of a batch, no matter what the break left of the batch around the body. No damage to the broken
//! batch hides the batches behind it, not even damage to its lengths and counts.
//!
//! An earlier release wrote batches without a mark. If the last whole batch of a journal has none, the form
//! decides: a whole batch with a later number is taken for a later write, unless the broken batch reads well
//! up to an item that goes on past the end of what was written (`batch`). In such a journal a body can pass
//! for a later batch only if a loss of power also tore a hole into the batch around it. Damage is taken for a
//! torn end only if it made both lengths of an item equal and too large.
//!
//! One case cannot be told apart: damage to the last batch alone looks like a torn batch.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use self::batch::{VERSION_3, read_batch};
use super::mark::Mark;

mod batch;

/// Cuts off the torn part at the end of each journal in `data`. `mark` is the store's mark, if it has one.
///
/// # Errors
/// A text that says which journal is damaged and where, or which file could not be read.
pub(super) fn mend(data: &Path, mark: Option<&Mark>) -> Result<(), String> {
    match fs::read(data.join("version")) {
        Ok(version) if version.starts_with(VERSION_3) => {}
        // The store is new, or it has another format, which the engine refuses.
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("its version cannot be read: {error}")),
    }
    for (number, path) in journals(data).map_err(|error| error.to_string())? {
        mend_journal(&path, number, mark).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// Returns the number of the journal that comes after those in `data`.
pub(super) fn next_number(data: &Path) -> io::Result<u64> {
    match journals(data) {
        Ok(journals) => Ok(journals.iter().map(|(number, _)| number + 1).max().unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Lists the journals with their numbers. A journal with a name that is no number, which the engine refuses,
/// counts as the first.
fn journals(data: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(data)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()).unwrap_or(0);
            journals.push((number, path));
        }
    }
    Ok(journals)
}

fn mend_journal(path: &Path, number: u64, mark: Option<&Mark>) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let (mut last, mut end, mut newest) = (0, 0, None);
    let mut reader = BufReader::with_capacity(64 * 1024, &file);
    while let Some(batch) = read_batch(&mut reader)? {
        // The number decides which write is newer, and no checksum covers it.
        if newest.is_some_and(|newest| batch.sequence <= newest) {
            return Err(damaged(format!("damaged at byte {end}: its writes are out of order")));
        }
        (last, end, newest) = (end, end + batch.length, Some(batch.sequence));
    }
    let rest = written_behind(&mut file, end)?;
    if rest.is_empty() {
        return Ok(());
    }
    let later = match mark {
        Some(mark) if mark.begins_behind(&rest) => true,
        Some(mark) if mark.begins(&rest) || mark.begins(&head_at(&mut file, last)?) => false,
        Some(mark) if newest.is_none() && mark.is_throughout(number) => false,
        _ => batch::one_looks_written_behind(&rest, newest),
    };
    if later {
        return Err(damaged(format!("damaged at byte {end}, with whole writes behind it")));
    }
    tracing::warn!(journal = %path.display(), bytes = rest.len(), "cut off a write that a crash left in part");
    file.set_len(end)?;
    file.sync_all()
}

fn damaged(cause: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, cause)
}

/// Reads the bytes at `start` that show whether a batch has its mark, as far as they are there.
fn head_at(file: &mut File, start: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(Mark::SHOWN_BY as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Reads the bytes behind `end`, without the zeros by which the engine lengthens its journals in advance.
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
