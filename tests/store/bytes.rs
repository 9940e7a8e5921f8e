//! Stored bytes stay readable. `bytes/version-1.txt` holds the bytes of the first version: a line for each
//! record and response, and for the value that Redis keeps of a record. `bytes/version-2.txt` holds a record
//! that only later versions read. `bytes/labels.txt` and `bytes/history.txt` hold records with
//! labels and with a history, which older versions skip.
//!
//! A change of the encoding adds a file. `cargo test --test store print_todays_bytes -- --ignored
//! --nocapture` prints its contents. An existing file is never written again.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use oncegate::clock::Timestamp;
use oncegate::protocol::history::{By, Entry, Event as Happened};
use oncegate::protocol::path::Template;
use oncegate::protocol::{
    BodyScheme, Doubt, Executed, Fingerprint, History, Labels, OnUnknown, Owner, PathScheme, Policy, Reason,
    Record, ResponseRef, Revision, Scheme, State, StoredResponse,
};
use oncegate::store::Store;
use oncegate::store::codec::{decode_record, decode_response, encode_record, encode_response};

use crate::bench::id;
use crate::servers::redis::Server;

const VERSION_1: &str = include_str!("bytes/version-1.txt");
const VERSION_3: &str = include_str!("bytes/version-3.txt");
const VERSION_2: &str = include_str!("bytes/version-2.txt");
const HISTORY: &str = include_str!("bytes/history.txt");
const LABELS: &str = include_str!("bytes/labels.txt");

/// Returns a record for every state and reason. No two parts are equal, so no part can be taken for another.
fn records() -> Vec<(String, Record)> {
    let (owner, n) = (Owner([0xa1; 16]), 3);
    let response = |retained| ResponseRef { id: Owner([0xb2; 16]), status: 201, retained };
    let quiet_at = Timestamp(1_700_000_123_456);
    let reasons = [
        Reason::Unreachable,
        Reason::ResponseTimeout,
        Reason::ConnectionLost,
        Reason::BrokenAnswer,
        Reason::Status(503),
        Reason::Shutdown,
        Reason::LeaseOver,
    ];
    let unknown = reasons.map(|reason| State::Unknown { owner, n, undecided: true, reason, quiet_at });
    let states = [
        State::Running { owner, n, undecided: false },
        State::Running { owner, n, undecided: true },
        State::Completed { owner, n, response: response(true) },
        State::Completed { owner, n, response: response(false) },
        State::Settled { owner, n },
        State::Cleared { owner, n, undecided: false },
        State::Expired { n, executed: Executed::Yes },
        State::Expired { n, executed: Executed::Unknown },
    ];
    let policies = [OnUnknown::Hold, OnUnknown::Retry { window: None }, OnUnknown::Probe, OnUnknown::Marker];
    let all = states.into_iter().chain(unknown).enumerate();
    all.map(|(number, state)| {
        let on_unknown = policies[number % policies.len()];
        (format!("record-{number}-{}", state.name()), record(state, on_unknown))
    })
    .collect()
}

fn record(state: State, on_unknown: OnUnknown) -> Record {
    let body = match on_unknown {
        OnUnknown::Hold => BodyScheme::Raw,
        _ => BodyScheme::Json { ignore: vec!["/sent_at".into(), "/a~1b".into()] },
    };
    let scheme =
        Scheme { body, headers: vec!["content-type".into(), "x-tenant".into()], path: PathScheme::AsSent };
    Record {
        revision: Revision(0x0102_0304_0506_0708),
        namespace: "payments".into(),
        route: "create-charge".into(),
        fingerprint: Fingerprint { scheme: Arc::new(scheme), digest: [0xc3; 32] },
        policy: Policy {
            on_unknown,
            lease: Duration::from_millis(10_500),
            response_timeout: Duration::from_secs(31),
            ttl: Duration::from_secs(86_400),
            tombstone_ttl: Duration::from_secs(2_592_000),
        },
        created_at: Timestamp(1_700_000_000_001),
        updated_at: Timestamp(1_700_000_000_999),
        state,
        kept: None,
        doubt: None,
        history: History::default(),
        labels: Labels::default(),
    }
}

fn response() -> StoredResponse {
    let header = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    StoredResponse {
        status: StatusCode::CREATED,
        headers: vec![header("x-b", "2"), header("content-type", "application/json"), header("x-b", "1")],
        body: Bytes::from_static(b"{\"charge\":1}\xff\x00"),
    }
}

