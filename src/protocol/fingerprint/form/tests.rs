//! Two forms have one canonical form exactly when they have one meaning.

use proptest::collection::vec;
use proptest::prelude::*;

use super::canonical;
use crate::protocol::fingerprint::places::Places;

fn whole(body: &str) -> Option<Vec<u8>> {
    canonical(body.as_bytes(), &Places::of(&[], false, false))
}

fn choosing(body: &str, pointers: &[&str], is_only: bool) -> Option<Vec<u8>> {
    let pointers: Vec<String> = pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
    canonical(body.as_bytes(), &Places::of(&pointers, is_only, true))
}

#[test]
fn spellings_of_one_form_are_one() {
    let body = "amount=100&currency=eur&note=a+b&items%5B%5D=1&items%5B%5D=2&e=%C3%A9";
    for other in [
        "currency=eur&amount=100&note=a+b&items[]=1&items[]=2&e=%c3%a9",
        "&items[]=1&note=a%20b&&items[%5d=2&e=é&amount=%31%300&currency=eur&",
    ] {
        assert!(whole(body).is_some());
        assert_eq!(whole(body), whole(other), "{other}");
    }
}

#[test]
fn forms_with_other_meanings_differ() {
    let bodies = [
        "",
        "a",
        "a=",
        "=a",
        "a=1",
        "a=%2B1",
        "a=+1",
        "a=1&a=1",
        "a=1&b=",
        "a=1&a=2",
        "a=2&a=1",
        "a[]=1&a[]=2",
        "a[]=2&a[]=1",
        "a=1%26b=2",
        "a=1&b=2",
        "a%3D1=",
        "a[b]=1&a=2",
        "a=2&a[b]=1",
        "a%00=1",
        "i[][id]=1&i[][n]=2&i[][id]=3",
        "i[][id]=1&i[][id]=3&i[][n]=2",
        "i[0][id]=1",
        "i[1][id]=1",
    ];
    for (place, one) in bodies.iter().enumerate() {
        assert!(whole(one).is_some(), "{one}");
        for other in &bodies[..place] {
            assert_ne!(whole(one), whole(other), "{one} {other}");
        }
    }
}

#[test]
fn a_body_without_a_clear_meaning_has_no_canonical_form() {
    let deep = format!("a{}=1", "[b]".repeat(40));
    for body in [
        "a=%",
        "a=%4",
        "a=%zz",
        "a=%+1",
        "%=a",
        "a=1;b=2",
        "a=%ff",
        "%C3=1",
        "a=%C3&b=%A9",
        "{\"a\":\"1+1\"}",
        " [1]",
        "\"a\"",
        "\n<a/>",
        "\u{feff}{\"a\":\"1&b=2\"}",
        "\u{feff}a=1",
        &deep,
    ] {
        assert_eq!(whole(body), None, "{body}");
    }
    assert_eq!(canonical(b"a=\xff", &Places::of(&[], false, false)), None);
}

#[test]
fn the_number_of_fields_is_limited() {
    let fields = |count: usize| vec!["a=1"; count].join("&");
    assert!(whole(&fields(1 << 16)).is_some());
    assert_eq!(whole(&fields((1 << 16) + 1)), None);
}

#[test]
fn members_that_do_not_count_are_named_by_pointers() {
    let ignoring = |body, pointers: &[&str]| choosing(body, pointers, false);
    for (one, other, pointers) in [
        ("a=1&sent=1", "sent=2&a=1", &["/sent"][..]),
        ("a=1&m[t]=1&m[u]=1", "m[u]=1&a=1", &["/m/t"]),
        ("a=1&m[t]=1&m[u][]=1", "a=1", &["/m"]),
        ("i[0][t]=1&i[0][a]=1&i[][t]=4", "i[0][a]=1", &["/i/*/t"]),
        ("a=1&a[b]=2", "a=1", &["/a/b"]),
        ("x/y=1&a=1&x~z=3", "a=1", &["/x~1y", "/x~0z"]),
    ] {
        assert_eq!(ignoring(one, pointers), ignoring(other, pointers), "{one} {other}");
        assert_ne!(whole(one), whole(other), "{one} {other}");
    }
    for (one, other, pointers) in [
        ("a=1&sent=1", "a=2&sent=1", &["/sent"][..]),
        ("i[][t]=1", "i[][t]=2", &["/i/0/t"]),
        ("m[t]=1", "m[t]=2", &["/t", "/m/t/u", "/m[t]"]),
    ] {
        assert_ne!(ignoring(one, pointers), ignoring(other, pointers), "{one} {other}");
    }
}

/// The order of fields that do not count says nothing about the order of those that do.
#[test]
fn a_field_that_does_not_count_changes_no_order() {
    let ignoring = |body| choosing(body, &["/a/*"], false).map(|_| choosing(body, &["/a/x"], false));
    assert_eq!(ignoring("a[y]=1&a[x]=2&a[b]=3"), ignoring("a[b]=3&a[y]=1"));
    let listed = |body| choosing(body, &["/a/"], false);
    assert_eq!(listed("a[]=1&a[y]=2&a[b]=3"), listed("a[b]=3&a[y]=2"));
}

