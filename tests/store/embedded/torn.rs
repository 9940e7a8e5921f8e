//! A last write that is only partly on disk, in every way that a crash can leave it. Each earlier write must
//! be there, the last write must be there wholly or not at all, and the store must continue.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use oncegate::protocol::StoredResponse;
use oncegate::store::embedded::{EmbeddedStore, OpenError};
use tempfile::TempDir;

use crate::bench::{Bench, STILL, complete, id, owner, response_of};
use crate::decisions;

use super::reopen::{bench, close};

const ACKNOWLEDGED: u64 = 5;

/// A store that was cut off in the middle of one write: its files with the whole write, and the position of
/// that write in the journal.
struct Torn {
    dir: TempDir,
    from: u64,
    to: u64,
}

/// Does `ACKNOWLEDGED` operations, and then `last` while it watches the journal.
async fn torn(last: impl AsyncFnOnce(&Bench)) -> Torn {
    let live = tempfile::tempdir().expect("a directory");
    let first = bench(live.path());
    for number in 0..ACKNOWLEDGED {
        first.won(id(number), owner(number), STILL).await;
        first.apply(id(number), complete(owner(number), 1)).await;
    }
    first.won(id(100), owner(100), STILL).await;
    close(first);
    // After a second opening, the journal ends with its last write.
    let again = bench(live.path());
    let from = length(&journal(live.path()));
    last(&again).await;
    let to = length(&journal(live.path()));
    assert!(to > from, "the write went into the journal");
    let dir = tempfile::tempdir().expect("a directory");
    copy(live.path(), dir.path());
    Torn { dir, from, to }
}

impl Torn {
    /// Opens a copy of the store after `damage` changed its journal, and checks all records.
    async fn check(&self, what: &str, damage: impl FnOnce(&mut File)) {
        let dir = tempfile::tempdir().expect("a directory");
        copy(self.dir.path(), dir.path());
        let mut file =
            OpenOptions::new().read(true).write(true).open(journal(dir.path())).expect("a journal");
        damage(&mut file);
        drop(file);
        let opened = EmbeddedStore::open(dir.path());
        let store = opened.unwrap_or_else(|refused| panic!("{what}: {refused}"));
        let opened = Bench::of(std::sync::Arc::new(store));
        self.check_acknowledged(&opened, what).await;
        opened.won(id(300), owner(300), STILL).await;
        close(opened);
        let again = bench(dir.path());
        self.check_acknowledged(&again, what).await;
        assert_eq!(again.record(id(300)).await.state.name(), "running", "{what}");
    }

    async fn check_acknowledged(&self, bench: &Bench, what: &str) {
        for number in 0..ACKNOWLEDGED {
            assert_eq!(bench.record(id(number)).await.state.name(), "completed", "{what}: {number}");
        }
        // `read` compares the response with the one that belongs to a completed record.
        let last = bench.read(id(100)).await;
        let (state, body) = (last.record.expect("a claim").state.name(), last.response.is_some());
        assert!(matches!((state, body), ("running", false) | ("completed", true)), "{what}: {state}");
        if let Some(claimed) = bench.read(id(200)).await.record {
            assert_eq!(claimed.state.name(), "running");
        }
    }
}

#[tokio::test]
async fn a_claim_that_was_cut_off() {
    let torn = torn(async |bench: &Bench| drop(bench.won(id(200), owner(200), STILL).await)).await;
    for cut in (torn.from..=torn.to).step_by(3) {
        torn.check(&format!("cut at {cut}"), |file| file.set_len(cut).expect("a cut")).await;
    }
}

#[tokio::test]
async fn a_completion_that_was_cut_off_and_something_behind_it() {
    let torn = torn(async |bench: &Bench| drop(bench.apply(id(100), complete(owner(100), 1)).await)).await;
    for (at, cut) in (torn.from..=torn.to).step_by(13).enumerate() {
        torn.check(&format!("zeros from {cut}"), |file| {
            file.set_len(cut).expect("a cut");
            file.set_len(torn.to + 100_000).expect("zeros");
        })
        .await;
        let noise = noise(cut, 700);
        torn.check(&format!("noise from {cut}"), |file| overwrite(file, cut, &noise)).await;
        // These bytes are tags of the journal, so that the reader continues for a while.
        let tags = [[1, 2, 3, 4][at % 4]; 300];
        torn.check(&format!("tags from {cut}"), |file| overwrite(file, cut, &tags)).await;
    }
}

/// Pages reach the disk in any order, so the end may be there and the middle missing.
#[tokio::test]
async fn a_completion_with_a_hole() {
    let torn = torn(async |bench: &Bench| drop(bench.apply(id(100), complete(owner(100), 1)).await)).await;
    for start in (torn.from..torn.to).step_by(9) {
        for length in [8, 120] {
            let zeros = vec![0; usize::try_from(length.min(torn.to - start)).expect("small")];
            torn.check(&format!("{length} zeros at {start}"), |file| overwrite(file, start, &zeros)).await;
        }
    }
}

/// Damage differs from a torn end by the whole, acknowledged writes that follow it.
#[tokio::test]
async fn damage_before_the_end_is_refused() {
    let torn = torn(async |bench: &Bench| drop(bench.won(id(200), owner(200), STILL).await)).await;
    check_that_damage_is_refused(&torn, 97, &[0x10]);
}

