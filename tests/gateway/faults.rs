//! Faults between the gateway and the upstream, and faults of the disk.

use std::path::Path;
use std::process::Command;

use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use oncegate::protocol::RecordId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::harness::{Connection, Gateway, Settings, Upstream, post, request, request_bytes};

/// Starts an upstream that reads a request, writes these bytes, and closes. Counts the requests.
pub async fn broken_upstream(
    answer: &'static [u8],
) -> (std::net::SocketAddr, tokio::sync::watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (count, counted) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 64 * 1024];
            // The gateway sends small requests in one piece.
            if stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                count.send_modify(|count| *count += 1);
                let _ = stream.write_all(answer).await;
            }
        }
    });
    (address, counted)
}

/// Otherwise the bytes beyond the shorter length would be read as the next response on the connection.
#[tokio::test]
async fn an_answer_with_two_lengths_is_passed_on_and_replayed_with_one() {
    let answer = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n\
        b\r\nhello world\r\n0\r\n\r\n";
    let (address, counted) = broken_upstream(answer).await;
    let upstream = Upstream::start().await;
    let settings = Settings::default().more("[fallback]\nupstream = \"payments\"");
    let gateway = Gateway::start(&upstream, Settings { address: Some(address), ..settings }).await;
    let mut connection = Connection::open(gateway.address).await;
    for _ in 0..2 {
        connection.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", "k")], b"a")).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.body), (201, b"hello world".to_vec()));
    }
    connection.send(request_bytes("POST", "/elsewhere", &[], b"a")).await;
    assert_eq!(connection.answer().await.body, b"hello world");
    assert_eq!(*counted.borrow(), 2);
}

/// The request was sent, and no usable response came.
#[tokio::test]
async fn an_answer_that_breaks_off_leaves_the_outcome_unknown() {
    let cases: [(&[u8], &str); 6] = [
        (b"", "connection lost"),
        (b"HTTP/1.1 20", "connection lost"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "broken answer"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab", "broken answer"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "broken answer"),
        (b"SMTP ready\r\n\r\n", "broken answer"),
    ];
    let upstream = Upstream::start().await;
    for (answer, reason) in cases {
        let (address, count) = broken_upstream(answer).await;
        let settings = Settings { address: Some(address), ..Settings::default() };
        let gateway = Gateway::start(&upstream, settings).await;
        let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
        told.problem(504, "outcome-unknown", "unknown", "never");
        let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
        told.problem(409, "outcome-unknown", "unknown", "never");
        assert_eq!(*count.borrow(), 1, "{reason}");
        assert_eq!(gateway.records("unknown").await[0]["reason"], reason);
    }
}

#[tokio::test]
async fn a_response_timeout_tells_everybody_who_was_there() {
    let upstream = Upstream::start().await;
    let gateway =
        Gateway::start(&upstream, Settings::default().upstream("response_timeout = \"300ms\"")).await;
    upstream.hold();
    let mut attempts = JoinSet::new();
    for _ in 0..8 {
        let address = gateway.address;
        attempts.spawn(async move { post(address, "/v1/charges", "k-1", "a").await });
    }
    for told in attempts.join_all().await {
        told.problem(504, "outcome-unknown", "unknown", "never");
    }
    post(gateway.address, "/v1/charges", "k-1", "a").await.problem(
        409,
        "outcome-unknown",
        "unknown",
        "never",
    );
    assert_eq!(gateway.records("unknown").await[0]["reason"], "response timeout");
    assert_eq!(upstream.executions(), 1);
    // Without a key there is no record, and the outcome is still unknown.
    let told = request(gateway.address, "POST", "/v1/charges", &[], "a").await;
    told.problem(504, "about:blank", "unknown", "never");
}

/// The response is too large to be kept, and breaks off on its way. The operation was executed, and the
/// client must not take the part for the whole.
#[tokio::test]
async fn a_large_answer_that_breaks_off_is_cut_off_for_the_client_too() {
    let cases: [&[u8]; 2] = [
        b"HTTP/1.1 201 Created\r\ncontent-length: 5000\r\n\r\na part of it",
        b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n40\r\n0123456789012345678901234567890123456789012345678901234567890123\r\n",
    ];
    let upstream = Upstream::start().await;
    for answer in cases {
        let (address, count) = broken_upstream(answer).await;
        let settings = Settings { address: Some(address), ..Settings::route("max_response_body = \"32B\"") };
        let gateway = Gateway::start(&upstream, settings).await;
        let mut client = Connection::open(gateway.address).await;
        client.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", "k-1")], b"a")).await;
        assert_eq!(client.try_answer().await, None, "no whole answer");
        let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
        let members = told.problem(410, "response-not-retained", "yes", "never");
        assert_eq!(members["original_status"], 201);
        assert_eq!(*count.borrow(), 1);
    }
}

/// The process is stopped beyond its lease, and then continues.
#[tokio::test]
async fn a_gateway_that_stood_still_runs_nothing_twice() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("lease = \"200ms\"")).await;
    upstream.hold();
    let address = gateway.address;
    let first = tokio::spawn(async move { post(address, "/v1/charges", "k-1", "a").await });
    upstream.reached(1).await;
    gateway.freeze().await;
    let lease_over = tokio::time::Instant::now() + std::time::Duration::from_millis(400);
    tokio::time::sleep_until(lease_over).await;
    upstream.let_go();
    gateway.thaw().await;
    // The first execution's own response came in the end, and a later attempt gets this response.
    assert_eq!(first.await.expect("first").status, 201);
    assert!(post(gateway.address, "/v1/charges", "k-1", "a").await.is_replay());
    assert_eq!(upstream.executions(), 1);
}