fn hex(bytes: Vec<u8>) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// Returns the bytes in the file under this name.
fn kept(name: &str) -> Vec<u8> {
    let line = VERSION_1.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    let hex = line.unwrap_or_else(|| panic!("{name} is not in the file"));
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

#[test]
fn records_of_version_1_are_read() {
    let records = records();
    assert_eq!(VERSION_1.lines().filter(|line| line.starts_with("record-")).count(), records.len());
    for (name, record) in records {
        assert_eq!(decode_record(&kept(&name)), Ok(record), "{name}");
    }
}

#[test]
fn a_response_of_version_1_is_read() {
    assert_eq!(decode_response(&kept("response")), Ok(response()));
}

/// Older gateways of the same fleet read the bytes that this version writes. No gateway of theirs could make
/// a record of another policy than `hold`.
#[test]
fn version_1_is_still_what_is_written() {
    for (name, record) in
        records().into_iter().filter(|(_, record)| record.policy.on_unknown == OnUnknown::Hold)
    {
        assert_eq!(encode_record(&record), kept(&name), "{name}");
    }
    assert_eq!(encode_response(&response()), kept("response"));
}

/// The value in Redis holds the parts that scripts compare and stamp, and the record after them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_version_1_left_in_redis_is_read() {
    let server = Server::start();
    let store = super::redis::store(&server).await;
    let text = id(1).to_string();
    let key = format!("oncegate:{{{}}}:{text}", &text[..2]);
    let set = |key: &str, value: Vec<u8>| {
        let done: () = redis::cmd("SET").arg(key).arg(value).query(&mut server.connection()).expect("set");
        done
    };
    set(&key, kept("redis-value"));
    set(&format!("{key}:response"), kept("response"));
    let found = store.read(id(1)).await.expect("an answer");
    let (_, completed) = records().swap_remove(2);
    assert_eq!((found.record, found.response), (Some(completed), Some(response())));
}

/// Returns a record with a fingerprint that treats equivalent spellings of a path as one. Older gateways must
/// not read it.
fn folded() -> Record {
    let record = record(State::Settled { owner: Owner([0xa1; 16]), n: 3 }, OnUnknown::Hold);
    let path = PathScheme::Equivalent(Template::new("/v1/{customer}/Charges/{*rest}"));
    let scheme = Arc::new(Scheme { path, ..Scheme::clone(&record.fingerprint.scheme) });
    Record { fingerprint: Fingerprint { scheme, ..record.fingerprint }, ..record }
}

#[test]
fn a_record_of_version_2_is_read_and_still_what_is_written() {
    let line = VERSION_2.lines().find_map(|line| line.strip_prefix("record-folded ")).expect("its line");
    assert_eq!(hex(encode_record(&folded())), line);
    assert_eq!(decode_record(&encode_record(&folded())), Ok(folded()));
    assert_eq!(encode_record(&folded())[0], 2, "its version");
}

/// Returns records with all that only version 3 holds. Older gateways must not read them.
fn settling() -> Vec<(String, Record)> {
    let (owner, n, reason, quiet_at) =
        (Owner([0xa1; 16]), 3, Reason::ResponseTimeout, Timestamp(1_700_000_050_000));
    let unknown = State::Unknown { owner, n, undecided: true, reason, quiet_at };
    let window = Some(Duration::from_secs(82_800));
    let kept = |record: Record| Record { kept: Some(b"\x0a\x02hi".as_slice().into()), ..record };
    vec![
        ("record-retried".into(), kept(record(unknown, OnUnknown::Retry { window }))),
        ("record-probed".into(), kept(record(unknown, OnUnknown::Probe))),
        ("record-cleared".into(), record(State::Cleared { owner, n, undecided: true }, OnUnknown::Probe)),
        ("record-marked".into(), record(unknown, OnUnknown::Marker)),
    ]
}

#[test]
fn records_of_version_3_are_read_and_still_what_is_written() {
    for (name, record) in settling() {
        let line =
            VERSION_3.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect("its line");
        assert_eq!(hex(encode_record(&record)), line, "{name}");
        assert_eq!(decode_record(&encode_record(&record)), Ok(record.clone()), "{name}");
        assert_eq!(encode_record(&record)[0], 3, "its version");
    }
}

