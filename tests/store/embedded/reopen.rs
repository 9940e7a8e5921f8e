//! Closing a store, opening it again, and other processes that try to open it.

use std::path::Path;
use std::sync::Arc;

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use oncegate::clock::Timestamp;
use oncegate::protocol::{Reason, Record, RecordId, StoredResponse};
use oncegate::store::embedded::{EmbeddedStore, OpenError};
use oncegate::store::{Change, DocumentName, Durability, Filter, StoreError};

use crate::bench::{Bench, STILL, claim, complete, id, owner, response_of};
use crate::decisions;
use crate::events::Event;

use super::child::{self, Process};

pub fn bench(dir: &Path) -> Bench {
    Bench::of(Arc::new(EmbeddedStore::open(dir).expect("a store")))
}

/// Ends the store and releases its directory.
pub fn close(bench: Bench) {
    assert_eq!(Arc::strong_count(&bench.store), 2, "the bench and its ledger are the last owners");
}

fn refusal(dir: &Path) -> OpenError {
    EmbeddedStore::open(dir).err().expect("refused")
}

#[tokio::test]
async fn everything_acknowledged_is_there_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = bench(dir.path());
    assert_eq!(first.store.durability(), Durability::Synced);
    for number in 0..100 {
        first.won(id(number), owner(number), STILL).await;
        match number % 4 {
            0 => drop(first.apply(id(number), complete(owner(number), 1)).await),
            1 => {
                let lost = Event::Lose { owner: owner(number), n: 1, reason: Reason::ResponseTimeout };
                first.apply(id(number), lost).await;
            }
            2 => drop(first.apply(id(number), Event::Release { owner: owner(number), n: 1 }).await),
            _ => {}
        }
    }
    let mut before = Vec::new();
    for number in 0..100 {
        before.push(first.read(id(number)).await);
    }
    first.store.replace_document(DocumentName::Names, None, "names".into()).await.expect("an answer");
    let unknown = Filter { state: Some("unknown"), ..Filter::default() };
    let listed = first.store.page(unknown.clone(), 100).await.expect("a page").records;
    assert_eq!(listed.len(), 25);
    close(first);

    let second = bench(dir.path());
    for (number, before) in before.into_iter().enumerate() {
        let after = second.read(id(number as u64)).await;
        assert_eq!((after.record, after.response), (before.record, before.response), "{number}");
        assert!(after.now >= before.now, "time went back");
    }
    assert_eq!(second.store.page(unknown, 100).await.expect("a page").records, listed);
    assert_eq!(
        second.store.document(DocumentName::Names).await.expect("an answer").bytes.as_deref(),
        Some(&b"names"[..])
    );
}

/// The clock of the machine was an hour ahead, and is right after the restart.
#[tokio::test]
async fn time_does_not_go_back_over_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    close(bench(dir.path()));
    let ahead = bench(dir.path()).store.read(id(1)).await.expect("a read").now.plus(crate::bench::HOUR);
    engine(dir.path(), "meta", |meta| meta.insert("clock", ahead.0.to_be_bytes()));
    for _ in 0..2 {
        let again = bench(dir.path());
        assert!(again.store.read(id(1)).await.expect("a read").now >= ahead);
        close(again);
    }
}

#[tokio::test]
async fn one_store_at_a_time_has_the_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = bench(dir.path());
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::InUse(_)), "{refused}");
    assert!(refused.to_string().contains(dir.path().to_str().expect("text")), "{refused}");

    let (reports, status) = Process::start("embedded::reopen::second_process", dir.path(), &[]).finish();
    assert!(status.success() && reports == [refused.to_string()], "{reports:?}");

    close(first);
    let (reports, status) = Process::start("embedded::reopen::second_process", dir.path(), &[]).finish();
    assert!(status.success() && reports == ["opened"], "{reports:?}");
    close(bench(dir.path()));
}

#[test]
#[ignore = "the main function of a second process that other tests start"]
fn second_process() {
    match EmbeddedStore::open(&child::dir()) {
        Ok(_) => child::report("opened"),
        Err(refused) => child::report(&refused.to_string()),
    }
}

#[test]
fn what_is_not_a_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("ledger.db");
    std::fs::write(&file, "somebody's").expect("a file");
    for (path, named) in [(dir.path(), "holds files and no store"), (&file, "cannot be opened")] {
        let refused = refusal(path).to_string();
        assert!(refused.contains(named) && refused.contains(path.to_str().expect("text")), "{refused}");
    }
    assert_eq!(std::fs::read(&file).expect("the file"), b"somebody's");
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1);
}

#[test]
fn a_store_of_another_format_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("oncegate-store"), "oncegate embedded store, format 2\n")
        .expect("a marker");
    let refused = refusal(dir.path());
    assert!(matches!(&refused, OpenError::Format { found, .. } if found.contains("format 2")), "{refused}");
}

/// A creation that a crash interrupted starts again. A complete store that lost its data does not.
#[test]
fn an_empty_store_is_never_made_of_a_lost_one() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("oncegate-store"), "").expect("a marker");
    std::fs::create_dir_all(dir.path().join("data")).expect("a directory");
    std::fs::write(dir.path().join("data/0.jnl"), "").expect("a journal");
    close(bench(dir.path()));
    std::fs::remove_dir_all(dir.path().join("data")).expect("a removal");
    let refused = refusal(dir.path());
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused}");
}

