//! Two bodies have one fingerprint as JSON exactly when they mean the same; where a double cannot say what they
//! mean, or a member is named twice, their bytes count.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use crate::mutation::Random;
use crate::targets::{Decimal, Meaning, fingerprint, is_raw};

fn decimal() -> impl Strategy<Value = Decimal> {
    let digits = prop_oneof!["[1-9]", "[1-9][0-9]{0,5}", "[1-9][0-9]{14}"];
    (any::<bool>(), digits, prop_oneof![-3..18_i64, -200..200_i64]).prop_map(
        |(negative, digits, exponent)| Decimal {
            negative,
            digits: digits.trim_end_matches('0').to_owned(),
            exponent,
        },
    )
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

/// The document in a spelling that chance decides.
fn spelled(meaning: &Meaning, random: &mut Random) -> String {
    let space = |random: &mut Random| *random.pick(&["", "", " ", "\n", "\t\r\n"]);
    let (before, after) = (space(random), space(random));
    let inner = match meaning {
        Meaning::Null => "null".into(),
        Meaning::Bool(value) => value.to_string(),
        Meaning::Number(number) => spelled_number(number, random),
        Meaning::Text(text) => spelled_text(text, random),
        Meaning::List(items) => {
            let items: Vec<String> = items.iter().map(|item| spelled(item, random)).collect();
            format!("[{}{}]", space(random), items.join(","))
        }
        Meaning::Members(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(name, value)| {
                    format!(
                        "{}{}{}:{}",
                        space(random),
                        spelled_text(name, random),
                        space(random),
                        spelled(value, random)
                    )
                })
                .collect();
            for last in (1..members.len()).rev() {
                members.swap(last, random.below(last + 1));
            }
            format!("{{{}{}}}", space(random), members.join(","))
        }
    };
    format!("{before}{inner}{after}")
}

fn spelled_text(text: &str, random: &mut Random) -> String {
    let mut spelled = String::from("\"");
    for character in text.chars() {
        let short = match character {
            '"' => Some("\\\""),
            '\\' => Some("\\\\"),
            '/' => Some("\\/"),
            '\n' => Some("\\n"),
            '\t' => Some("\\t"),
            _ => None,
        };
        let bare = character >= ' ' && !matches!(character, '"' | '\\');
        match (random.below(3), short) {
            (0, Some(short)) => spelled.push_str(short),
            (0 | 1, _) if bare => spelled.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(spelled, "\\u{unit:04x}").expect("a string takes everything");
                }
            }
        }
    }
    spelled + "\""
}

/// The number with its point anywhere, zeros at its ends, and the exponent that this takes; never with more than 15
/// significant digits.
fn spelled_number(number: &Decimal, random: &mut Random) -> String {
    if number.digits.is_empty() {
        return (*random.pick(&["0", "-0", "0.0", "0e7", "-0.00E-3"])).to_owned();
    }
    let zeros = random.below(16 - number.digits.len());
    let mut digits = format!("{}{}", number.digits, "0".repeat(zeros));
    let sign = if number.negative { "-" } else { "" };
    let point = random.below(digits.len() + 1);
    let mut exponent = number.exponent - point as i64;
    if point == 0 && random.below(2) == 0 {
        digits.insert(0, '0');
        exponent += 1;
    }
    let (whole, fraction) = digits.split_at(point);
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    match exponent {
        0 => format!("{sign}{whole}{point}{fraction}"),
        _ if random.below(2) == 0 => format!("{sign}{whole}{point}{fraction}E{exponent:+}"),
        _ => format!("{sign}{whole}{point}{fraction}e{exponent}"),
    }
}

/// The document with one thing in it changed a little.
fn changed(meaning: &Meaning, random: &mut Random) -> Meaning {
    match meaning {
        Meaning::Null => Meaning::Bool(false),
        Meaning::Bool(value) => Meaning::Bool(!value),
        Meaning::Number(number) => Meaning::Number(changed_number(number, random)),
        Meaning::Text(text) => {
            Meaning::Text(format!("{text}{}", random.pick(&["x", " ", "\u{0}", "\u{301}"])))
        }
        Meaning::List(items) => {
            let mut items = items.clone();
            match (items.len(), random.below(4)) {
                (0, _) | (_, 0) => items.push(Meaning::Null),
                (some, 1) => items.swap(0, some - 1),
                (some, _) => {
                    let at = random.below(some);
                    items[at] = changed(&items[at], random);
                }
            }
            Meaning::List(items)
        }
        Meaning::Members(members) => {
            let mut members = members.clone();
            let names: Vec<String> = members.keys().cloned().collect();
            match (names.len(), random.below(4)) {
                (0, _) | (_, 0) => drop(members.insert("new".into(), Meaning::Null)),
                (_, 1) => drop(members.remove(random.pick(&names))),
                _ => {
                    let name = random.pick(&names);
                    let value = changed(&members[name], random);
                    members.insert(name.clone(), value);
                }
            }
            Meaning::Members(members)
        }
    }
}

fn changed_number(number: &Decimal, random: &mut Random) -> Decimal {
    let Decimal { negative, digits, exponent } = number.clone();
    match random.below(3) {
        _ if digits.is_empty() => Decimal { negative: false, digits: "1".into(), exponent: -180 },
        0 => Decimal { negative: !negative, digits, exponent },
        1 => Decimal { negative, digits, exponent: exponent + 1 },
        // One more in the last of 15 places: nothing nearer is told apart.
        _ => {
            let padded: u64 = format!("{digits:0<15}").parse().expect("15 digits");
            let next = (padded + 1).to_string();
            let exponent = exponent + next.len() as i64 - 15;
            Decimal { negative, digits: next.trim_end_matches('0').to_owned(), exponent }
        }
    }
}

fn same(one: &str, other: &str) -> bool {
    fingerprint(one.as_bytes()) == fingerprint(other.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

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

    /// From 2^53 on not every integer is a double; one that is not would look like its neighbour.
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
    fn more_digits_than_a_double_keeps_are_taken_raw(digits in "[1-9][0-9]{14,30}[1-9]", point in 1..15_usize) {
        let (whole, fraction) = digits.split_at(point);
        for body in [format!("{whole}.{fraction}"), format!("0.00{digits}"), format!("{whole}.{fraction}e-5")] {
            prop_assert!(is_raw(body.as_bytes()), "{} is not taken raw", body);
        }
    }

    /// However its name is spelled, and however deep it lies.
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

/// What the strategies above rely on.
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
