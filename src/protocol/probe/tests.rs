//! The meaning of answers, by odd answers.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::*;

mod urls;

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).expect("a pointer")
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Rules that look for the status of the first payment found.
fn by_search() -> Rules {
    Rules {
        executed: vec![200, 303],
        not_executed: vec![404, 410],
        when: Some(When {
            pointer: pointer("/data/0/status"),
            executed: words(&["succeeded", "7", "true", "1.5"]),
            not_executed: words(&["absent", "canceled", "false"]),
        }),
        response: None,
    }
}

fn judged(rules: &Rules, status: u16, body: &[u8]) -> Answer {
    let status = StatusCode::from_u16(status).expect("a status");
    rules.judge(status, &HeaderMap::new(), &Bytes::copy_from_slice(body))
}

#[test]
fn a_status_decides_where_no_value_does() {
    let rules = Rules { executed: vec![200, 500], not_executed: vec![404], ..Rules::default() };
    for (status, answer) in [
        (200, Answer::Executed(None)),
        (500, Answer::Executed(None)),
        (404, Answer::NotExecuted),
        (201, Answer::Undecided),
        (301, Answer::Undecided),
        (401, Answer::Undecided),
        (429, Answer::Undecided),
        (503, Answer::Undecided),
    ] {
        assert_eq!(judged(&rules, status, b"not JSON"), answer, "{status}");
    }
}

#[test]
fn a_status_of_not_executed_comes_first() {
    let found = br#"{"data":[{"status":"succeeded"}]}"#;
    assert_eq!(judged(&by_search(), 404, found), Answer::NotExecuted);
    let both = Rules { not_executed: vec![200], ..by_search() };
    assert_eq!(judged(&both, 200, found), Answer::NotExecuted);
}

#[test]
fn a_value_alone_decides_a_success_and_nothing_else() {
    let found = br#"{"data":[{"status":"succeeded"}]}"#;
    let absent = br#"{"data":[]}"#;
    for (status, body, answer) in [
        (200, &found[..], Answer::Executed(None)),
        (206, found, Answer::Executed(None)),
        (200, absent, Answer::NotExecuted),
        (299, absent, Answer::NotExecuted),
        (303, absent, Answer::Executed(None)),
        (302, absent, Answer::Undecided),
        (400, found, Answer::Undecided),
        (500, found, Answer::Undecided),
        (500, absent, Answer::Undecided),
    ] {
        assert_eq!(judged(&by_search(), status, body), answer, "{status} {body:?}");
    }
}