/// A body that contains whole writes of an earlier time is not taken for writes after a torn end.
#[tokio::test]
async fn a_body_made_of_journal_is_only_a_body() {
    let source = torn(async |bench: &Bench| drop(bench.won(id(200), owner(200), STILL).await)).await;
    let mut imitation = fs::read(journal(source.dir.path())).expect("a journal");
    imitation.truncate(usize::try_from(source.from).expect("small"));
    let torn = torn(async |bench: &Bench| {
        let response = StoredResponse { body: imitation.into(), ..response_of(owner(100)) };
        let event = complete(owner(100), 1);
        decisions::apply(&bench.ledger, id(100), None, &event, Some(&response)).await.expect("stored");
    })
    .await;
    torn.check("a hole before the imitation", |file| overwrite(file, torn.from + 13, &[0; 4])).await;
}

/// Returns a body of empty batches with numbers that count up from the store's own. A caller can guess these
/// numbers, and an upstream that echoes its request makes the store keep the body.
fn imitation(length: usize) -> Vec<u8> {
    let mut checksum = xxh3_of_nothing().to_le_bytes().to_vec();
    checksum.extend(*b"FJL\x03");
    let batch = |sequence: u64| [&[1, 0, 0, 0, 0][..], &sequence.to_le_bytes(), &[3], &checksum].concat();
    (1..).flat_map(batch).take(length).collect()
}

/// Returns the XXH3 of no bytes, with which an empty batch ends.
fn xxh3_of_nothing() -> u64 {
    0x2d06_8005_38d3_94c2
}

async fn torn_imitation(length: usize) -> Torn {
    torn(async |bench: &Bench| {
        let response = StoredResponse { body: imitation(length).into(), ..response_of(owner(100)) };
        let event = complete(owner(100), 1);
        decisions::apply(&bench.ledger, id(100), None, &event, Some(&response)).await.expect("stored");
    })
    .await
}

#[tokio::test]
async fn a_body_made_of_later_batches_that_was_cut_off() {
    let torn = torn_imitation(20_000).await;
    let near_its_ends = (torn.from..torn.from + 700).step_by(61).chain((torn.to - 40..torn.to).step_by(5));
    for cut in near_its_ends.chain((torn.from..torn.to).step_by(4_999)) {
        torn.check(&format!("cut at {cut}"), |file| file.set_len(cut).expect("a cut")).await;
    }
}

/// A loss of power can also remove the head of the batch around the body, or of the items before it.
#[tokio::test]
async fn a_body_made_of_later_batches_with_holes_before_it() {
    let torn = torn_imitation(20_000).await;
    for start in (torn.from..torn.from + 600).step_by(71) {
        for length in [8, 512] {
            let zeros = vec![0; length];
            torn.check(&format!("{length} zeros at {start}"), |file| overwrite(file, start, &zeros)).await;
        }
        let noise = noise(start, 64);
        torn.check(&format!("noise at {start}"), |file| overwrite(file, start, &noise)).await;
    }
}

/// The batches of an earlier release have no mark of the store. Without its file, the mark is unknown.
#[tokio::test]
async fn a_cut_off_body_in_a_store_of_an_earlier_release() {
    let torn = torn_imitation(20_000).await;
    fs::remove_file(torn.dir.path().join("oncegate-mark")).expect("the mark");
    for cut in (torn.from..torn.to).step_by(1_997) {
        torn.check(&format!("cut at {cut}"), |file| file.set_len(cut).expect("a cut")).await;
    }
}

#[tokio::test]
async fn damage_before_the_end_is_refused_in_a_store_of_an_earlier_release() {
    let torn = torn(async |bench: &Bench| drop(bench.won(id(200), owner(200), STILL).await)).await;
    fs::remove_file(torn.dir.path().join("oncegate-mark")).expect("the mark");
    check_that_damage_is_refused(&torn, 61, &[0x10]);
}

/// A damaged length or count does not hide the writes behind it.
#[tokio::test]
async fn damage_of_any_byte_before_the_end_is_refused() {
    let torn = torn_imitation(3_000).await;
    check_that_damage_is_refused(&torn, 29, &[0x01, 0x80]);
}

fn check_that_damage_is_refused(torn: &Torn, step: usize, masks: &[u8]) {
    for at in (0..torn.from).step_by(step) {
        for mask in masks {
            let dir = tempfile::tempdir().expect("a directory");
            copy(torn.dir.path(), dir.path());
            let mut file =
                OpenOptions::new().read(true).write(true).open(journal(dir.path())).expect("a journal");
            let mut byte = [0];
            file.seek(SeekFrom::Start(at)).expect("a place");
            file.read_exact(&mut byte).expect("a byte");
            overwrite(&mut file, at, &[byte[0] ^ mask]);
            let refused = EmbeddedStore::open(dir.path()).err();
            let refused = refused.unwrap_or_else(|| panic!("opened with byte {at} changed by {mask:02x}"));
            assert!(
                matches!(&refused, OpenError::Damaged { cause, .. } if cause.contains(".jnl")),
                "{refused}"
            );
        }
    }
}

fn overwrite(file: &mut File, at: u64, bytes: &[u8]) {
    file.seek(SeekFrom::Start(at)).expect("a place");
    file.write_all(bytes).expect("written");
}

/// Returns bytes without a pattern that are the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn journal(dir: &Path) -> PathBuf {
    let entries = fs::read_dir(dir.join("data")).expect("the data");
    let mut journals: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
        .collect();
    assert_eq!(journals.len(), 1, "one journal");
    journals.remove(0)
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).expect("a file").len()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            fs::create_dir(&target).expect("a directory");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).expect("a copy");
        }
    }
}
