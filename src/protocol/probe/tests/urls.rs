//! The URL of a probe: good and bad templates, the values that are taken, and URLs that stay what the
//! template says.

use proptest::prelude::*;

use super::super::{HeaderMap, UrlTemplate, Values};

const BASE: &str = "http://pay.internal:9000";

fn template(rest: &str) -> UrlTemplate {
    UrlTemplate::parse(&format!("{BASE}{rest}")).unwrap_or_else(|why| panic!("{rest}: {why}"))
}

/// Returns the URL for a request, without the origin.
fn filled(rest: &str, key: &str, body: &str) -> Option<String> {
    let template = template(rest);
    let uri = template.fill(&template.values(key, &HeaderMap::new(), body.as_bytes()), "id:3")?;
    assert_eq!(
        (uri.scheme_str(), uri.authority().map(|authority| authority.as_str())),
        (Some("http"), Some("pay.internal:9000"))
    );
    uri.path_and_query().map(ToString::to_string)
}

#[test]
fn values_are_one_component_each() {
    let body = r#"{"id":"a/b?c#d&e=f","n":42,"big":123456789012345678901234567890,"ok":true,"half":0.5,
        "l":[{"x~y":"é"}]}"#;
    for (rest, url) in [
        ("/charges?key={key}", "/charges?key=k%2F1"),
        ("?key={key}", "/?key=k%2F1"),
        ("/charges/{key}/state", "/charges/k%2F1/state"),
        ("/x/{key}-{key}", "/x/k%2F1-k%2F1"),
        ("/x?e={execution}", "/x?e=id%3A3"),
        ("/x/{body:/id}", "/x/a%2Fb%3Fc%23d%26e%3Df"),
        ("/x/{body:/n}?y={body:/big}", "/x/42?y=123456789012345678901234567890"),
        ("/x/{body:/ok}/{body:/half}", "/x/true/0.5"),
        ("/x?q={body:/l/0/x~0y}&z=%20", "/x?q=%C3%A9&z=%20"),
    ] {
        assert_eq!(filled(rest, "k/1", body).as_deref(), Some(url), "{rest}");
    }
}

#[test]
fn a_value_that_is_missing_asks_nothing() {
    let body = format!(
        r#"{{"null":null,"list":[1],"object":{{}},"empty":"","long":"{}","fits":"{}","exp":1e3,"twice":1,"twice":2,
        "zero":-0,"lone":"\ud800","tail":1.50}}"#,
        "x".repeat(257),
        "x".repeat(256),
    );
    for member in [
        "none", "null", "list", "object", "empty", "long", "exp", "twice", "zero", "lone", "tail", "list/1",
        "fits/x",
    ] {
        assert_eq!(filled(&format!("/x?v={{body:/{member}}}"), "key", &body), None, "{member}");
    }
    assert!(filled("/x?v={body:/fits}", "key", &body).is_some());
    assert!(filled("/x?v={body:/list/0}", "key", &body).is_some());
    for body in ["", "no JSON", "[1,2", "{\"a\":1}{\"a\":2}", "a=1"] {
        assert_eq!(filled("/x?v={body:/a}", "key", body), None, "{body}");
        assert!(filled("/x?v={key}", "key", body).is_some(), "{body}");
    }
    assert_eq!(filled("/x?v={key}", &"k".repeat(257), ""), None);
}

#[test]
fn a_value_never_leads_to_another_path() {
    for value in [".", ".."] {
        assert_eq!(filled("/charges/{key}", value, ""), None, "{value}");
        assert_eq!(filled("/charges/{key}/state", value, ""), None, "{value}");
        assert_eq!(filled("/charges?key={key}", value, ""), Some(format!("/charges?key={value}")));
    }
    assert_eq!(filled("/charges/.{key}", ".", ""), None);
    assert_eq!(filled("/charges/{key}{key}", ".", ""), None);
    assert_eq!(filled("/charges/%2E{key}", ".", ""), None);
    assert_eq!(filled("/charges/{key}", "...", "").as_deref(), Some("/charges/..."));
    assert_eq!(filled("/charges/{key}", "%2e", "").as_deref(), Some("/charges/%252e"));
}

#[test]
fn only_what_is_needed_is_taken() {
    let taken = |rest: &str| {
        let values = template(rest).values("k", &HeaderMap::new(), br#"{"a":1,"b":2}"#).0;
        values.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(taken("/x?k={key}&b={body:/b}&k2={key}"), "body:/b=2 key=k");
    assert_eq!(taken("/x?e={execution}"), "");
    assert_eq!(taken("/x?b={body:/none}"), "");
    assert!(template("/{body:/a}").needs_body() && !template("/{key}").needs_body());
    assert!(template("/{execution}").names_execution() && !template("/{key}").names_execution());
    assert_eq!(template("/{key}/{execution}?{key}={body:/a}").placeholders(), ["body:/a", "key"]);
}

#[test]
fn values_of_a_form_are_named_as_those_of_a_document() {
    let form = "application/x-www-form-urlencoded";
    let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, http::HeaderValue::from_static(form))]);
    let taken = |rest: &str, body: &str| template(rest).values("k", &headers, body.as_bytes()).0;
    let values = taken("/x?o={body:/metadata/order}&n={body:/none}", "metadata[order]=o+17&amount=1");
    assert_eq!(values.into_iter().collect::<Vec<_>>(), [("body:/metadata/order".into(), "o 17".into())]);
    for unclear in ["order=1&order=2", "order=", "order[id]=1"] {
        assert!(taken("/x?o={body:/order}", unclear).is_empty(), "{unclear}");
    }
}

