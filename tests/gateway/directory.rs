//! The directory of the embedded store: its permissions, and stored bytes that imitate its journal.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use http::Response;
use http_body_util::Full;

use crate::harness::{Gateway, Settings, Upstream, post};

/// Returns every path below `dir`, including `dir`, with its permission bits.
fn modes(dir: &Path) -> Vec<(PathBuf, u32)> {
    let mode = fs::metadata(dir).expect("it is there").permissions().mode() & 0o777;
    let mut all = vec![(dir.to_owned(), mode)];
    if dir.is_dir() {
        for entry in fs::read_dir(dir).expect("a directory") {
            all.extend(modes(&entry.expect("an entry").path()));
        }
    }
    all
}

fn assert_private(dir: &Path) {
    let all = modes(dir);
    assert!(all.len() > 10, "{all:?}");
    for (path, mode) in all {
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{} has {mode:o}", path.display());
    }
}

#[tokio::test]
async fn nobody_else_can_read_a_store_whatever_the_umask() {
    for umask in ["022", "000", "077"] {
        let upstream = Upstream::start().await;
        let settings = Settings::default().shell(&format!("umask {umask}"));
        let mut gateway = Gateway::start(&upstream, settings.clone()).await;
        assert_eq!(post(gateway.address, "/v1/charges", "k", "a").await.status, 201);
        assert_private(&gateway.data());
        gateway.terminate().await;
        assert_eq!(gateway.ended().await, Some(0));
        // A second start creates more files.
        let again = gateway.restart(&upstream, settings).await;
        assert_private(&again.data());
        assert!(!again.log().contains("other users"), "{}", again.log());
    }
}

#[tokio::test]
async fn a_store_that_others_could_read_is_tightened_and_what_is_above_it_is_not() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    assert_eq!(post(gateway.address, "/v1/charges", "k", "a").await.status, 201);
    gateway.kill().await;
    let data = gateway.data();
    for (path, _) in modes(&data) {
        let mode = if path.is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
    }
    let above = data.parent().expect("a directory");
    fs::set_permissions(above, Permissions::from_mode(0o755)).expect("ours");
    let again = gateway.restart(&upstream, Settings::default().shell("umask 022")).await;
    again.logs("other users of this machine could read the stored answers").await;
    assert_private(&data);
    assert_eq!(fs::metadata(above).expect("it is there").permissions().mode() & 0o777, 0o755);
    let replay = post(again.address, "/v1/charges", "k", "a").await;
    assert_eq!((replay.status, replay.header("idempotent-replayed")), (201, Some("true")));
}

/// Returns a body of empty batches of the engine's journal, with numbers that count up from the store's own.
fn imitation(length: usize) -> Vec<u8> {
    let batch = |number: u64| {
        let (number, checksum) = (number.to_le_bytes(), 0x2d06_8005_38d3_94c2_u64.to_le_bytes());
        [&[1, 0, 0, 0, 0][..], &number, &[3], &checksum, b"FJL\x03"].concat()
    };
    (1..).flat_map(batch).take(length).collect()
}

/// The gateway is killed while it writes a response chosen by a caller. At each length of the written part,
/// the store opens, and the payments of other callers are answered.
#[tokio::test]
async fn a_torn_answer_made_of_journal_leaves_the_payments_of_others_alone() {
    let upstream = Upstream::answering(|seen| {
        Response::builder().status(201).body(Full::from(seen.body)).expect("a response")
    })
    .await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    for key in ["honest-1", "honest-2"] {
        assert_eq!(post(gateway.address, "/v1/charges", key, key).await.status, 201);
    }
    let imitation = imitation(850_000);
    let sent = post(gateway.address, "/v1/charges", "stranger", &imitation).await;
    assert_eq!(sent.status, 201);
    gateway.kill().await;

    let journal = journal(&gateway.data());
    let whole = fs::read(&journal).expect("the journal");
    let start = whole.windows(64).position(|part| part == &imitation[..64]).expect("the body is in it");
    for cut in [
        start - 30,
        start + 26,
        start + 26 * 7 + 13,
        start + 8192,
        start + 400_000,
        start + imitation.len() - 1,
        start + imitation.len() + 5,
    ] {
        fs::write(&journal, &whole[..cut]).expect("a journal");
        let mut again = gateway.restart(&upstream, Settings::default()).await;
        for key in ["honest-1", "honest-2"] {
            let replay = post(again.address, "/v1/charges", key, key).await;
            assert_eq!((replay.status, replay.header("idempotent-replayed")), (201, Some("true")), "{cut}");
        }
        assert_eq!(post(again.address, "/v1/charges", &format!("new-{cut}"), "a").await.status, 201);
        again.kill().await;
    }
}

fn journal(data: &Path) -> PathBuf {
    let entries = fs::read_dir(data.join("data")).expect("the data");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    paths.find(|path| path.extension().is_some_and(|extension| extension == "jnl")).expect("a journal")
}
