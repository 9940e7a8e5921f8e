//! Members of JSON documents and forms, against the pointers of a library, and by odd bodies.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn pointer(text: &str) -> Pointer {
    Pointer::parse(text).expect("a pointer")
}

fn typed(media_type: &str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(media_type).expect("a value"))])
}

const FORM: &str = "application/x-www-form-urlencoded";

fn in_form<'t>(body: &'t str, place: &str) -> Member<'t> {
    BodyMembers::Form(Form(body.as_bytes())).member(&pointer(place))
}

fn in_json<'t>(body: &'t str, place: &str) -> Member<'t> {
    let document = Document::parse(body.as_bytes()).expect("JSON");
    BodyMembers::Json(document).member(&pointer(place))
}

/// Documents whose names and texts need escapes now and then.
fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-c~/\"\\\\{}\\[\\],: \\n\u{e9}]{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-c01~/\"]{0,2}", inner, 0..4).prop_map(Value::from_iter),
        ]
    })
}

/// Collects the pointers to all places of a document.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    let step = |name: &str| format!("{here}/{}", name.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &step(&index.to_string()), found));
        }
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| places(member, &step(name), found));
        }
        _ => {}
    }
}

fn agree(document: &Value, text: &str, place: &str) {
    let found = in_json(text, place);
    match document.pointer(place) {
        Some(Value::Null) => assert_eq!(found, Member::Null, "{place} in {text}"),
        Some(value) => {
            let Member::Json(node) = found else { panic!("{place} in {text}: {found:?}") };
            assert_eq!(serde_json::from_str::<Value>(node.json()).as_ref().ok(), Some(value));
        }
        None => assert!(matches!(found, Member::Missing | Member::Unclear), "{place} in {text}: {found:?}"),
    }
}

proptest! {
    #[test]
    fn pointers_find_what_the_library_finds(
        document in documents(),
        other in "(/[a-c01~-]{0,2}){0,4}",
    ) {
        let mut all = Vec::new();
        places(&document, "", &mut all);
        all.extend(Pointer::parse(&other).is_ok().then_some(other));
        let compact = document.to_string();
        let pretty = serde_json::to_string_pretty(&document).expect("a document");
        for place in all {
            agree(&document, &compact, &place);
            agree(&document, &pretty, &place);
        }
    }

    /// A nested member has the same value in a form as in a document.
    #[test]
    fn forms_and_documents_name_their_members_alike(
        names in prop::collection::vec("[a-z0-9_.~ \u{e9}-]{1,5}", 1..4),
        value in "[ -~\u{e9}]{0,12}",
    ) {
        let escaped: Vec<String> = names.iter().map(|name| name.replace('~', "~0")).collect();
        let place = format!("/{}", escaped.join("/"));
        let document = names.iter().rev().fold(Value::from(value.clone()), |inner, name| {
            Value::from_iter([(name.clone(), inner)])
        });
        let field = format!("{}{}", names[0], names[1..].iter().map(|name| format!("[{name}]")).collect::<String>());
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("before", "x")
            .append_pair(&field, &value)
            .finish();
        let other_name = names[0] != "before";
        prop_assume!(other_name);
        prop_assert_eq!(in_form(&form, &place).scalar(), Some(value.clone()));
        prop_assert_eq!(in_json(&document.to_string(), &place).scalar(), Some(value));
    }
}

#[test]
fn a_missing_member_is_not_an_unclear_one() {
    for (body, place, found) in [
        ("{}", "/order", Member::Missing),
        ("{\"metadata\":{}}", "/metadata/order", Member::Missing),
        ("{\"metadata\":null}", "/metadata/order", Member::Missing),
        ("{\"other\":1}", "/metadata/order", Member::Missing),
        ("{\"items\":[]}", "/items/0/id", Member::Missing),
        ("{\"order\":null}", "/order", Member::Null),
        ("{\"order\":1,\"order\":1}", "/order", Member::Unclear),
        ("{\"order\":1,\"\\u006frder\":2}", "/order", Member::Unclear),
        ("{\"metadata\":{\"order\":1},\"metadata\":{}}", "/metadata/order", Member::Unclear),
        ("{\"metadata\":\"order\"}", "/metadata/order", Member::Unclear),
        ("[{\"order\":1}]", "/order", Member::Unclear),
        ("{\"items\":[1]}", "/items/01", Member::Unclear),
        ("\"order\"", "/order", Member::Unclear),
    ] {
        assert_eq!(in_json(body, place), found, "{place} in {body}");
    }
}

