//! The canonical form is byte for byte the same as when a tree was made of each document, because stored
//! records hold digests of it.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::protocol::fingerprint::places::Places;

mod chosen;
mod tree;

fn canonical(body: &[u8], ignore: &[String]) -> Option<Vec<u8>> {
    super::canonical(body, &Places::of(ignore, false, false))
}

fn agree(text: &str, ignore: &[String]) -> bool {
    let (new, old) = (canonical(text.as_bytes(), ignore), tree::canonical(text.as_bytes(), ignore));
    let words = |form: &Option<Vec<u8>>| form.as_ref().map(|form| String::from_utf8_lossy(form).into_owned());
    assert_eq!(words(&new), words(&old), "{text}");
    new.is_some()
}

fn number() -> impl Strategy<Value = String> {
    let digits = || "[0-9]{1,9}|[0-9]{10,18}|0{1,20}|[1-9]0{1,20}";
    prop_oneof![
        "-?(0|[1-9][0-9]{0,14})",
        "-?(0|[1-9][0-9]{0,7})\\.[0-9]{1,9}",
        "-?[1-9](\\.[0-9]{1,14})?[eE][+-]?[0-9]{1,3}",
        (digits(), digits(), "[eE][+-]?[0-9]{1,3}|").prop_map(|(whole, part, power)| {
            let whole = whole.trim_start_matches('0');
            format!("{}.{part}{power}", if whole.is_empty() { "0" } else { whole })
        }),
        "[0-9.eE+-]{1,6}",
    ]
}

fn string() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-c]{0,9}",
        2 => "[é€𝄞\u{e000}\u{fffd}\u{7f}]",
        2 => prop::sample::select(vec![
            "\\\"", "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0000", "\\u001F", "\\u0041", "\\uFFFD", "\\ud834\\uDD1e",
        ]).prop_map(str::to_owned),
        1 => prop_oneof![9 => Just(""), 1 => prop::sample::select(vec![
            "\\u00", "\\ud834", "\\udd1e", "\\ud834\\u0041", "\\x", "\n", "\u{0}",
        ])].prop_map(str::to_owned),
    ];
    vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![6 => Just(String::new()), 1 => "[ \t\r\n]{1,2}"]
}

fn document() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned);
    let leaf = prop_oneof![1 => word, 4 => number(), 3 => string()];
    leaf.prop_recursive(5, 64, 8, |inner| {
        let spaced =
            (space(), inner, space()).prop_map(|(before, value, after)| before + &value + &after).boxed();
        let member = (space(), string(), space(), spaced.clone())
            .prop_map(|(before, name, after, value)| format!("{before}{name}{after}:{value}"));
        prop_oneof![
            vec(spaced, 0..6).prop_map(|all| format!("[{}]", all.join(","))),
            vec(member, 0..8).prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

fn pointers() -> impl Strategy<Value = Vec<String>> {
    vec("(/([a-c]{0,2}|[0-3]|01|\\+1|é|~0|~1)){0,3}|a", 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn documents_have_the_form_they_had(text in document(), ignore in pointers()) {
        agree(&text, &ignore);
    }

    #[test]
    fn numbers_have_the_form_they_had(text in number()) {
        agree(&text, &[]);
    }

    #[test]
    fn text_that_is_no_document_has_no_form(
        text in document(), at in any::<prop::sample::Index>(), put in "[\\[\\]{}:,\"a0 eE+.\\\\u-]?", cut in 0..2_usize,
    ) {
        let places: Vec<usize> = text.char_indices().map(|(place, _)| place).chain([text.len()]).collect();
        let at = at.index(places.len());
        let end = places[(at + cut).min(places.len() - 1)];
        agree(&format!("{}{put}{}", &text[..places[at]], &text[end..]), &[]);
    }

    #[test]
    fn many_members_are_in_order(mut names in vec("[ab\u{e000}\u{fffd}𝄞]{0,20}", 33..80), repeated in any::<bool>()) {
        names.sort();
        names.dedup();
        let half = names.len() / 2;
        names.rotate_left(half);
        if repeated {
            names.push(names[0].clone());
        }
        let members: Vec<_> = names.iter().map(|name| format!("\"{name}\":{{\"b\":1,\"a\":\"{name}\"}}")).collect();
        prop_assert_eq!(agree(&format!("{{{}}}", members.join(",")), &["/ab/b".into(), "/a".into()]), !repeated);
    }
}

#[test]
fn the_nesting_depth_is_limited() {
    for (depth, has_form) in [(126, true), (127, true), (128, false), (100_000, false)] {
        let text = "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(canonical(text.as_bytes(), &[]).is_some(), has_form, "{depth}");
        if depth < 1000 {
            agree(&text, &[]);
        }
    }
}