/// The configuration may change between a claim and the question.
#[test]
fn a_value_fills_no_other_placeholder() {
    let values = template("/x?k={key}").values("k", &HeaderMap::new(), b"");
    assert!(template("/y/{key}").fill(&values, "id:1").is_some());
    assert_eq!(template("/x?k={body:/id}").fill(&values, "id:1"), None);
    assert_eq!(template("/x?k={key}&b={body:/id}").fill(&values, "id:1"), None);
    assert_eq!(template("/x?k={key}").fill(&Values::default(), "id:1"), None);
}

#[test]
fn a_template_that_is_none_is_refused_with_a_reason() {
    for (text, why) in [
        ("", "http://"),
        ("ftp://h/{key}", "http://"),
        ("//h/{key}", "http://"),
        ("HTTP://h/{key}", "http://"),
        ("http:///{key}", "host or port"),
        ("http://h:0/{key}", "host or port"),
        ("http://h:/{key}", "host or port"),
        ("http://h:65536/{key}", "host or port"),
        ("http://h h/{key}", "host or port"),
        ("http://me:hush@h/{key}", "a user"),
        ("http://{key}/x", "in the host"),
        ("http://h{key}/x", "in the host"),
        ("http://h:{key}/x", "in the host"),
        ("http://h/{Key}", "allowed: {key}, {execution} and {body:/json/pointer}"),
        ("http://h/{hush}", "allowed: {key}"),
        ("http://h/{}", "allowed: {key}"),
        ("http://h/{body:}", "allowed: {key}"),
        ("http://h/{body}", "allowed: {key}"),
        ("http://h/{body:hush}", "without the /"),
        ("http://h/{body:/a~2}", "neither"),
        ("http://h/{{key}}", "allowed: {key}"),
        ("http://h/{key", "without its }"),
        ("http://h/key}", "without its {"),
        ("http://h/{key}#hush", "a fragment"),
        ("http://h#hush", "a fragment"),
        ("http://h/a b/{key}", "%XX"),
        ("http://h/é/{key}", "%XX"),
        ("http://h/a\n{key}", "%XX"),
        ("http://h/../{key}", "segment"),
        ("http://h/%2e%2E/{key}", "segment"),
        ("http://h/./{key}", "segment"),
        ("http://h/{key}{key}{key}{key}{key}{key}{key}{key}{key}", "more than 8"),
    ] {
        match UrlTemplate::parse(text) {
            Ok(_) => panic!("{text} was taken"),
            Err(error) => assert!(error.contains(why) && !error.contains("hush"), "{text}: {error}"),
        }
    }
    assert!(
        UrlTemplate::parse(&format!("http://h/{}", "x".repeat(2048))).is_err_and(|why| why.contains("2048"))
    );
}

#[test]
fn a_template_shows_no_credential() {
    let template = template("/hush?token=hush&k={key}");
    let values = template.values("hush", &HeaderMap::new(), b"");
    assert!(!format!("{template:?}{values:?}").contains("hush"), "{template:?} {values:?}");
    assert_eq!(template.origin().to_string(), "http://pay.internal:9000/");
    let usual = UrlTemplate::parse("https://[::1]/{key}").expect("a template");
    assert_eq!(usual.origin().to_string(), "https://[::1]/");
}

/// Counts path segments and query parameters, as a server would.
fn shape(target: &str) -> (usize, usize) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let decoded = path.split('/').filter(|segment| !matches!(*segment, "." | ".."));
    (decoded.count(), query.split(['&', ';']).count())
}

proptest! {
    #[test]
    fn a_filled_url_has_the_shape_of_its_template(
        key in any::<String>(),
        member in any::<String>(),
        rest in prop_oneof![
            Just("/c/{key}/x?a={body:/m}&b=1"),
            Just("/{body:/m}{key}?{key}={key}"),
            Just("/c/.{key}/{body:/m}?x"),
            Just("/{key}/{execution}"),
        ],
    ) {
        let body = serde_json::json!({ "m": member }).to_string();
        if let Some(target) = filled(rest, &key, &body) {
            let plain = filled(rest, "a", r#"{"m":"b"}"#).expect("it is filled");
            prop_assert_eq!(shape(&target), shape(&plain), "{}", target);
            let literal = |text: &str| text.chars().filter(|c| "/?&=#;".contains(*c)).collect::<String>();
            prop_assert_eq!(literal(&target), literal(&plain), "{}", target);
        }
    }

    #[test]
    fn any_text_is_a_template_or_has_a_reason(text in "(https?://)?[a-z:@\\[\\]{}/?#.%~é ]{0,40}", key in any::<String>()) {
        if let Ok(template) = UrlTemplate::parse(&text) {
            let values = template.values(&key, &HeaderMap::new(), key.as_bytes());
            if let Some(uri) = template.fill(&values, "id:1") {
                let origin = template.origin();
                prop_assert_eq!(uri.authority(), origin.authority());
            }
        }
    }
}
