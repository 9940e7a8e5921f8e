//! YAML in which each text is a text for every reader.
//!
//! The library writes YAML 1.2. Readers of YAML 1.1, which are many, take a plain `no` for a boolean, `1:30` for
//! a number and `2026-01-02` for a date, so such texts are quoted. A place holder, which the library writes as
//! it is, stands for each of them until the rest is written.

use yaml_serde::{Mapping, Value};

/// The beginning of a place holder.
const HOLDER: &str = "OncegateQuotes";
/// The longest text that is looked at, in bytes. Numbers and dates are shorter.
const LONGEST: usize = 128;

/// Writes a document.
///
/// # Errors
/// The library's, for a value that YAML cannot hold.
pub fn to_yaml(root: &Value) -> Result<String, yaml_serde::Error> {
    let mut texts = Vec::new();
    let written = yaml_serde::to_string(&held(root, &mut texts))?;
    let mut parts = written.split(HOLDER);
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number =
            part.split_once('x').and_then(|(number, rest)| Some((number.parse::<usize>().ok()?, rest)));
        match number.and_then(|(number, rest)| Some((texts.get(number)?, rest))) {
            Some((text, rest)) => {
                filled.push_str(&format!("'{}'", text.replace('\'', "''")));
                filled.push_str(rest);
            }
            None => {
                filled.push_str(HOLDER);
                filled.push_str(part);
            }
        }
    }
    Ok(filled)
}

/// Returns a value with place holders for the texts that need quotes.
fn held(value: &Value, texts: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) if needs_quotes(text) => {
            texts.push(text.clone());
            format!("{HOLDER}{}x", texts.len() - 1).into()
        }
        Value::Sequence(items) => items.iter().map(|item| held(item, texts)).collect(),
        Value::Mapping(members) => {
            let member = |(key, value): (&Value, &Value)| (held(key, texts), held(value, texts));
            Value::Mapping(members.iter().map(member).collect::<Mapping>())
        }
        other => other.clone(),
    }
}

/// Tells whether a reader of YAML 1.1 may take a plain text for something else. A text with the beginning of a
/// place holder is one as well, so that none is mistaken for one.
fn needs_quotes(text: &str) -> bool {
    let is_plain = text.len() <= LONGEST && text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let is_word = || {
        let words = ["y", "n", "yes", "no", "on", "off"];
        words.iter().any(|word| text.eq_ignore_ascii_case(word))
    };
    let is_number = || text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    is_plain && (is_word() || is_number() || text.contains(HOLDER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_reader_takes_for_something_else_is_quoted() {
        for (text, written) in [
            ("no", "'no'"),
            ("Yes", "'Yes'"),
            ("off", "'off'"),
            ("true", "'true'"),
            ("1:30", "'1:30'"),
            ("2026-01-02", "'2026-01-02'"),
            ("0o17", "'0o17'"),
            ("1_000", "'1_000'"),
            ("+1", "'+1'"),
            (".5", "'.5'"),
            ("3'x", "'3''x'"),
            ("note", "note"),
            ("a no", "a no"),
            ("OncegateQuotes0x", "'OncegateQuotes0x'"),
        ] {
            assert_eq!(to_yaml(&Value::from(text)).expect("YAML"), format!("{written}\n"));
        }
    }

    #[test]
    fn a_document_reads_as_it_was() {
        let text = "on: [no, 'no', \"1:30\", 200, true, null, 1.5]\n'200': { y: |-\n  - no\n  - 'on' }\n";
        let text = text.replace("{ y: |-\n  - no\n  - 'on' }", "\n  y: |-\n    - no\n    - 'on'");
        let root: Value = yaml_serde::from_str(&text).expect("YAML");
        let written = to_yaml(&root).expect("YAML");
        assert_eq!(yaml_serde::from_str::<Value>(&written).expect("YAML"), root, "{written}");
        assert!(written.starts_with("'on':\n- 'no'\n- 'no'\n- '1:30'\n- 200\n"), "{written}");
        assert!(written.contains("    - no\n"), "a text of several lines stays: {written}");
    }
}
