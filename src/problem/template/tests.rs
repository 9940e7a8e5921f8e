use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn template(text: &str, kind: &str) -> Result<Template, String> {
    Template::parse(text, &ContentType::parse(kind).expect("a content type"))
}

fn filled(text: &str, kind: &str, values: &Values<'_>) -> String {
    template(text, kind).unwrap_or_else(|why| panic!("{text}: {why}")).fill(values)
}

fn json(text: &str, values: &Values<'_>) -> Json {
    serde_json::from_str(&filled(text, "application/json", values)).expect(text)
}

const ABSENT: Values<'static> = Values { record: None, original_status: None, ..SAMPLE };

#[test]
fn every_placeholder_has_its_value() {
    let text = r#"{"a": "{status} {slug} {code} {type} {title} {detail}", "b": ["{executed}", "{retry}", "{record}",
        "{original_status}"]}"#;
    let expected = json!({
        "a": "409 slug code type title detail",
        "b": ["unknown", "never", "record", "503"],
    });
    assert_eq!(json(text, &SAMPLE), expected);
}

#[test]
fn without_quotes_a_placeholder_is_a_whole_value() {
    let text = r#"{"status": {status}, "type": {type}, "record": {record}, "was": {original_status}}"#;
    let expected = json!({ "status": 409, "type": "type", "record": "record", "was": 503 });
    assert_eq!(json(text, &SAMPLE), expected);
}

#[test]
fn what_is_absent_is_null_or_empty() {
    let text = r#"{"a": {record}, "b": "{record}", "c": {original_status}, "d": "{original_status}"}"#;
    assert_eq!(json(text, &ABSENT), json!({ "a": null, "b": "", "c": null, "d": "" }));
    assert_eq!(filled("<a>{record}</a>", "text/xml", &ABSENT), "<a></a>");
    assert_eq!(
        filled("a={original_status}&b={status}", "application/x-www-form-urlencoded", &ABSENT),
        "a=&b=409"
    );
}