#[test]
fn an_integer_is_its_digits_up_to_two_to_the_53() {
    for (json, text) in [
        ("\"17\"", Some("17")),
        ("17", Some("17")),
        ("0", Some("0")),
        ("-5", Some("-5")),
        ("9007199254740992", Some("9007199254740992")),
        ("-9007199254740992", Some("-9007199254740992")),
        ("9007199254740993", None),
        ("-9007199254740993", None),
        ("99999999999999999999", None),
        ("-0", None),
        ("1.0", None),
        ("1e3", None),
        ("true", None),
        ("[1]", None),
        ("{\"a\":1}", None),
        ("\"\\ud800\"", None),
    ] {
        let body = format!("{{\"order\":{json}}}");
        assert_eq!(in_json(&body, "/order").exact().as_deref(), text, "{json}");
    }
}

#[test]
fn fields_of_a_form_are_named_as_servers_name_them() {
    for (body, place, text) in [
        ("order=o-17", "/order", "o-17"),
        ("a=1&order=o+17%2B&b", "/order", "o 17+"),
        ("metadata[order]=o-17", "/metadata/order", "o-17"),
        ("metadata%5Border%5D=o-17", "/metadata/order", "o-17"),
        ("items[0][id]=7&items[1][id]=8", "/items/1/id", "8"),
        ("a%2Fb=1", "/a~1b", "1"),
        ("order", "/order", ""),
        ("order=a=b", "/order", "a=b"),
    ] {
        assert_eq!(in_form(body, place), Member::Text(text.into()), "{place} in {body}");
    }
    for (body, place) in [
        ("other=1", "/order"),
        ("orders=1&order_id=2&Order=3", "/order"),
        ("metadata[other]=1", "/metadata/order"),
        ("metadata[order=1", "/metadata/order"),
        ("metadata.order=1", "/metadata/order"),
        ("items[][name]=1", "/items/0/id"),
        ("&&", "/order"),
    ] {
        assert_eq!(in_form(body, place), Member::Missing, "{place} in {body}");
    }
    for (body, place) in [
        ("order=1&order=1", "/order"),
        ("order=1&%6Frder=2", "/order"),
        ("order[]=1", "/order"),
        ("order=1&order[id]=2", "/order"),
        ("metadata=1", "/metadata/order"),
        ("items[][id]=1", "/items/0/id"),
        ("items[]=1", "/items/0"),
        ("order=%ff", "/order"),
    ] {
        assert_eq!(in_form(body, place), Member::Unclear, "{place} in {body}");
    }
}