/// Many retries around the end of the ttl.
#[tokio::test]
async fn a_retry_that_races_the_ttl_never_runs_the_operation_again() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::route("ttl = \"300ms\"\nlease = \"100ms\"")).await;
    let mut expired = 0;
    while expired < 50 {
        let mut attempts = JoinSet::new();
        for _ in 0..16 {
            let address = gateway.address;
            attempts.spawn(async move { post(address, "/v1/charges", "k-1", "a").await });
        }
        for told in attempts.join_all().await {
            match told.status {
                201 => assert_eq!(told.text(), "{\"charge\":1}"),
                _ => {
                    told.problem(410, "key-expired", "yes", "never");
                    expired += 1;
                }
            }
        }
    }
    assert_eq!(upstream.executions(), 1);
}

/// The stored record cannot be read.
#[tokio::test]
async fn a_corrupt_record_is_never_run_over() {
    let upstream = Upstream::start().await;
    let mut gateway = Gateway::start(&upstream, Settings::default()).await;
    post(gateway.address, "/v1/charges", "k-1", "a").await;
    let id = gateway.records("completed").await[0]["id"].as_str().expect("an id").to_owned();
    post(gateway.address, "/v1/charges", "k-2", "a").await;
    gateway.terminate().await;
    assert_eq!(gateway.ended().await, Some(0));
    corrupt(&gateway.data(), &id);
    let gateway = gateway.restart(&upstream, Settings::default()).await;
    let told = post(gateway.address, "/v1/charges", "k-1", "a").await;
    let members = told.problem(500, "record-unreadable", "unknown", "never");
    assert_eq!(members["record"], id);
    // The neighbouring record is unchanged, and the metric for operators counts the corrupt one.
    assert!(post(gateway.address, "/v1/charges", "k-2", "a").await.is_replay());
    assert_eq!(upstream.executions(), 2);
    let metrics = gateway.admin_get("/metrics").await;
    assert!(!metrics.text().contains("oncegate_unreadable_records_total 0"), "{}", metrics.text());
}

/// Replaces a record by meaningless bytes, without the gateway.
pub fn corrupt(data: &Path, id: &str) {
    let engine = Database::builder(data.join("data")).open().expect("the engine opens");
    let records = engine.keyspace("records", KeyspaceCreateOptions::default).expect("the table is there");
    let id: RecordId = id.parse().expect("an id");
    assert!(records.contains_key(id.as_bytes()).expect("a look"));
    records.insert(id.as_bytes(), b"\xffgarbage").expect("a write");
    engine.persist(PersistMode::SyncAll).expect("a sync");
}

/// The disk fails while the upstream works.
#[tokio::test]
async fn a_failing_disk_ends_the_gateway_and_runs_nothing_twice() {
    let upstream = Upstream::start().await;
    let shim = tempfile::TempDir::new().expect("a temporary directory");
    let (library, trigger) = (shim.path().join("failing_disk.so"), shim.path().join("fail"));
    build_shim(&library);
    let failing = Settings::default()
        .env("LD_PRELOAD", library.to_str().expect("a path"))
        .env("FAILING_DISK_TRIGGER", trigger.to_str().expect("a path"));
    let mut gateway = Gateway::start(&upstream, failing).await;
    post(gateway.address, "/v1/charges", "k-0", "a").await;
    upstream.hold();
    let address = gateway.address;
    let running = tokio::spawn(async move { post(address, "/v1/charges", "k-1", "a").await });
    upstream.reached(2).await;
    std::fs::write(&trigger, "").expect("the trigger can be set");
    upstream.let_go();
    // The response is true, and the client gets it. A later attempt may get another answer.
    let answer = running.await.expect("running");
    assert_eq!((answer.status, answer.header("idempotency-stored")), (201, Some("false")));
    assert_eq!(gateway.ended().await, Some(1));
    let gateway = gateway.restart(&upstream, Settings::route("lease = \"100ms\"")).await;
    assert!(post(gateway.address, "/v1/charges", "k-0", "a").await.is_replay());
    let retry = post(gateway.address, "/v1/charges", "k-1", "a").await;
    assert!(retry.is_replay() || [409, 504].contains(&retry.status), "{retry:?}");
    assert_eq!(upstream.executions(), 2);
}

/// Builds a library that makes `fdatasync` and `fsync` fail once a file exists.
fn build_shim(library: &Path) {
    let source = library.with_extension("c");
    let text = r#"
        #include <errno.h>
        #include <stdlib.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        static int fails(void) {
            const char *trigger = getenv("FAILING_DISK_TRIGGER");
            return trigger && access(trigger, F_OK) == 0;
        }
        int fdatasync(int fd) {
            if (fails()) { errno = EIO; return -1; }
            return syscall(SYS_fdatasync, fd);
        }
        int fsync(int fd) {
            if (fails()) { errno = EIO; return -1; }
            return syscall(SYS_fsync, fd);
        }
    "#;
    std::fs::write(&source, text).expect("the source can be written");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(library).arg(&source).status();
    assert!(built.expect("cc runs").success());
}

/// A client that leaves before its claim is answered leaves no unknown outcome.
#[tokio::test]
async fn clients_that_leave_at_once_leave_nothing_unknown() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start(&upstream, Settings::default()).await;
    for number in 0..50 {
        let mut connection = Connection::open(gateway.address).await;
        let key = format!("k-{number}");
        connection.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", &key)], b"a")).await;
    }
    for number in 0..50 {
        let answer = post(gateway.address, "/v1/charges", &format!("k-{number}"), "a").await;
        assert_eq!(answer.status, 201);
    }
    assert_eq!(upstream.executions(), 50);
    assert!(gateway.records("unknown").await.is_empty());
}