#[test]
fn only_named_members_count_where_they_are_named() {
    let only = |body| choosing(body, &["/amount", "/i/*/price"], true);
    assert_eq!(only("amount=1&x=1"), only("x=2&amount=1&y=3"));
    assert_eq!(only("amount=1&i[0][price]=5&i[0][n]=1"), only("i[0][n]=2&i[0][price]=5&amount=1"));
    for (one, other) in [
        ("amount=1", "amount=2"),
        ("amount=1", "amount"),
        ("amount=1", "amount=1&amount=1"),
        ("amount=1&i[][price]=5", "amount=1&i[][price]=6"),
        ("amount=1&i[][price]=5", "amount=1"),
        ("amount[value]=1", "amount[value]=2"),
        ("x=1", "x=2"),
    ] {
        assert_ne!(only(one), only(other), "{one} {other}");
    }
    // It is not clear which element has no number, so it counts.
    let first = |body| choosing(body, &["/i/0/price"], true);
    assert_ne!(first("i[][price]=5"), first("i[][price]=6"));
    assert_eq!(first("i[0][price]=5&i[1][price]=5"), first("i[0][price]=5&i[1][price]=6"));
}

/// A form with the fields of each member in their order.
type Meaning = Vec<(String, Vec<Option<String>>)>;

fn meaning() -> impl Strategy<Value = Meaning> {
    let text = || prop_oneof!["[a-c]{0,2}", "[ +%&=é\u{0}𝄞]{0,2}", "[abc]\\[[xy]\\]"];
    vec((text(), vec(proptest::option::of(text()), 1..3)), 0..5).prop_map(|mut members| {
        members.sort();
        members.dedup_by(|one, other| one.0 == other.0);
        // A name and its members are one member to the order.
        let names: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
        members.retain(|(name, _)| {
            !name.split_once('[').is_some_and(|(outer, _)| names.iter().any(|name| name == outer))
        });
        members
    })
}

/// Spells a form at random: the members in any order, each character bare or escaped.
fn spelled(meaning: &Meaning, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle().copied();
    let mut below = |limit: usize| usize::from(choices.next().unwrap_or_default()) % limit;
    let mut left: Vec<(&str, &[Option<String>])> =
        meaning.iter().map(|(name, values)| (name.as_str(), &values[..])).collect();
    let mut pieces = Vec::new();
    while !left.is_empty() {
        let at = below(left.len());
        let (name, values) = left[at];
        let name = spelled_text(name, &mut below);
        pieces.push(match &values[0] {
            Some(value) => format!("{name}={}", spelled_text(value, &mut below)),
            // A nameless field without a value has to be spelled somehow.
            None => name,
        });
        match &values[1..] {
            [] => drop(left.remove(at)),
            rest => left[at].1 = rest,
        }
    }
    pieces.join(["&", "&&"][below(2)])
}

fn spelled_text(text: &str, below: &mut impl FnMut(usize) -> usize) -> String {
    let mut spelled = String::new();
    for character in text.chars() {
        match (character, below(3)) {
            (' ', 0) => spelled.push('+'),
            (' ' | '+' | '%' | '&' | '=', _) | (_, 1 | 2) => {
                for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                    spelled += &if below(2) == 0 { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
                }
            }
            _ => spelled.push(character),
        }
    }
    spelled
}

fn has_a_spelling(meaning: &Meaning) -> bool {
    meaning.iter().all(|(name, values)| !name.is_empty() || values.iter().all(Option::is_some))
}

proptest! {
    #[test]
    fn one_meaning_has_one_form_and_another_has_another(
        (one, other) in (meaning(), meaning()),
        choices in [vec(any::<u8>(), 40), vec(any::<u8>(), 40)],
    ) {
        prop_assume!(has_a_spelling(&one) && has_a_spelling(&other));
        let [first, second] = [spelled(&one, &choices[0]), spelled(&one, &choices[1])];
        prop_assert!(whole(&first).is_some(), "{}", first);
        prop_assert_eq!(whole(&first), whole(&second), "{} {}", first, second);
        let third = spelled(&other, &choices[1]);
        prop_assert_eq!(one == other, whole(&first) == whole(&third), "{} {}", first, third);
    }

    #[test]
    fn one_change_of_a_form_is_seen(
        meaning in meaning(), at in any::<prop::sample::Index>(), choices in [vec(any::<u8>(), 40), vec(any::<u8>(), 40)],
    ) {
        prop_assume!(!meaning.is_empty() && has_a_spelling(&meaning));
        let mut near = meaning.clone();
        let at = at.index(near.len());
        near[at].1.push(Some("x".into()));
        let (one, other) = (spelled(&meaning, &choices[0]), spelled(&near, &choices[1]));
        prop_assert_ne!(whole(&one), whole(&other), "{} {}", one, other);
    }

    #[test]
    fn any_bytes_are_read(body in vec(any::<u8>(), 0..60), text in "[ab\\[\\]&=%+0-9]{0,60}") {
        let places = Places::of(&["/a/*".into(), "/b".into(), "/a/0/b".into()], true, true);
        let _ = (canonical(&body, &places), canonical(text.as_bytes(), &places));
    }
}