#[test]
fn a_value_in_neither_list_decides_nothing() {
    let executed = Answer::Executed(None);
    for (body, answer) in [
        (r#"{"data":[{"status":"succeeded"}]}"#, executed.clone()),
        (r#" { "x" : "}]\"" , "data" : [ { "status" : "succeeded" } ] } "#, executed.clone()),
        (r#"{"data":[{"status":"succ\u0065eded"}]}"#, executed.clone()),
        (r#"{"d\u0061ta":[{"status":"succeeded"}]}"#, executed.clone()),
        (r#"{"data":[{"status":7}]}"#, executed.clone()),
        (r#"{"data":[{"status":true}]}"#, executed.clone()),
        (r#"{"data":[{"status":1.5}]}"#, executed.clone()),
        (r#"{"data":[{"status":"canceled"},{"status":"succeeded"}]}"#, Answer::NotExecuted),
        (r#"{"data":[{"status":false}]}"#, Answer::NotExecuted),
        (r#"{"data":[]}"#, Answer::NotExecuted),
        (r#"{"data":null}"#, Answer::Undecided),
        (r#"{"data":[null]}"#, Answer::Undecided),
        (r#"{"data":[{"status":null}]}"#, Answer::Undecided),
        (r#"{"data":[{}]}"#, Answer::Undecided),
        (r"{}", Answer::Undecided),
        (r#"{"error":"shard unavailable"}"#, Answer::Undecided),
        (r"null", Answer::Undecided),
        (r#"{"data":[{"status":"pending"}]}"#, Answer::Undecided),
        (r#"{"data":[{"status":"Succeeded"}]}"#, Answer::Undecided),
        (r#"{"data":[{"status":""}]}"#, Answer::Undecided),
        (r#"{"data":[{"status":["succeeded"]}]}"#, Answer::Undecided),
        (r#"{"data":[{"status":{}}]}"#, Answer::Undecided),
        (r#"{"data":[{"status":7.0}]}"#, Answer::Undecided),
        (r#"{"data":[{"status":15e-1}]}"#, Answer::Undecided),
        (r#"{"data":"succeeded"}"#, Answer::Undecided),
        (r#"{"data":[[]]}"#, Answer::Undecided),
        (r#"{"data":[{"status":"canceled","status":"succeeded"}]}"#, Answer::Undecided),
        (r#"{"data":[],"data":[{"status":"succeeded"}]}"#, Answer::Undecided),
        (r#"{"data":[],"d\u0061ta":[]}"#, Answer::Undecided),
        ("[]", Answer::Undecided),
        ("\"succeeded\"", Answer::Undecided),
        ("", Answer::Undecided),
        ("<html>", Answer::Undecided),
        (r#"{"data":[{"status":"succeeded"}]"#, Answer::Undecided),
        (r#"{"data":[{"status":"succeeded"}]} {}"#, Answer::Undecided),
        ("\u{feff}{\"data\":[]}", Answer::Undecided),
        (r#"{"data":[],}"#, Answer::Undecided),
    ] {
        assert_eq!(judged(&by_search(), 200, body.as_bytes()), answer, "{body}");
    }
    assert_eq!(judged(&by_search(), 200, b"{\"data\":[],\"x\":\"\xff\"}"), Answer::Undecided);
}

#[test]
fn a_response_is_the_body_or_a_part_of_it() {
    let rules =
        |response: &str| Rules { executed: vec![200], response: Some(pointer(response)), ..Rules::default() };
    let body = br#"{"data":[{"id": 12345678901234567890.10,  "b":"\u00e9"}], "none": null}"#;
    let stored = |rules: &Rules, headers: &HeaderMap, body: &'static [u8]| {
        let Answer::Executed(Some(response)) =
            rules.judge(StatusCode::OK, headers, &Bytes::from_static(body))
        else {
            return None;
        };
        assert_eq!(response.status, StatusCode::OK);
        let types = response.headers.iter();
        let types: Vec<_> = types.map(|(name, value)| (name.clone(), value.clone())).collect();
        Some((types, String::from_utf8_lossy(&response.body).into_owned()))
    };
    let json = vec![(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let of_upstream =
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/vnd.api+json"))]);
    let part = |text: &str| stored(&rules(text), &of_upstream, body);
    let spelled = r#"{"id": 12345678901234567890.10,  "b":"\u00e9"}"#;
    assert_eq!(part("/data/0"), Some((json.clone(), spelled.to_owned())));
    assert_eq!(part("/data/0/b"), Some((json, r#""\u00e9""#.to_owned())));
    for missing in ["/data/1", "/none", "/data/0/c", "/data/00", "/data/-", "/data/x", "/data/0/b/c"] {
        assert_eq!(part(missing), None, "{missing}");
    }
    let whole = |headers: &HeaderMap, body| stored(&rules(""), headers, body);
    let kept = of_upstream.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    assert_eq!(whole(&of_upstream, b"any text"), Some((kept, "any text".to_owned())));
    assert_eq!(whole(&HeaderMap::new(), b"any text"), Some((Vec::new(), "any text".to_owned())));
    assert_eq!(whole(&HeaderMap::new(), b""), None, "there is no response");
    let zipped = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("gzip"))]);
    assert_eq!(whole(&zipped, b"\x1f\x8b"), None);
    assert_eq!(stored(&rules("/data"), &of_upstream, b"no JSON"), None);
}

#[test]
fn a_response_that_is_not_there_leaves_the_outcome_unknown() {
    let rules = Rules { response: Some(pointer("/data/0/receipt")), ..by_search() };
    let body = br#"{"data":[{"status":"succeeded"}]}"#;
    assert_eq!(judged(&rules, 200, body), Answer::Undecided);
    assert_eq!(judged(&rules, 303, body), Answer::Undecided);
    assert_eq!(judged(&rules, 200, br#"{"data":[]}"#), Answer::NotExecuted);
}

#[test]
fn pointers_follow_their_standard() {
    // The examples of RFC 6901, section 5.
    let text =
        r#"{"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8}"#;
    let document = Document::parse(text.as_bytes()).expect("JSON");
    for (path, json) in [
        ("", text),
        ("/foo", r#"["bar","baz"]"#),
        ("/foo/0", "\"bar\""),
        ("/", "0"),
        ("/a~1b", "1"),
        ("/c%d", "2"),
        ("/e^f", "3"),
        ("/g|h", "4"),
        ("/i\\j", "5"),
        ("/k\"l", "6"),
        ("/ ", "7"),
        ("/m~0n", "8"),
    ] {
        match document.at(&pointer(path)) {
            Found::Value(value) => assert_eq!(value.json(), json, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
    let escaped = Document::parse(br#"{"~1":{"~":1}}"#).expect("JSON");
    assert!(matches!(escaped.at(&pointer("/~01/~0")), Found::Value(_)));
    for (path, why) in [("a", "without the /"), ("/~", "neither"), ("/~2", "neither"), ("/a~", "neither")] {
        assert!(Pointer::parse(path).is_err_and(|error| error.contains(why)), "{path}");
    }
}

/// Nesting as deep as a body can be must not exhaust the stack.
#[test]
fn deep_nesting_is_read() {
    let deep = "[".repeat(200_000) + &"]".repeat(200_000);
    let body = format!(r#"{{"deep":{deep},"status":"done"}}"#);
    let document = Document::parse(body.as_bytes()).expect("JSON");
    let Found::Value(status) = document.at(&pointer("/status")) else { panic!("it is there") };
    assert_eq!(status.text().as_deref(), Some("done"));
}
