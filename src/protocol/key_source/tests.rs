//! Sources of keys, by requests that have one, none, or something else in its place.

use http::HeaderValue;
use http::header::CONTENT_TYPE;

use super::*;

fn header(name: &'static str) -> KeyPlace {
    KeyPlace::Header(HeaderName::from_static(name))
}

fn members(texts: &[&str]) -> KeyPlace {
    KeyPlace::Members(texts.iter().map(|text| Pointer::parse(text).expect("a pointer")).collect())
}

fn source(places: Vec<KeyPlace>) -> KeySource {
    KeySource::first(places).expect("a place")
}

fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers: HeaderMap = lines
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// Returns the key that a source finds, with the header that it comes from, or the rule that is broken.
fn found(
    source: &KeySource,
    lines: &[(&'static str, &'static str)],
    body: &str,
) -> Result<Option<(String, Option<String>)>, InvalidKey> {
    match source.find(&headers(lines), Some(body.as_bytes())) {
        Ok(KeySearch::Found(found)) => {
            let header = source.header_at(found.place).map(ToString::to_string);
            Ok(Some((found.key.as_str().to_owned(), header)))
        }
        Ok(KeySearch::Absent) => Ok(None),
        Ok(KeySearch::InBody) => panic!("the body is there"),
        Err(refusal) => Err(refusal.why),
    }
}

#[test]
fn the_first_place_that_is_there_decides() {
    let source = source(vec![header("x-event-id"), members(&["/id"]), header("x-late")]);
    let from = |key: &str, header: Option<&str>| Ok(Some((key.to_owned(), header.map(str::to_owned))));
    let (event, late) = (("x-event-id", "e-1"), ("x-late", "l-1"));
    let body = "{\"id\":\"b-1\"}";
    assert_eq!(found(&source, &[event, late], body), from("e-1", Some("x-event-id")));
    assert_eq!(found(&source, &[late], body), from("b-1", None));
    assert_eq!(found(&source, &[late], "{}"), from("l-1", Some("x-late")));
    assert_eq!(found(&source, &[], "{}"), Ok(None));
    assert_eq!(found(&source, &[], ""), Ok(None));
    // A place that is there is the key's, although its value is none.
    assert_eq!(found(&source, &[("x-event-id", "")], body), Err(InvalidKey::Empty));
    assert_eq!(found(&source, &[("x-event-id", "a,b")], body), Err(InvalidKey::List));
    assert_eq!(found(&source, &[late], "{\"id\":null}"), Err(InvalidKey::Null));
    assert_eq!(found(&source, &[late], "{\"id\":\"\"}"), Err(InvalidKey::Empty));
    assert_eq!(found(&source, &[late], "{\"id\":{}}"), Err(InvalidKey::NoText));
    assert_eq!(found(&source, &[late], "no JSON"), Err(InvalidKey::Body(Unreadable::NotJson)));
    assert_eq!(found(&source, &[event], "no JSON"), from("e-1", Some("x-event-id")));
}

#[test]
fn without_a_body_the_search_ends_at_the_first_place_in_it() {
    let source = source(vec![header("x-event-id"), members(&["/id"]), header("x-late")]);
    let search = |lines: &[_]| source.find(&headers(lines), None).map_err(|refusal| refusal.why);
    assert_eq!(search(&[("x-late", "l-1")]), Ok(KeySearch::InBody));
    assert_eq!(search(&[("x-event-id", "")]), Err(InvalidKey::Empty));
    assert!(matches!(search(&[("x-event-id", "e-1")]), Ok(KeySearch::Found(_))));
    let only = KeySource::header(HeaderName::from_static("x-event-id"));
    assert_eq!(only.find(&HeaderMap::new(), None), Ok(KeySearch::Absent));
}