#[test]
fn only_json_and_forms_are_read() {
    let read = |headers: &HeaderMap, body: &[u8]| {
        BodyMembers::declared(headers, body).map(|members| match members {
            None => "empty",
            Some(BodyMembers::Json(_)) => "json",
            Some(BodyMembers::Form(_)) => "form",
        })
    };
    for (media_type, body, kind) in [
        ("application/json", "{}", Ok("json")),
        ("Application/JSON ; charset=utf-8", "[1]", Ok("json")),
        ("text/json", "1", Ok("json")),
        ("application/vnd.api+json", "{}", Ok("json")),
        ("application/json", "", Ok("empty")),
        ("text/plain", "", Ok("empty")),
        (FORM, "a=b", Ok("form")),
        (FORM, " {\"order\":\"o\"}", Err(UnclearForm::Document.into())),
        (FORM, "\r\n[1]", Err(UnclearForm::Document.into())),
        (FORM, "<r><order>o</order></r>", Err(UnclearForm::Document.into())),
        (FORM, "\u{feff}{\"order\":\"o\"}", Err(UnclearForm::Document.into())),
        (FORM, "\u{feff}order=o", Err(UnclearForm::Document.into())),
        (FORM, "a=1;order=o", Err(UnclearForm::Semicolon.into())),
        (FORM, "order=o;a=1", Err(UnclearForm::Semicolon.into())),
        (FORM, "a=%&order=o", Err(UnclearForm::Text.into())),
        (FORM, "a=1&%6=o", Err(UnclearForm::Text.into())),
        (FORM, "order=%ff", Err(UnclearForm::Text.into())),
        (FORM, "o\0r\0d\0e\0r\0=\0o\0", Err(UnclearForm::Text.into())),
        (FORM, "a=1%3B&order=o", Ok("form")),
        ("application/json", "order=o", Err(Unreadable::NotJson)),
        ("application/json", "{\"a\":1}{\"a\":2}", Err(Unreadable::NotJson)),
        ("application/json", "\u{feff}{}", Err(Unreadable::NotJson)),
        ("text/plain", "{}", Err(Unreadable::OtherMediaType)),
        ("json", "{}", Err(Unreadable::OtherMediaType)),
        ("x+json", "{}", Err(Unreadable::OtherMediaType)),
        ("multipart/form-data; boundary=x", "--x--", Err(Unreadable::OtherMediaType)),
    ] {
        assert_eq!(read(&typed(media_type), body.as_bytes()), kind, "{media_type} {body}");
    }
    assert_eq!(read(&typed("application/json"), b"{\"a\":\"\xff\"}"), Err(Unreadable::NotJson));
    assert_eq!(read(&HeaderMap::new(), b"{}"), Err(Unreadable::OtherMediaType));
    let mut twice = typed("application/json");
    twice.append(CONTENT_TYPE, HeaderValue::from_static(FORM));
    assert_eq!(read(&twice, b"{}"), Err(Unreadable::OtherMediaType));
    for (coding, kind) in
        [("gzip", Err(Unreadable::Coded)), ("Identity", Ok("json")), ("", Err(Unreadable::Coded))]
    {
        let mut coded = typed("application/json");
        coded.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        assert_eq!(read(&coded, b"{}"), kind, "{coding}");
    }
}

/// A document of the largest size, nested as deep as it goes, is read without recursion and in no time.
#[test]
fn depth_costs_nothing() {
    let depth = 500_000;
    let deep = format!("{{\"a\":{}{},\"order\":\"o\"}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(in_json(&deep, "/order").exact().as_deref(), Some("o"));
    assert_eq!(in_json(&deep, "/a/0/0/0/1"), Member::Missing);
}

#[test]
fn a_member_in_other_letters_is_a_variant() {
    let form = |body: &str, place| BodyMembers::Form(Form(body.as_bytes())).has_variant(&pointer(place));
    let json = |body: &str, place| {
        BodyMembers::Json(Document::parse(body.as_bytes()).expect("JSON")).has_variant(&pointer(place))
    };
    for (body, place) in [
        ("Order=1", "/order"),
        ("a=1&%4FRDER=1", "/order"),
        ("a=1&+order+=1", "/order"),
        ("Order[id]=1", "/order"),
        ("Metadata[Order]=1", "/metadata/order"),
        ("id=1", "/ID"),
        ("\u{212a}ey=1", "/key"),
    ] {
        assert!(form(body, place), "{place} in {body}");
    }
    for (body, place) in [
        ("{\"Order\":1}", "/order"),
        ("{\"\\u004frder\":null}", "/order"),
        ("{\"metadata\":{},\"Metadata\":{\"ORDER\":1}}", "/metadata/order"),
        ("{\"metadata\":{\"Order\":1}}", "/metadata/order"),
        ("[0,{\"Id\":1}]", "/1/id"),
        ("{\" order\":1}", "/order"),
    ] {
        assert!(json(body, place), "{place} in {body}");
    }
    for (body, place) in
        [("orders=1&order_id=2", "/order"), ("a=Order", "/order"), ("Metadata[x]=1", "/metadata/order")]
    {
        assert!(!form(body, place), "{place} in {body}");
    }
    for (body, place) in [
        ("{\"a\":{\"Order\":1},\"b\":\"Order\"}", "/order"),
        ("{\"Metadata\":[{\"Order\":1}]}", "/metadata/order"),
        ("[{\"Id\":1}]", "/1/id"),
        ("1", "/order"),
    ] {
        assert!(!json(body, place), "{place} in {body}");
    }
}