/// The error names the record. There is no panic and no second execution, and all other records are fine.
#[tokio::test]
async fn a_corrupt_record_is_named_and_left_as_it_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = bench(dir.path());
    let policy = oncegate::protocol::Policy { lease: std::time::Duration::ZERO, ..STILL };
    let corrupt = first.won(id(1), owner(1), policy).await;
    let sound = first.won(id(2), owner(2), policy).await;
    first.won(id(3), owner(3), STILL).await;
    first.apply(id(3), complete(owner(3), 1)).await;
    close(first);
    engine(dir.path(), "records", |records| records.insert(id(1).as_bytes(), "garbage"));
    engine(dir.path(), "responses", |responses| responses.insert(id(3).as_bytes(), [1, 0xff]));

    let second = bench(dir.path());
    let unreadable = |named: RecordId, result: Result<String, StoreError>| {
        let error = result.expect_err("unreadable");
        assert!(matches!(&error, StoreError::Unreadable { id, .. } if *id == named), "{error}");
    };
    let debug = |what: &dyn std::fmt::Debug| format!("{what:?}");
    for (number, revision) in [(1, corrupt.revision), (3, corrupt.revision)] {
        let (id, first) = (id(number), claim(owner(9), STILL).first(Timestamp(0)));
        unreadable(id, second.store.claim(id, first).await.map(|found| debug(&found)));
        unreadable(id, second.store.read(id).await.map(|found| debug(&found)));
        let removal = second.store.compare_and_set(id, revision, Change::Remove(None)).await;
        unreadable(id, removal.map(|swap| debug(&swap)));
    }
    let page = second.store.page(Filter::default(), 10).await.expect("a page");
    assert_eq!(page.records.len(), 2, "the corrupt one is left out, not its neighbours");
    for _ in 0..2 {
        let due: Vec<(RecordId, Record)> = second.store.due(10).await.expect("what is due").records;
        assert_eq!(due, [(id(2), sound.clone())]);
    }
    assert_eq!(second.ledger.sweep().await.expect("a sweep").lapsed, 1);
    close(second);

    let mut kept = None;
    engine(dir.path(), "records", |records| {
        kept = records.get(id(1).as_bytes())?;
        Ok(())
    });
    assert_eq!(kept.as_deref(), Some(&b"garbage"[..]), "it was written over");
}

/// The claim is still queued when its caller gives up and removes it.
#[tokio::test]
async fn a_claim_that_was_given_up_in_the_queue_is_released() {
    let dir = tempfile::tempdir().expect("a directory");
    let bench = bench(dir.path());
    let mut were_queued = 0;
    for number in 0..50 {
        let mut given_up = bench.store.claim(id(number), claim(owner(1), STILL).first(Timestamp(0)));
        // One poll queues the claim. The sync that follows takes longer than this thread needs to continue.
        let queued = std::future::poll_fn(|context| {
            std::task::Poll::Ready(given_up.as_mut().poll(context).is_pending())
        });
        were_queued += usize::from(queued.await);
        drop(given_up);
        bench.ledger.abandon(id(number), owner(1)).await.expect("a release");
        bench.store.ready().await.expect("a store that is ready");
        assert_eq!(bench.read(id(number)).await.record, None);
    }
    assert!(were_queued > 0, "no claim was given up in the queue");
    close(bench);
}

/// Opens one table of a closed store with the engine, and runs `work` on it.
pub fn engine(dir: &Path, table: &str, work: impl FnOnce(&fjall::Keyspace) -> fjall::Result<()>) {
    let database = Database::builder(dir.join("data")).open().expect("the engine");
    let table = database.keyspace(table, KeyspaceCreateOptions::default).expect("a table");
    work(&table).expect("done");
    database.persist(PersistMode::SyncAll).expect("synced");
}

/// The data is enough for several flushes of the responses and for a second journal, so that later reads come
/// from files instead of memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_survive_flushes_and_journal_rotation() {
    const MANY: u64 = 400;
    let dir = tempfile::tempdir().expect("a directory");
    let first = bench(dir.path());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..MANY {
        let bench = first.clone();
        tasks.spawn(async move {
            bench.won(id(number), owner(number), STILL).await;
            let (event, response) = (complete(owner(number), 1), large(number));
            decisions::apply(&bench.ledger, id(number), None, &event, Some(&response)).await.expect("stored");
        });
    }
    tasks.join_all().await;
    all_large(&first, MANY).await;
    close(first);
    let again = bench(dir.path());
    all_large(&again, MANY).await;
    close(again);
}

fn large(number: u64) -> StoredResponse {
    StoredResponse { body: vec![number as u8; 250_000].into(), ..response_of(owner(number)) }
}

async fn all_large(bench: &Bench, many: u64) {
    for number in 0..many {
        let found = bench.store.read(id(number)).await.expect("a read");
        assert!(found.response == Some(large(number)), "{number}");
    }
}
