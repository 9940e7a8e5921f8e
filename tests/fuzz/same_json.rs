//! Two bodies have the same fingerprint as JSON exactly when they have the same meaning. If a double cannot
//! express the meaning, or if a member is named twice, the bytes count instead.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use oncegate::protocol::{BodyScheme, MemberChoice};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::mutation::Random;
use crate::spelling::{changed, spelled, spelled_text};
use crate::targets::{Decimal, Meaning, digest, fingerprint, is_raw};

fn decimal() -> impl Strategy<Value = Decimal> {
    let digits = prop_oneof!["[1-9]", "[1-9][0-9]{0,5}", "[1-9][0-9]{14}"];
    (any::<bool>(), digits, prop_oneof![-3..15_i64, -200..15_i64]).prop_map(|(negative, digits, exponent)| {
        Decimal { negative, digits: digits.trim_end_matches('0').to_owned(), exponent }
    })
}

fn document() -> impl Strategy<Value = Meaning> {
    let zero = Decimal { negative: false, digits: String::new(), exponent: 0 };
    let leaf = prop_oneof![
        1 => Just(Meaning::Null),
        1 => any::<bool>().prop_map(Meaning::Bool),
        1 => Just(Meaning::Number(zero)),
        4 => decimal().prop_map(Meaning::Number),
        3 => text().prop_map(Meaning::Text),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Meaning::List),
            btree_map(text(), inner, 0..5).prop_map(Meaning::Members),
        ]
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{0,2}", "[\"\\\\/\n\t\u{0}é€𝄞\u{fffd}]{0,3}", any::<String>()]
}

