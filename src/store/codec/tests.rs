//! Every record and response decodes to itself. Other bytes are refused, without a panic.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::protocol::history::{By, Entry, Event};
use crate::protocol::path::Template;
use crate::protocol::{BodyScheme, Doubt, History, MemberChoice, Reason};

use super::*;

fn owner() -> impl Strategy<Value = Owner> {
    any::<[u8; 16]>().prop_map(Owner)
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        (any::<u64>(), 0..1_000_000_000_u32).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos)),
        Just(Duration::ZERO),
    ]
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![
        Just(Reason::Unreachable),
        Just(Reason::ResponseTimeout),
        Just(Reason::ConnectionLost),
        Just(Reason::BrokenAnswer),
        (100..1000_u16).prop_map(Reason::Status),
        Just(Reason::Shutdown),
        Just(Reason::LeaseOver),
    ]
}

fn state() -> impl Strategy<Value = State> {
    let reference = (owner(), 100..1000_u16, any::<bool>());
    let reference = reference.prop_map(|(id, status, retained)| ResponseRef { id, status, retained });
    prop_oneof![
        (owner(), any::<u32>(), any::<bool>()).prop_map(|(owner, n, undecided)| State::Running {
            owner,
            n,
            undecided
        }),
        (owner(), any::<u32>(), reference).prop_map(|(owner, n, response)| State::Completed {
            owner,
            n,
            response
        }),
        (owner(), any::<u32>()).prop_map(|(owner, n)| State::Settled { owner, n }),
        (owner(), any::<u32>(), any::<bool>(), reason(), any::<u64>()).prop_map(
            |(owner, n, undecided, reason, quiet_at)| State::Unknown {
                owner,
                n,
                undecided,
                reason,
                quiet_at: Timestamp(quiet_at)
            }
        ),
        (owner(), any::<u32>(), any::<bool>()).prop_map(|(owner, n, undecided)| State::Cleared {
            owner,
            n,
            undecided
        }),
        (any::<u32>(), any::<bool>()).prop_map(|(n, known)| State::Expired {
            n,
            executed: if known { Executed::Yes } else { Executed::Unknown }
        }),
    ]
}

fn members() -> impl Strategy<Value = MemberChoice> {
    (vec(".*", 0..3), any::<bool>(), any::<bool>()).prop_map(|(pointers, is_only, wildcards)| match is_only {
        true => MemberChoice::only(pointers, wildcards),
        false => MemberChoice::except(pointers, wildcards),
    })
}

fn scheme() -> impl Strategy<Value = Scheme> {
    let sent_as = proptest::option::of(vec(any::<u8>(), 0..5).prop_map(Vec::into_boxed_slice));
    let body = prop_oneof![
        Just(BodyScheme::Raw),
        vec(".*", 0..3).prop_map(|ignore| BodyScheme::Json { ignore }),
        (members(), sent_as).prop_map(|(members, sent_as)| BodyScheme::JsonMembers { members, sent_as }),
        Just(BodyScheme::None),
        members().prop_map(|members| BodyScheme::Form { members }),
        Just(BodyScheme::Multipart),
    ];
    let path = prop_oneof![
        Just(PathScheme::AsSent),
        "(/[a-z{}*]{1,3}){0,3}/".prop_map(|text| PathScheme::Equivalent(Template::new(&text)))
    ];
    (body, vec("[a-z-]+", 0..4), path).prop_map(|(body, headers, path)| Scheme { body, headers, path })
}

fn policy() -> impl Strategy<Value = Policy> {
    let on_unknown = prop_oneof![
        Just(OnUnknown::Hold),
        proptest::option::of(duration()).prop_map(|window| OnUnknown::Retry { window }),
        Just(OnUnknown::Probe),
        Just(OnUnknown::Marker)
    ];
    (on_unknown, duration(), duration(), duration(), duration()).prop_map(
        |(on_unknown, lease, response_timeout, ttl, tombstone_ttl)| Policy {
            on_unknown,
            lease,
            response_timeout,
            ttl,
            tombstone_ttl,
        },
    )
}