/// Returns records with labels, whose version older gateways know. They skip the labels.
fn labelled() -> Vec<(String, Record)> {
    let (owner, n) = (Owner([0xa1; 16]), 3);
    let labels = Labels::stored([("x-request-id", "r-17"), ("/metadata/order_id", "Zürich \"8\"")]);
    let of = |state, on_unknown| Record { labels: labels.clone(), ..record(state, on_unknown) };
    vec![
        ("labelled-settled".into(), of(State::Settled { owner, n }, OnUnknown::Hold)),
        ("labelled-expired".into(), of(State::Expired { n, executed: Executed::Yes }, OnUnknown::Probe)),
    ]
}

#[test]
fn labels_are_read_and_still_what_is_written() {
    for (name, record) in labelled() {
        let line = LABELS.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect("its line");
        assert_eq!(hex(encode_record(&record)), line, "{name}");
        assert_eq!(decode_record(&encode_record(&record)), Ok(record.clone()), "{name}");
        let bare = encode_record(&Record { labels: Labels::default(), ..record });
        assert_eq!(&line[..2], &hex(bare)[..2], "labels take no version of their own");
    }
}

/// Returns records after an operator's decision, whose version older gateways know. They skip the history.
fn decided() -> Vec<(String, Record)> {
    let (owner, n, quiet_at) = (Owner([0xa1; 16]), 3, Timestamp(1_700_000_050_000));
    let entry = |at: Option<u64>, event, by, note: Option<&str>| Entry {
        at: at.map(Timestamp),
        n,
        event,
        by,
        note: note.map(Into::into),
    };
    let entries = vec![
        entry(Some(1), Happened::Claimed, By::Gateway, None),
        entry(Some(2), Happened::Unknown(Reason::Status(503)), By::Gateway, None),
        entry(Some(3), Happened::Released, By::Gateway, None),
        entry(Some(4), Happened::Completed(201), By::Gateway, None),
        entry(Some(5), Happened::Settled { executed: true }, By::Probe, None),
        entry(Some(6), Happened::Settled { executed: false }, By::Marker, None),
        entry(Some(7), Happened::Reopened, By::Operator("ops-1".into()), Some("Zürich")),
        entry(Some(8), Happened::Deleted, By::Operator("ops-1".into()), None),
        entry(
            None,
            Happened::Resolved { executed: false, forced: true },
            By::Operator("ops-2".into()),
            Some("why"),
        ),
    ];
    let history = History::of(entries, 17);
    let doubt = Doubt { undecided: true, reason: Reason::Status(504), quiet_at };
    let of = |state, doubt: Option<Doubt>| Record {
        history: history.clone(),
        doubt: doubt.map(Box::new),
        ..record(state, OnUnknown::Hold)
    };
    let cleared = State::Cleared { owner, n, undecided: false };
    vec![
        ("decided-cleared".into(), of(cleared, Some(doubt))),
        ("decided-expired".into(), of(State::Expired { n, executed: Executed::Unknown }, None)),
    ]
}

#[test]
fn a_history_is_read_and_still_what_is_written() {
    for (name, record) in decided() {
        let line = HISTORY.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect("its line");
        assert_eq!(hex(encode_record(&record)), line, "{name}");
        assert_eq!(decode_record(&encode_record(&record)), Ok(record.clone()), "{name}");
        assert_eq!(encode_record(&record)[0], 1, "a history takes no version of its own");
    }
}

#[test]
#[ignore = "prints what a new file of bytes has to hold"]
fn print_todays_bytes() {
    println!("record-folded {}", hex(encode_record(&folded())));
    for (name, record) in settling() {
        println!("{name} {}", hex(encode_record(&record)));
    }
    for (name, record) in records().into_iter().chain(labelled()).chain(decided()) {
        println!("{name} {}", hex(encode_record(&record)));
    }
    println!("response {}", hex(encode_response(&response())));
    let (_, completed) = records().swap_remove(2);
    let stamps = [completed.revision.0, completed.created_at.0, completed.updated_at.0];
    let header = stamps.iter().flat_map(|stamp| stamp.to_be_bytes()).chain([1]);
    println!("redis-value {}", hex(header.chain(encode_record(&completed)).collect()));
}