#[test]
fn several_members_are_there_together_or_not_at_all() {
    let source = source(vec![members(&["/merchant", "/order"])]);
    let key = |body| found(&source, &[], body).map(|found| found.map(|(key, _)| key));
    assert_eq!(key("{\"merchant\":\"m\",\"order\":17}"), Ok(Some("m:17".into())));
    assert_eq!(key("{\"order\":\"17\",\"merchant\":\"m\"}"), Ok(Some("m:17".into())));
    assert_ne!(key("{\"merchant\":\"a:b\",\"order\":\"c\"}"), key("{\"merchant\":\"a\",\"order\":\"b:c\"}"));
    assert_eq!(key("{}"), Ok(None));
    for (body, why) in [
        ("{\"merchant\":\"m\"}", InvalidKey::Incomplete),
        ("{\"order\":1}", InvalidKey::Incomplete),
        ("{\"merchant\":null,\"order\":1}", InvalidKey::Null),
        ("{\"merchant\":\"m\",\"order\":1.5}", InvalidKey::NoText),
        ("{\"merchant\":\"m\",\"order\":\"\"}", InvalidKey::Empty),
        ("{\"merchant\":\"m\",\"order\":1,\"order\":1}", InvalidKey::Unclear),
    ] {
        assert_eq!(key(body), Err(why), "{body}");
    }
}

#[test]
fn a_source_is_written_as_the_configuration_writes_it() {
    let id = || members(&["/id"]);
    for (places, text) in [
        (vec![header("x-event-id")], "{ header = \"x-event-id\" }"),
        (vec![id()], "{ json = \"/id\" }"),
        (vec![members(&["/merchant", "/order"])], "{ json = [\"/merchant\", \"/order\"] }"),
        (vec![header("x-event-id"), id()], "{ first = [{ header = \"x-event-id\" }, { json = \"/id\" }] }"),
        (vec![members(&["/a\"b\\c"])], "{ json = \"/a\\\"b\\\\c\" }"),
    ] {
        let source = source(places);
        assert_eq!(source.to_string(), text);
        assert!(format!("key = {source}").parse::<toml::Table>().is_ok(), "{source}");
    }
    let source = source(vec![header("x-event-id"), id(), members(&["/a", "/b", "/c"])]);
    let words =
        "the x-event-id header or the member /id of the body or the members /a, /b and /c of the body";
    assert_eq!(source.in_words(), words);
    assert_eq!(KeySource::first(Vec::new()), None);
    assert_eq!(KeySource::first(vec![id(); MOST + 1]), None);
}

#[test]
fn a_refusal_names_its_place_and_never_the_value() {
    let source = source(vec![members(&["/merchant", "/order"])]);
    let body = b"{\"merchant\":\"hush hush\",\"order\":1}";
    let refusal = source.find(&headers(&[]), Some(body)).expect_err("a space").to_string();
    assert!(refusal.starts_with("/merchant, /order: a key holds") && !refusal.contains("hush"), "{refusal}");
}

#[test]
fn a_member_in_other_letters_is_no_key_and_does_not_pass_either() {
    let one = source(vec![members(&["/id"]), header("x-late")]);
    for lines in [&[][..], &[("x-late", "l-1")]] {
        assert_eq!(found(&one, lines, "{\"ID\":\"a\"}"), Err(InvalidKey::OtherCase));
    }
    assert!(matches!(found(&one, &[], "{\"ID\":\"a\",\"id\":\"b\"}"), Ok(Some((key, None))) if key == "b"));
    assert_eq!(found(&one, &[], "{\"order\":{\"ID\":\"a\"}}"), Ok(None));
    let joined = source(vec![members(&["/merchant", "/order"])]);
    assert_eq!(found(&joined, &[], "{\"Order\":1}"), Err(InvalidKey::OtherCase));
    // A source that names both spellings reads both.
    let both = source(vec![members(&["/id"]), members(&["/ID"])]);
    assert!(matches!(found(&both, &[], "{\"ID\":\"a\"}"), Ok(Some((key, None))) if key == "a"));
    assert_eq!(found(&both, &[], "{\"order\":1}"), Ok(None));
}
