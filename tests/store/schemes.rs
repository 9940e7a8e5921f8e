//! Stored bytes of records with the schemes of later releases. `bytes/version-4.txt` holds a line for each
//! scheme that older gateways cannot compute. `bytes/media-type.txt` holds records in the versions that older
//! gateways read.
//!
//! An existing file is never written again. `cargo test --test store print_todays_schemes -- --ignored
//! --nocapture` prints the lines.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use oncegate::clock::Timestamp;
use oncegate::protocol::path::Template;
use oncegate::protocol::{
    BodyScheme, Fingerprint, History, Labels, MemberChoice, OnUnknown, Owner, PathScheme, Policy, Record,
    Revision, Scheme, State,
};
use oncegate::store::codec::{decode_record, encode_record};

const VERSION_4: &str = include_str!("bytes/version-4.txt");
const MEDIA_TYPE: &str = include_str!("bytes/media-type.txt");

fn record(body: BodyScheme, path: PathScheme, on_unknown: OnUnknown) -> Record {
    let scheme = Scheme { body, headers: vec!["content-type".into(), "x-tenant".into()], path };
    Record {
        revision: Revision(7),
        namespace: "payments".into(),
        route: "create-charge".into(),
        fingerprint: Fingerprint { scheme: Arc::new(scheme), digest: [0xc3; 32] },
        policy: Policy {
            on_unknown,
            lease: Duration::from_secs(10),
            response_timeout: Duration::from_secs(31),
            ttl: Duration::from_secs(86_400),
            tombstone_ttl: Duration::from_secs(2_592_000),
        },
        created_at: Timestamp(1_700_000_000_001),
        updated_at: Timestamp(1_700_000_000_999),
        state: State::Running { owner: Owner([0xa1; 16]), n: 3, undecided: false },
        kept: None,
        doubt: None,
        history: History::default(),
        labels: Labels::default(),
    }
}

fn json(members: MemberChoice, sent_as: Option<&str>) -> BodyScheme {
    BodyScheme::JsonMembers { members, sent_as: sent_as.map(|sent| sent.as_bytes().into()) }
}

fn pointers(pointers: &[&str]) -> Vec<String> {
    pointers.iter().map(|pointer| (*pointer).to_owned()).collect()
}

/// Returns a record for each scheme of version 4.
fn newer() -> Vec<(&'static str, Record)> {
    let template = || PathScheme::Equivalent(Template::new("/v1/{id}"));
    let except = |list: &[&str]| MemberChoice::except(pointers(list), list.concat().contains('*'));
    let only = |list: &[&str]| MemberChoice::only(pointers(list), list.concat().contains('*'));
    let form = |members| BodyScheme::Form { members };
    let bodies = [
        ("none", BodyScheme::None),
        ("form", form(except(&[]))),
        ("form-ignore", form(except(&["/a", "/b/*"]))),
        ("form-only", form(only(&["/amount"]))),
        ("multipart", BodyScheme::Multipart),
        ("json-ignore", json(except(&["/a", "/b/*/c"]), None)),
        ("json-only", json(only(&["/amount", "/a~1b"]), None)),
        ("json-only-any", json(only(&["/items/*"]), None)),
    ];
    let policies = [OnUnknown::Hold, OnUnknown::Retry { window: None }, OnUnknown::Probe, OnUnknown::Marker];
    let numbered = bodies.into_iter().enumerate();
    numbered
        .map(|(number, (name, body))| {
            let path = if number % 2 == 0 { PathScheme::AsSent } else { template() };
            (name, record(body, path, policies[number % policies.len()]))
        })
        .collect()
}

/// Returns records that older gateways read.
fn shared() -> Vec<(&'static str, Record)> {
    let except = |list: &[&str]| MemberChoice::except(pointers(list), false);
    let equivalent = PathScheme::Equivalent(Template::new("/v1/{id}"));
    vec![
        ("usual", record(json(except(&[]), None), PathScheme::AsSent, OnUnknown::Hold)),
        (
            "sent-as",
            record(
                json(except(&["/at"]), Some("application/json; charset=utf-8")),
                PathScheme::AsSent,
                OnUnknown::Hold,
            ),
        ),
        ("equivalent", record(json(except(&["/at"]), None), equivalent, OnUnknown::Hold)),
        ("settling", record(json(except(&[]), Some("a/b;c=d")), PathScheme::AsSent, OnUnknown::Probe)),
    ]
}

fn hex(bytes: Vec<u8>) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

fn are_kept(file: &str, records: Vec<(&'static str, Record)>) {
    assert_eq!(file.lines().count(), records.len());
    for (name, record) in records {
        let line = file.lines().find_map(|line| line.strip_prefix(&format!("{name} "))).expect("its line");
        assert_eq!(hex(encode_record(&record)), line, "{name}");
        assert_eq!(decode_record(&encode_record(&record)), Ok(record), "{name}");
    }
}

#[test]
fn records_of_version_4_are_still_what_is_written() {
    are_kept(VERSION_4, newer());
    for (name, record) in newer() {
        assert_eq!(encode_record(&record)[0], 4, "{name}");
    }
}

#[test]
fn a_json_media_type_takes_no_version_of_its_own() {
    are_kept(MEDIA_TYPE, shared());
    let versions: Vec<u8> = shared().iter().map(|(_, record)| encode_record(record)[0]).collect();
    assert_eq!(versions, [1, 1, 2, 3]);
}

#[test]
#[ignore = "prints what new files of bytes have to hold"]
fn print_todays_schemes() {
    for (file, records) in [("version-4", newer()), ("media-type", shared())] {
        println!("{file}.txt");
        for (name, record) in records {
            println!("{name} {}", hex(encode_record(&record)));
        }
    }
}
