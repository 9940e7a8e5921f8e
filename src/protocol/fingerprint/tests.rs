//! The parts of a request that count under each scheme.

use http::{HeaderMap, Method};

use super::*;
use crate::protocol::path::Template;

fn of(body: &str, scheme: BodyScheme) -> [u8; 32] {
    let headers = HeaderMap::new();
    let request = RequestParts {
        method: &Method::POST,
        path: "/v1/charges",
        query: None,
        headers: &headers,
        body: body.as_bytes(),
    };
    Fingerprint::of(
        request,
        &Arc::new(Scheme { body: scheme, headers: Vec::new(), path: PathScheme::AsSent }),
    )
    .digest
}

fn json(body: &str) -> [u8; 32] {
    of(body, BodyScheme::Json { ignore: vec!["/sent_at".into(), "/meta/try".into()] })
}

#[test]
fn spelling_does_not_count_as_json_and_does_as_raw() {
    let (one, other) = (r#"{"a":1,"b":"é"}"#, "{ \"b\": \"\\u00e9\", \"a\": 1.0 }");
    assert_eq!(json(one), json(other));
    assert_ne!(of(one, BodyScheme::Raw), of(other, BodyScheme::Raw));
}

#[test]
fn ignored_members_do_not_count() {
    assert_eq!(json(r#"{"a":1,"sent_at":1}"#), json(r#"{"a":1,"sent_at":2}"#));
    assert_eq!(json(r#"{"a":1,"meta":{"try":1}}"#), json(r#"{"a":1,"meta":{}}"#));
    assert_ne!(json(r#"{"a":1,"sent_at":1}"#), json(r#"{"a":2,"sent_at":1}"#));
}

#[test]
fn amounts_that_a_double_cannot_tell_apart_stay_apart() {
    for (one, other) in [
        ("9007199254740992", "9007199254740993"),
        ("0.1", "0.1000000000000000055511151231257827"),
        ("1e-400", "0"),
        ("90071992547409.921", "90071992547409.922"),
    ] {
        let body = |amount| format!(r#"{{"amount":{amount}}}"#);
        assert_ne!(json(&body(one)), json(&body(other)), "{one} {other}");
    }
}

#[test]
fn a_member_named_twice_is_not_dropped() {
    assert_ne!(json(r#"{"amount":1,"amount":2}"#), json(r#"{"amount":2}"#));
    assert_ne!(json(r#"{"a":[{"b":1,"b":2}]}"#), json(r#"{"a":[{"b":2}]}"#));
}

#[test]
fn every_part_of_the_request_counts() {
    let headers = vec!["content-type".into()];
    let scheme = Scheme { body: BodyScheme::Raw, headers, path: PathScheme::AsSent };
    let scheme = Arc::new(scheme);
    let mut typed = HeaderMap::new();
    typed.insert("content-type", http::HeaderValue::from_static("application/json"));
    let plain = HeaderMap::new();
    let (method, headers) = (&Method::POST, &plain);
    let base = RequestParts { method, path: "/a", query: None, headers, body: b"" };
    let others = [
        RequestParts { method: &Method::PATCH, ..base },
        RequestParts { path: "/b", ..base },
        RequestParts { query: Some(""), ..base },
        RequestParts { headers: &typed, ..base },
        RequestParts { body: b"x", ..base },
    ];
    let path = PathScheme::Equivalent(Template::new("/a"));
    let folding = Arc::new(Scheme { path, ..Scheme::clone(&scheme) });
    for other in others {
        for scheme in [&scheme, &folding] {
            assert_ne!(Fingerprint::of(base, scheme), Fingerprint::of(other, scheme));
        }
    }
    let spelled = RequestParts { path: "//A/", ..base };
    assert_ne!(Fingerprint::of(base, &scheme), Fingerprint::of(spelled, &scheme));
    assert_eq!(Fingerprint::of(base, &folding), Fingerprint::of(spelled, &folding));
}

/// Returns a request to one path with these headers.
fn fingerprint(headers: &[(&str, &str)], body: &str, scheme: &Arc<Scheme>, first: bool) -> Fingerprint {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).expect("a name");
        map.append(name, value.parse().expect("a value"));
    }
    let request = RequestParts {
        method: &Method::POST,
        path: "/v1/charges",
        query: None,
        headers: &map,
        body: body.as_bytes(),
    };
    match first {
        true => Fingerprint::of(request, scheme),
        false => Fingerprint::under(request, scheme),
    }
}

fn scheme(body: BodyScheme) -> Arc<Scheme> {
    let headers = vec!["content-type".into(), "content-encoding".into()];
    Arc::new(Scheme { body, headers, path: PathScheme::AsSent })
}

fn json_members(pointers: &[&str], is_only: bool) -> Arc<Scheme> {
    let pointers: Vec<String> = pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
    let members = match is_only {
        true => MemberChoice::only(pointers, false),
        false => MemberChoice::except(pointers, false),
    };
    scheme(BodyScheme::JsonMembers { members, sent_as: None })
}

/// Tells whether a retry is the same request as the first attempt of a record.
fn is_same(scheme: &Arc<Scheme>, first: (&[(&str, &str)], &str), retry: (&[(&str, &str)], &str)) -> bool {
    let record = fingerprint(first.0, first.1, scheme, true);
    let at_route = fingerprint(retry.0, retry.1, scheme, true);
    let under = fingerprint(retry.0, retry.1, &record.scheme, false);
    assert_eq!(under.scheme, record.scheme);
    // A fingerprint that is already comparable stays the same.
    assert!(at_route.scheme != record.scheme || at_route == under);
    under == record
}

const TYPES: [&str; 5] = [
    "application/json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "Application/JSON",
    "application/json ; a=\"b;c\"",
];

#[test]
fn parameters_of_the_media_type_do_not_count_as_json() {
    let members: [Arc<Scheme>; 3] =
        [json_members(&[], false), json_members(&["/at"], false), json_members(&["/a"], true)];
    for scheme in members {
        for first in TYPES {
            for retry in TYPES {
                let [first, retry] = [[("content-type", first)], [("content-type", retry)]];
                assert!(
                    is_same(&scheme, (&first, "{\"a\":1}"), (&retry, "{ \"a\": 1.0 }")),
                    "{first:?} {retry:?}"
                );
                assert!(
                    !is_same(&scheme, (&first, "{\"a\":1}"), (&retry, "{\"a\":2}")),
                    "{first:?} {retry:?}"
                );
            }
            for other in
                ["application/vnd.api+json", "text/json; charset=utf-8", "application/json, a/b", "json", ""]
            {
                let [first, other] = [[("content-type", first)], [("content-type", other)]];
                assert!(
                    !is_same(&scheme, (&first, "{\"a\":1}"), (&other, "{\"a\":1}")),
                    "{first:?} {other:?}"
                );
                assert!(
                    !is_same(&scheme, (&other, "{\"a\":1}"), (&first, "{\"a\":1}")),
                    "{first:?} {other:?}"
                );
            }
            let (one, none) = ([("content-type", first)], []);
            let twice = [("content-type", first), ("content-type", first)];
            assert!(!is_same(&scheme, (&one, "{\"a\":1}"), (&none, "{\"a\":1}")));
            assert!(!is_same(&scheme, (&one, "{\"a\":1}"), (&twice, "{\"a\":1}")));
            assert!(!is_same(&scheme, (&twice, "{\"a\":1}"), (&one, "{\"a\":1}")));
        }
    }
}

/// A gateway of the first releases takes what it does not know of a scheme for absent. It must find the same
/// digest for the same request, and so must this gateway under a record of such a gateway.
#[test]
fn the_first_releases_make_and_read_the_same_digest() {
    let ignore = vec!["/at".to_owned()];
    let first_release = scheme(BodyScheme::Json { ignore: ignore.clone() });
    let long = format!("application/json; a={}", "b".repeat(300));
    for media_type in TYPES.into_iter().chain(["text/plain; charset=utf-8", "json", &long]) {
        let headers = [("content-type", media_type)];
        let bodies = ["{\"a\":1,\"at\":2}", "{\"a\":1764400000000000001}", "no json"];
        for body in bodies {
            let theirs = fingerprint(&headers, body, &first_release, false);
            let ours = fingerprint(&headers, body, &json_members(&["/at"], false), true);
            assert_eq!(ours.digest, theirs.digest, "{media_type} {body}");
            assert!(ours.scheme.is_first_releases());
            assert_eq!(fingerprint(&headers, body, &theirs.scheme, false), theirs);
        }
    }
    let headers = [("content-type", &*long)];
    assert_eq!(fingerprint(&headers, "{}", &json_members(&["/at"], false), true).scheme, first_release);
}

/// A route that does not count the media type, or a request that has its usual spelling, needs no scheme of
/// its own.
#[test]
fn a_usual_media_type_costs_no_scheme() {
    let without =
        Arc::new(Scheme { headers: vec!["x-a".into()], ..Scheme::clone(&json_members(&[], false)) });
    for (scheme, media_type) in [(&without, TYPES[1]), (&json_members(&[], false), TYPES[0])] {
        let made = fingerprint(&[("content-type", media_type)], "{}", scheme, true);
        assert!(Arc::ptr_eq(&made.scheme, scheme));
    }
}

#[test]
fn a_body_that_does_not_count_leaves_the_rest_to_count() {
    let none = scheme(BodyScheme::None);
    let [json, text] = [[("content-type", "application/json")], [("content-type", "text/plain")]];
    assert!(is_same(&none, (&json, "{\"a\":1}"), (&json, "{\"a\":2}")));
    assert!(!is_same(&none, (&json, "{\"a\":1}"), (&text, "{\"a\":1}")));
    assert!(!is_same(&none, (&json, ""), (&[("content-type", TYPES[1])], "")));
}

#[test]
fn a_form_is_a_form_only_under_its_media_type() {
    let form = scheme(BodyScheme::Form { members: MemberChoice::except(vec!["/at".into()], false) });
    let sent = [("content-type", "application/x-www-form-urlencoded")];
    let with_charset = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let gzip = [sent[0], ("content-encoding", "gzip")];
    let identity = [sent[0], ("content-encoding", "Identity")];
    assert!(is_same(&form, (&sent, "a=1&b=2&at=1"), (&with_charset, "b=2&a=1")));
    assert!(is_same(&form, (&identity, "a=1&b=2"), (&identity, "b=2&a=1")));
    for headers in [&[][..], &[("content-type", "text/plain")], &gzip, &[sent[0], sent[0]]] {
        assert!(!is_same(&form, (headers, "a=1&b=2"), (headers, "b=2&a=1")), "{headers:?}");
        assert!(is_same(&form, (headers, "a=1&b=2"), (headers, "a=1&b=2")), "{headers:?}");
    }
    for (one, other) in
        [("{\"a\":\"1+1\"}", "{\"a\":\"1%201\"}"), ("a=1;b=2", "a=1%3Bb=2"), ("a=%zz", "a=%25zz")]
    {
        assert!(!is_same(&form, (&sent, one), (&sent, other)), "{one} {other}");
        assert!(is_same(&form, (&sent, one), (&with_charset, one)), "{one}");
    }
}

#[test]
fn a_multipart_body_counts_without_its_boundary() {
    let multipart = scheme(BodyScheme::Multipart);
    let body = |boundary: &str, amount: u32| {
        let head = "Content-Disposition: form-data; name=\"amount\"";
        format!("--{boundary}\r\n{head}\r\n\r\n{amount}\r\n--{boundary}--\r\n")
    };
    let [one, other] = ["multipart/form-data; boundary=one", "multipart/form-data; boundary=\"other\""];
    let [one, other] = [[("content-type", one)], [("content-type", other)]];
    assert!(is_same(&multipart, (&one, &body("one", 1)), (&other, &body("other", 1))));
    assert!(!is_same(&multipart, (&one, &body("one", 1)), (&other, &body("other", 2))));
    // A body that has other boundaries than its media type says counts with all its bytes.
    assert!(!is_same(&multipart, (&one, &body("x", 1)), (&other, &body("x", 1))));
    assert!(is_same(&multipart, (&one, &body("x", 1)), (&one, &body("x", 1))));
    let gzip = |headers: [(&'static str, &'static str); 1]| [headers[0], ("content-encoding", "gzip")];
    assert!(!is_same(&multipart, (&gzip(one), &body("one", 1)), (&gzip(other), &body("other", 1))));
}
