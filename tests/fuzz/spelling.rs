//! Documents in one of their many spellings, and documents that differ a little.

use std::fmt::Write as _;

use crate::mutation::Random;
use crate::targets::{Decimal, Meaning};

/// Returns the document in a random spelling.
pub fn spelled(meaning: &Meaning, random: &mut Random) -> String {
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

/// Returns a text with each character bare or escaped, at random.
pub fn spelled_text(text: &str, random: &mut Random) -> String {
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

/// Returns the number with its point at any place, with extra zeros, and with the fitting exponent. The
/// result never has more than 15 significant digits.
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

/// Returns the document with one small change.
pub fn changed(meaning: &Meaning, random: &mut Random) -> Meaning {
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
        // Adds one at the last of 15 digits. A double does not tell nearer numbers apart.
        _ => {
            let padded: u64 = format!("{digits:0<15}").parse().expect("15 digits");
            let next = (padded + 1).to_string();
            let exponent = exponent + next.len() as i64 - 15;
            Decimal { negative, digits: next.trim_end_matches('0').to_owned(), exponent }
        }
    }
}
