//! Members that are chosen by wildcards, or alone.

use proptest::prelude::*;

use super::document;
use crate::protocol::fingerprint::json::canonical;
use crate::protocol::fingerprint::places::Places;

fn choosing(text: &str, pointers: &[&str], is_only: bool) -> Option<String> {
    let pointers: Vec<String> = pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
    let form = canonical(text.as_bytes(), &Places::of(&pointers, is_only, true))?;
    Some(String::from_utf8(form).expect("text"))
}

fn form(pointers: &[&str], is_only: bool, text: &str, expected: &str) {
    assert_eq!(choosing(text, pointers, is_only).as_deref(), Some(expected), "{pointers:?} {text}");
}

#[test]
fn a_wildcard_is_any_member_or_element() {
    let ignoring = |pointers: &[&str], text, expected| form(pointers, false, text, expected);
    ignoring(&["/items/*/at"], r#"{"items":[{"at":1,"n":1},{"n":2},3]}"#, r#"{"items":[{"n":1},{"n":2},3]}"#);
    ignoring(
        &["/items/*/at"],
        r#"{"items":{"b":{"at":1},"a":{"n":2}}}"#,
        r#"{"items":{"a":{"n":2},"b":{}}}"#,
    );
    ignoring(&["/a/*"], r#"{"a":[1,2],"b":1}"#, r#"{"a":[null,null],"b":1}"#);
    ignoring(
        &["/*/at", "/a/n", "/*/m"],
        r#"{"a":{"at":1,"n":1,"m":2},"b":{"n":1,"m":1}}"#,
        r#"{"a":{},"b":{"n":1}}"#,
    );
    ignoring(
        &["/a/*/*/x", "/*/b/c"],
        r#"{"a":{"b":{"c":{"x":1},"d":{"x":1,"y":2}}}}"#,
        r#"{"a":{"b":{"d":{"y":2}}}}"#,
    );
    ignoring(&["/*b", "/~0", "/*/~1"], r#"{"*b":1,"~":2,"c":{"/":3}}"#, r#"{"c":{}}"#);
}

#[test]
fn only_named_members_count() {
    let only = |pointers: &[&str], text, expected| form(pointers, true, text, expected);
    only(&["/amount"], r#"{"note":"x","amount":1.0}"#, r#"{"amount":1}"#);
    only(&["/b", "/a"], r#"{"b":2,"c":3,"a":{"z":1,"y":2}}"#, r#"{"a":{"y":2,"z":1},"b":2}"#);
    only(&["/a/b"], r#"{"a":{"b":null,"c":1}}"#, r#"{"a":{"b":null}}"#);
    only(&["/a/b", "/x"], r#"{"a":{"c":1},"x":1}"#, r#"{"x":1}"#);
    only(&["/a/b", "/a"], r#"{"a":{"c":1,"b":2}}"#, r#"{"a":{"b":2,"c":1}}"#);
    only(&["/i/*/p"], r#"{"i":[{"p":1},{"q":2},{"p":3,"q":1},4]}"#, r#"{"i":<0:{"p":1},2:{"p":3}>}"#);
    only(&["/i/1"], r#"{"i":[1,[2],3,4]}"#, r#"{"i":<1:[2]>}"#);
    only(&["/*"], r#"{"b":[],"a":1}"#, r#"{"a":1,"b":[]}"#);
}

#[test]
fn a_named_member_that_is_null_is_not_one_that_is_missing() {
    let only = |text| choosing(text, &["/a", "/b"], true);
    assert_ne!(only(r#"{"a":null,"b":1}"#), only(r#"{"b":1}"#));
    assert_ne!(only(r#"{"a":null}"#), only(r#"{"b":null}"#));
}

#[test]
fn a_document_without_named_members_counts_whole() {
    for (text, expected) in [
        (r#"{"b":1,"a":{"c":[ ]}}"#, r#"{"a":{"c":[]},"b":1}"#),
        ("[1, 2]", "[1,2]"),
        ("\"text\"", "\"text\""),
        ("{}", "{}"),
    ] {
        form(&["/amount", "/a/b", "/a/c/0"], true, text, expected);
    }
}

#[test]
fn what_does_not_count_needs_no_exact_meaning() {
    let only = |text| choosing(text, &["/amount"], true);
    for other in [r#"{"amount":1,"at":1764400000000000001}"#, r#"{"amount":1,"x":{"a":1,"a":[1e999]}}"#] {
        assert_eq!(only(other).as_deref(), Some(r#"{"amount":1}"#), "{other}");
    }
    // A value on the way to a named member does not count, either.
    form(&["/a/*/b", "/c"], true, r#"{"a":[1e999,{"b":1}],"c":2}"#, r#"{"a":<1:{"b":1}>,"c":2}"#);
    for text in [
        r#"{"amount":1764400000000000001}"#,
        r#"{"amount":1,"amount":2}"#,
        r#"{"amount":{"a":1,"a":2}}"#,
        r#"{"amount":1,"x":01}"#,
        r#"{"amount":1,"x":[1,]}"#,
        r#"{"amount":1} x"#,
        r#"{"x":1764400000000000001}"#,
    ] {
        assert_eq!(only(text), None, "{text}");
    }
}

/// Removes what `pointers` do not name, by way of a tree. Elements that do not count become `null`.
fn pruned(value: &serde_json::Value, pointers: &[Vec<&str>]) -> Option<serde_json::Value> {
    use serde_json::Value;
    if pointers.iter().any(Vec::is_empty) {
        return Some(value.clone());
    }
    let below = |step: &str| -> Vec<Vec<&str>> {
        let led = pointers.iter().filter(|pointer| pointer[0] == step || pointer[0] == "*");
        led.map(|pointer| pointer[1..].to_vec()).collect()
    };
    match value {
        Value::Object(members) => {
            let kept =
                members.iter().filter_map(|(name, value)| Some((name.clone(), pruned(value, &below(name))?)));
            let kept: serde_json::Map<_, _> = kept.collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(elements) => {
            let kept = elements.iter().enumerate().filter_map(|(place, value)| {
                Some((place.to_string(), pruned(value, &below(&place.to_string()))?))
            });
            let kept: serde_json::Map<_, _> = kept.collect();
            // The kind of the value on the way counts, as it does in the canonical form.
            (!kept.is_empty()).then(|| Value::Array(vec![Value::Object(kept)]))
        }
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Two documents have one form exactly when their named members are equal.
    #[test]
    fn named_members_alone_make_the_form(
        texts in (document(), document()),
        pointers in prop::collection::vec("(/([a-c]{1,2}|[0-2]|\\*)){1,3}", 1..4),
    ) {
        let steps: Vec<Vec<&str>> = pointers.iter().map(|pointer| pointer[1..].split('/').collect()).collect();
        let places = Places::of(&pointers, true, true);
        let whole = Places::of(&[], false, false);
        let read = |text: &str| {
            canonical(text.as_bytes(), &whole)?;
            let value = serde_json::from_str(text).ok()?;
            Some((canonical(text.as_bytes(), &places)?, pruned(&value, &steps), value))
        };
        if let (Some((one, first, whole_one)), Some((other, second, whole_other))) = (read(&texts.0), read(&texts.1)) {
            let numbers_alike = |one: &serde_json::Value, other: &serde_json::Value| {
                serde_json_canonicalizer::to_vec(one).ok() == serde_json_canonicalizer::to_vec(other).ok()
            };
            let expected = match (&first, &second) {
                (Some(first), Some(second)) => numbers_alike(first, second),
                (None, None) => numbers_alike(&whole_one, &whole_other),
                _ => false,
            };
            prop_assert_eq!(one == other, expected, "{} {} {:?}", texts.0, texts.1, pointers);
        }
    }
}