fn labels() -> impl Strategy<Value = Labels> {
    vec(("[a-z/~-]{1,9}", "\\PC{1,60}"), 0..6)
        .prop_map(|labels| Labels::stored(labels.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
}

prop_compose! {
    fn doubt()(undecided in any::<bool>(), reason in reason(), quiet_at in any::<u64>()) -> Doubt {
        Doubt { undecided, reason, quiet_at: Timestamp(quiet_at) }
    }
}

prop_compose! {
    fn entry()(
        at in proptest::option::of(any::<u64>()),
        n in any::<u32>(),
        (event, reason, status) in (0..8, reason(), 100..1000_u16),
        (executed, forced) in any::<(bool, bool)>(),
        (by, name) in (0..4, ".*"),
        note in proptest::option::of(".*"),
    ) -> Entry {
        let event = match event {
            0 => Event::Claimed,
            1 => Event::Unknown(reason),
            2 => Event::Released,
            3 => Event::Completed(status),
            4 => Event::Settled { executed },
            5 => Event::Resolved { executed, forced },
            6 => Event::Reopened,
            _ => Event::Deleted,
        };
        let by = match by {
            0 => By::Gateway,
            1 => By::Probe,
            2 => By::Marker,
            _ => By::Operator(name.into()),
        };
        Entry { at: at.map(Timestamp), n, event, by, note: note.map(Into::into) }
    }
}

prop_compose! {
    fn record()(
        (revision, created_at, updated_at) in any::<(u64, u64, u64)>(),
        (namespace, route) in (".*", ".*"),
        scheme in scheme(),
        digest in any::<[u8; 32]>(),
        policy in policy(),
        state in state(),
        kept in proptest::option::of(vec(any::<u8>(), 0..9)),
        doubt in proptest::option::of(doubt()),
        (entries, left_out) in (vec(entry(), 1..40), 0..1000_u32),
        labels in labels(),
    ) -> Record {
        // Version 1 and 2 hold neither.
        let settles = policy.on_unknown != OnUnknown::Hold;
        let state = match state {
            State::Cleared { owner, n, undecided } => State::Cleared { owner, n, undecided: undecided && settles },
            state => state,
        };
        Record {
            revision: Revision(revision),
            namespace: namespace.into(),
            route: route.into(),
            fingerprint: Fingerprint { scheme: Arc::new(scheme), digest },
            policy,
            created_at: Timestamp(created_at),
            updated_at: Timestamp(updated_at),
            state,
            kept: kept.filter(|_| settles).map(Into::into),
            doubt: doubt.map(Box::new),
            history: History::of(entries, left_out),
            labels,
        }
    }
}

prop_compose! {
    fn response()(
        status in 100..1000_u16,
        headers in vec(("[a-z0-9!#$%&'*+.^_`|~-]{1,12}", vec(0x80..=0xff_u8, 0..12)), 0..6),
        body in vec(any::<u8>(), 0..300),
    ) -> StoredResponse {
        StoredResponse {
            status: StatusCode::from_u16(status).expect("in range"),
            headers: headers
                .into_iter()
                .map(|(name, value)| {
                    let name = HeaderName::from_bytes(name.as_bytes()).expect("a token");
                    (name, HeaderValue::from_bytes(&value).expect("opaque bytes"))
                })
                .collect(),
            body: body.into(),
        }
    }
}

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was(record in record()) {
        prop_assert_eq!(decode_record(&encode_record(&record)), Ok(record));
    }

    #[test]
    fn a_response_comes_back_as_it_was(response in response()) {
        prop_assert_eq!(decode_response(&encode_response(&response)), Ok(response));
    }

    /// Bytes that decode are a record that could have been written: it survives another round trip.
    #[test]
    fn damaged_bytes_never_panic(
        record in record(),
        response in response(),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        for mut bytes in [encode_record(&record), encode_response(&response)] {
            let cut = cut.index(bytes.len());
            let _ = (decode_record(&bytes[..cut]), decode_response(&bytes[..cut]));
            let flip = flip.index(bytes.len());
            bytes[flip] ^= 1 << bit;
            if let Ok(other) = decode_record(&bytes) {
                prop_assert_eq!(decode_record(&encode_record(&other)), Ok(other));
            }
            if let Ok(other) = decode_response(&bytes) {
                prop_assert_eq!(decode_response(&encode_response(&other)), Ok(other));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in vec(any::<u8>(), 0..200)) {
        let _ = (decode_record(&bytes), decode_response(&bytes));
        bytes.insert(0, VERSION);
        let _ = (decode_record(&bytes), decode_response(&bytes));
    }

    /// A newer gateway in the same fleet may have added a field.
    #[test]
    fn fields_of_a_newer_gateway_are_skipped(record in record(), response in response()) {
        let field_900 = [0xa2, 0x38, 3, b'n', b'e', b'w'];
        let newer = |mut bytes: Vec<u8>| { bytes.extend(field_900); bytes };
        prop_assert_eq!(decode_record(&newer(encode_record(&record))), Ok(record));
        prop_assert_eq!(decode_response(&newer(encode_response(&response))), Ok(response));
    }
}

/// Returns a record with a plain valid value in every part.
fn plain() -> wire::Record {
    let span = Some(wire::Span { seconds: 1, nanoseconds: 0 });
    wire::Record {
        revision: 1,
        namespace: "ns".into(),
        route: "route".into(),
        scheme: Some(wire::Scheme { body: 1, ..Default::default() }),
        digest: vec![0; 32],
        policy: Some(wire::Policy {
            on_unknown: 1,
            lease: span,
            response_timeout: span,
            ttl: span,
            tombstone_ttl: span,
            window: None,
        }),
        created_at: 1,
        updated_at: 1,
        state: Some(wire::State::Running(wire::Running { owner: vec![0; 16], n: 1, undecided: false })),
        kept: None,
        history: Vec::new(),
        left_out: 0,
        doubt: None,
        labels: Vec::new(),
    }
}

fn with(change: impl FnOnce(&mut wire::Record)) -> Result<Record, Undecodable> {
    let mut record = plain();
    change(&mut record);
    decode_record(&versioned(VERSION, &record))
}

fn with_state(state: wire::State) -> Result<Record, Undecodable> {
    with(|record| record.state = Some(state))
}

#[test]
fn a_part_that_is_missing_or_wrong_is_named() {
    assert!(with(|_| {}).is_ok());
    let unknown = |reason, status| {
        let owner = vec![0; 16];
        wire::State::Unknown(wire::Unknown { owner, n: 1, undecided: false, reason, status, quiet_at: 1 })
    };
    let completed = |status| {
        let (owner, response_id) = (vec![0; 16], vec![0; 16]);
        wire::State::Completed(wire::Completed { owner, n: 1, response_id, status, retained: true })
    };
    assert!(with_state(unknown(5, 503)).is_ok() && with_state(completed(201)).is_ok());
    let long = Some(wire::Span { seconds: 0, nanoseconds: 1_000_000_000 });
    for (named, refused) in [
        ("scheme", with(|record| record.scheme = None)),
        ("body scheme", with(|record| record.scheme = Some(wire::Scheme::default()))),
        ("fingerprint", with(|record| record.digest = vec![0; 31])),
        ("policy", with(|record| record.policy = None)),
        ("policy", with(|record| record.policy = record.policy.map(|p| wire::Policy { on_unknown: 9, ..p }))),
        ("ttl", with(|record| record.policy = record.policy.map(|p| wire::Policy { ttl: None, ..p }))),
        ("lease", with(|record| record.policy = record.policy.map(|p| wire::Policy { lease: long, ..p }))),
        ("state", with(|record| record.state = None)),
        (
            "token",
            with_state(wire::State::Settled(wire::Held { owner: vec![0; 15], n: 1, undecided: false })),
        ),
        ("tombstone", with_state(wire::State::Expired(wire::Expired { n: 1, executed: 0 }))),
        ("reason", with_state(unknown(0, 0))),
        ("reason", with_state(unknown(99, 0))),
        ("status", with_state(unknown(5, 70_000))),
        ("status", with_state(completed(0))),
    ] {
        let error = refused.expect_err(named).to_string();
        assert!(error.contains(named), "{named}: {error}");
    }
}

#[test]
fn what_is_not_our_encoding_is_refused() {
    assert_eq!(decode_record(&[]), Err(Undecodable("it is empty".into())));
    let mut newer = versioned(VERSION, &plain());
    newer[0] = VERSION + 1;
    assert!(decode_record(&newer).expect_err("a newer version").to_string().contains("version is 2"));
    // Field 2, the namespace, as bytes that are not UTF-8.
    assert!(decode_record(&[VERSION, 0x12, 1, 0xff]).expect_err("not UTF-8").to_string().contains("UTF-8"));
}

#[test]
fn a_response_that_could_not_be_sent_is_refused() {
    let response = |status, name: &str, value: &'static [u8]| {
        let header = wire::Header { name: name.into(), value: Bytes::from_static(value) };
        decode_response(&versioned(
            VERSION,
            &wire::Response { status, headers: vec![header], body: Bytes::new() },
        ))
    };
    assert!(response(200, "a", b"\xff").is_ok());
    for (status, name, value) in [
        (99, "a", &b"b"[..]),
        (200, "A", b"b"),
        (200, "", b"b"),
        (200, "a b", b"b"),
        (200, "a", b"b\r\nc: d"),
    ] {
        assert!(response(status, name, value).is_err(), "{status} {name} {value:?}");
    }
}

/// A gateway that does not know a scheme must not take the record for one that it knows.
#[test]
fn a_scheme_has_the_version_of_the_gateways_that_can_compute_it() {
    let with_scheme = |version, scheme: wire::Scheme| {
        decode_record(&versioned(version, &wire::Record { scheme: Some(scheme), ..plain() }))
    };
    let json = || wire::Scheme { body: 2, ..Default::default() };
    let newer = [
        wire::Scheme { body: 3, ..json() },
        wire::Scheme { body: 4, ..json() },
        wire::Scheme { body: 5, ..json() },
        wire::Scheme { only: vec!["/a".into()], ..json() },
        wire::Scheme { ignore: vec!["/*".into()], wildcards: true, ..json() },
    ];
    for scheme in newer {
        for version in 1..4 {
            assert!(with_scheme(version, scheme.clone()).is_err(), "{version} {scheme:?}");
        }
        let record = with_scheme(4, scheme.clone()).expect("a record");
        assert_eq!(encode_record(&record)[0], 4, "{scheme:?}");
        assert!(with_scheme(5, scheme).is_err());
    }
    for scheme in
        [json(), wire::Scheme { any_parameters: true, sent_as: Some(b"a/b;c=d".to_vec()), ..json() }]
    {
        let record = with_scheme(1, scheme.clone()).expect("a record");
        assert_eq!(encode_record(&record)[0], 1, "{scheme:?}");
        assert!(with_scheme(4, scheme).is_err());
    }
    let lists = wire::Scheme { ignore: vec!["/a".into()], only: vec!["/b".into()], ..json() };
    assert!(with_scheme(4, lists).is_err_and(|why| why.to_string().contains("two lists")));
}

/// The scheme as gateways of the first releases know it.
#[derive(Clone, PartialEq, Message)]
struct EarlierScheme {
    #[prost(enumeration = "wire::Body", tag = "1")]
    body: i32,
    #[prost(string, repeated, tag = "2")]
    ignore: Vec<String>,
    #[prost(string, repeated, tag = "3")]
    headers: Vec<String>,
    #[prost(string, tag = "4")]
    template: String,
}

/// An earlier gateway drops what it does not know when it writes a record again. What is left is a scheme
/// under which it has the same digest.
#[test]
fn an_earlier_gateway_reads_json_as_it_makes_it_itself() {
    let ignore = vec!["/at".to_owned(), "/a/0".to_owned()];
    let members = MemberChoice::except(ignore.clone(), false);
    for sent_as in [None, Some(b"a/b; c=d".as_slice().into())] {
        let with = |body| Scheme { body, headers: vec!["content-type".into()], path: PathScheme::AsSent };
        let ours = with(BodyScheme::JsonMembers { members: members.clone(), sent_as });
        let earlier = EarlierScheme::decode(&*scheme_to_wire(&ours).encode_to_vec()).expect("a scheme");
        let again = wire::Scheme::decode(&*earlier.encode_to_vec()).expect("a scheme");
        assert_eq!(scheme_from_wire(again), Ok(with(BodyScheme::Json { ignore: ignore.clone() })));
    }
}

/// Bytes of the first release must stay readable.
#[test]
fn the_encoding_never_changes() {
    let record = decode_record(&versioned(VERSION, &plain())).expect("valid");
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(
        hex(encode_record(&record)),
        [
            "01",                                                                   // version
            "090100000000000000",                                                   // revision
            "12026e73",                                                             // namespace
            "1a05726f757465",                                                       // route
            "22020801",                                                             // scheme
            "2a200000000000000000000000000000000000000000000000000000000000000000", // digest
            "32120801120208011a020801220208012a020801",                             // policy
            "38014001",                                                             // stamps
            "8201140a10000000000000000000000000000000001001",                       // state
        ]
        .concat()
    );
}