fn same(one: &str, other: &str) -> bool {
    fingerprint(one.as_bytes()) == fingerprint(other.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn one_meaning_has_one_fingerprint(document in document(), seeds in any::<[u64; 2]>()) {
        let [one, other] = seeds.map(|seed| spelled(&document, &mut Random(seed)));
        let read = Meaning::read(one.as_bytes());
        prop_assert_eq!(read.as_ref(), Some(&document), "{}", one);
        prop_assert!(!is_raw(one.as_bytes()), "{} is taken raw", one);
        prop_assert!(same(&one, &other), "{} {}", one, other);
    }

    #[test]
    fn another_meaning_has_another(document in document(), seeds in any::<[u64; 3]>()) {
        let [mut change, mut one, mut other] = seeds.map(Random);
        let near = changed(&document, &mut change);
        let (one, other) = (spelled(&document, &mut one), spelled(&near, &mut other));
        prop_assert_eq!(document == near, same(&one, &other), "{} {}", one, other);
    }

    /// From 2^53 on, some integers are no doubles. Such an integer would look like its neighbour.
    #[test]
    fn an_integer_beyond_2_to_the_53rd_is_taken_raw(integer in 1_u128 << 53..1 << 80, negative in any::<bool>()) {
        let sign = if negative { "-" } else { "" };
        let amount = |integer: u128| format!("{{\"amount\":{sign}{integer}}}");
        for body in [amount(integer), format!("[{sign}{integer}.0, 1]")] {
            let spaced = format!("{body} ");
            prop_assert!(is_raw(body.as_bytes()), "{} is not taken raw", body);
            prop_assert!(!same(&body, &spaced));
        }
        prop_assert!(!same(&amount(integer), &amount(integer + 1)));
    }

    #[test]
    fn large_numbers_are_taken_raw_however_they_are_spelled(digit in 1..10, power in 15..300_usize) {
        let zeros = "0".repeat(power);
        for body in [format!("{digit}e{power}"), format!("0.{digit}E+{}", power + 1), format!("{digit}{zeros}.0")] {
            prop_assert!(is_raw(body.as_bytes()), "{} is not taken raw", body);
        }
    }

    #[test]
    fn more_digits_than_a_double_keeps_are_taken_raw(digits in "[1-9][0-9]{14,30}[1-9]", point in 1..15_usize) {
        let (whole, fraction) = digits.split_at(point);
        for body in [format!("{whole}.{fraction}"), format!("0.00{digits}"), format!("{whole}.{fraction}e-5")] {
            prop_assert!(is_raw(body.as_bytes()), "{} is not taken raw", body);
        }
    }

    /// Holds for every spelling of the name, at every depth.
    #[test]
    fn a_member_that_is_named_twice_is_taken_raw(
        document in btree_map(text(), document(), 1..4),
        again in document(),
        seed in any::<u64>(),
        depth in 0..5_usize,
    ) {
        let random = &mut Random(seed);
        let names: Vec<String> = document.keys().cloned().collect();
        let twice = spelled_text(&names[random.below(names.len())], random);
        let object = spelled(&Meaning::Members(document), random);
        let object = object.trim_end().strip_suffix('}').expect("an object");
        let body = format!("{}{object},{twice}:{}}}{}", "[".repeat(depth), spelled(&again, random), "]".repeat(depth));
        prop_assert!(is_raw(body.as_bytes()), "{} is not taken raw", body);
        let spaced = format!("{body} ");
        prop_assert!(!same(&body, &spaced));
    }
}

/// Checks the properties of the second reader that the strategies above rely on.
#[test]
fn the_second_reader_reads_decimals() {
    let read = |text: &str| match Meaning::read(text.as_bytes()) {
        Some(Meaning::Number(number)) => Some((number.negative, number.digits, number.exponent)),
        _ => None,
    };
    for (text, digits, exponent) in [("1", "1", 1), ("-0.050", "5", -1), ("120e3", "12", 6), ("0.0", "", 0)] {
        assert_eq!(read(text), Some((text.starts_with('-'), digits.to_owned(), exponent)), "{text}");
    }
    for text in ["", "01", "1.", ".5", "+1", "1e", "0x1", "1 2", "--1"] {
        assert_eq!(read(text), None, "{text}");
    }
    assert_eq!(Meaning::read(b"{\"a\":1,\"\\u0061\":1}"), None);
    assert_eq!(Meaning::read(b" {} "), Some(Meaning::Members(BTreeMap::new())));
}

/// A body at the usual limit, of the kinds that cost the most. The worker that reads it does nothing else
/// meanwhile. The measure is the time that a usual library needs for a tree and its canonical form, because
/// machines differ in speed.
#[test]
fn a_large_document_takes_less_than_a_tree_of_it() {
    let ones = format!("[1{}]", ",1".repeat((1 << 19) - 2));
    let pairs = format!("[1{}]", ",{\"b\":1,\"a\":1}".repeat((1 << 20) / 16));
    for text in [ones, pairs] {
        let here = shortest(|| {
            fingerprint(text.as_bytes());
        });
        let tree = shortest(|| {
            let tree: serde_json::Value = serde_json::from_str(&text).expect("a document");
            serde_json_canonicalizer::to_vec(&tree).expect("it has a canonical form");
        });
        assert!(here < tree, "{here:?} instead of {tree:?}");
    }
}

/// The pointers are an operator's, and the members a stranger's: their numbers must not be multiplied.
#[test]
fn the_number_of_pointers_does_not_multiply_the_time() {
    let members: Vec<String> =
        (0..40_000).map(|number| format!("\"a{number}\":{{\"b\":1,\"e\":2}}")).collect();
    let body = format!("{{{}}}", members.join(","));
    let literal = (0..10_000).map(|number| format!("/a{number}/b"));
    let many: Vec<String> = literal.chain((0..32).map(|number| format!("/*/c/*/d{number}"))).collect();
    for choice in [MemberChoice::except, MemberChoice::only] {
        let time = |pointers: &[String]| {
            let members = choice(pointers.to_vec(), true);
            shortest(|| {
                digest(body.as_bytes(), BodyScheme::JsonMembers { members: members.clone(), sent_as: None });
            })
        };
        let (few, many) = (time(&many[9_999..10_001]), time(&many));
        assert!(many < 20 * few, "{many:?} instead of {few:?}");
    }
}

/// Returns the shortest of three runs.
fn shortest(work: impl Fn()) -> Duration {
    let once = |_| {
        let begin = Instant::now();
        work();
        begin.elapsed()
    };
    (0..9).map(once).min().unwrap_or_default()
}