#[test]
fn values_are_escaped_as_the_type_demands() {
    let values = Values { detail: "a\"}<b>&\n{code}", ..SAMPLE };
    assert_eq!(json(r#"{"a": "{detail}", "b": {detail}}"#, &values)["a"], values.detail);
    assert_eq!(json(r#"{"a": "{detail}", "b": {detail}}"#, &values)["b"], values.detail);
    let xml = filled("<a b=\"{detail}\"/>", "application/xml", &values);
    assert_eq!(xml, "<a b=\"a&quot;}&lt;b&gt;&amp;\n{code}\"/>");
    let form = filled("error={detail}", "application/x-www-form-urlencoded", &values);
    assert_eq!(form, "error=a%22%7D%3Cb%3E%26%0A%7Bcode%7D");
    assert_eq!(filled("{status}: {detail}", "text/plain", &values), "409: a\"}<b>& {code}");
}

#[test]
fn braces_of_the_body_are_its_own() {
    for (text, expected) in [
        (r#"{"a": {}, "b": { }}"#, json!({ "a": {}, "b": {} })),
        (
            r#"{"a": "{ a b } {}", "b": {"c": {"d": {status}}}}"#,
            json!({ "a": "{ a b } {}", "b": { "c": { "d": 409 } } }),
        ),
        (
            r#"{"a": "\u007b{status}\u007d", "b": "\\{slug}", "c": "\"{slug}\""}"#,
            json!({ "a": "{409}", "b": "\\slug", "c": "\"slug\"" }),
        ),
    ] {
        assert_eq!(json(text, &SAMPLE), expected);
    }
}

#[test]
fn a_template_that_cannot_be_meant_is_refused() {
    for (text, why) in [
        (r#"{"a": "{stauts}"}"#, "has {stauts}, which is no placeholder; known: {status}, {slug}, {code}"),
        (r#"{"a": "{Status}"}"#, "has {Status}, which is no placeholder"),
        (r#"{"a": {0}}"#, "has {0}, which is no placeholder"),
        (r#"{"a": "{original-status}"}"#, "has {original-status}, which is no placeholder"),
        (r#"{"a": "{error.code}"}"#, "has {error.code}, which is no placeholder"),
        (r#"{"a": "{ status }"}"#, "write it with single braces and without spaces"),
        (r#"{"a": "{{status}}"}"#, "write it with single braces and without spaces"),
        (r#"{"a": "{status"}"#, "has a { without its }; a single brace within quotes is written \\u007b"),
        (r#"{"a": "status}"}"#, "has a } without its {"),
        (r#"{"a": {status}"#, "has a { without its }"),
        (r#"{"a": "\{status}"}"#, "within an escape"),
        (r#"{"a": "\u00{status}"}"#, "within an escape"),
        (r#"{"a": 1,}"#, "is not JSON once it is filled in: "),
        (r#"{"a": x{status}}"#, "is not JSON once it is filled in: "),
        (r#"{"a": {code}{slug}}"#, "is not JSON once it is filled in: "),
        (r#"{"a": 1{original_status}}"#, "is not JSON once it is filled in, where {record}"),
        (r#"{{record}: 1}"#, "single braces"),
        (r#"{ {record}: 1}"#, "is not JSON once it is filled in, where {record}"),
        ("", "is not JSON"),
        ("{\"a\": \"\n\"}", "is not JSON"),
    ] {
        let told = template(text, "application/json").expect_err(text);
        assert!(told.contains(why), "{text}: {told}");
    }
    let form = template("a b={status}", "application/x-www-form-urlencoded").expect_err("a space");
    assert!(form.contains("write it as %XX"), "{form}");
    let long = format!("\"{}\"", "x".repeat(LONGEST));
    assert!(template(&long, "application/json").expect_err("too long").contains("longer"));
}

/// A piece of a template, for templates at random.
fn piece() -> impl Strategy<Value = String> {
    let field = prop::sample::select(FIELDS.to_vec()).prop_map(|(name, _)| format!("{{{name}}}"));
    let text = prop::sample::select(vec![
        "\"", "\\", "\\u", "\\u00", "{", "}", "[", "]", ",", ":", "1", "-", ".", "e", "null", " ", "x",
        "\"a\":", "\\\"", "\\\\", "\\ud83d", "0", "t", "\u{e9}",
    ]);
    prop_oneof![field, text.prop_map(str::to_owned)]
}

/// A JSON text with placeholders for values, names and parts of strings.
fn document() -> impl Strategy<Value = String> {
    let field = || prop::sample::select(FIELDS.to_vec()).prop_map(|(name, _)| format!("{{{name}}}"));
    let within = (field(), field()).prop_map(|(one, two)| format!("\"é\\n{one} \\\\{two}\\u007b\""));
    let leaf = prop_oneof![field(), within, Just("1".to_owned())];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            (inner.clone(), inner).prop_map(|(one, two)| format!("{{ \"a{{code}}\": {one}, \"b\": {two}}}")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// Whatever a template of JSON is made of: if it was accepted, each of its bodies is JSON.
    #[test]
    fn an_accepted_template_makes_json_of_any_values(
        pieces in prop::collection::vec(piece(), 1..12),
        regular in document(),
        texts in prop::collection::vec(any::<String>(), 7),
        record in any::<Option<String>>(),
        status in 200_u16..600,
        original_status in prop::option::of(100_u16..1000),
    ) {
        let values = Values {
            status,
            slug: &texts[0],
            code: &texts[1],
            kind: &texts[2],
            title: &texts[3],
            detail: &texts[4],
            executed: &texts[5],
            retry: &texts[6],
            record: record.as_deref(),
            original_status,
        };
        for (text, must_be_accepted) in [(pieces.concat(), false), (regular, true)] {
            match template(&text, "application/json") {
                Ok(template) => {
                    let body = template.fill(&values);
                    prop_assert!(serde_json::from_str::<Json>(&body).is_ok(), "{text}: {body}");
                }
                Err(why) => prop_assert!(!must_be_accepted, "{text}: {why}"),
            }
        }
    }

    /// A value within quotes is read as it was.
    #[test]
    fn a_value_is_read_as_it_was(detail in any::<String>()) {
        let values = Values { detail: &detail, ..SAMPLE };
        prop_assert_eq!(json(r#"["{detail}", {detail}]"#, &values), json!([detail, detail]));
    }
}
