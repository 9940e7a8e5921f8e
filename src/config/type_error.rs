//! Messages about values of the wrong type, in the words of a configuration file: the type of the value, the
//! expected type, and the way to write it.
//!
//! The value itself is repeated only if it cannot be a secret: an operator who mistakes one key for another
//! may put a URL or a password at any key.

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::document::{KeyPath, Step};
use super::schema::at;
use super::units::parse_span;

/// Rewrites the message of a deserializer about the value at `path`. `schema` is the schema of that value.
pub(super) fn explain(message: &str, path: &KeyPath, value: Option<&DeValue<'_>>, schema: &Value) -> String {
    let is = value.map_or("something else", kind);
    let no_word = message.starts_with("wanted ") || message == "expected empty table";
    if let (true, Some(values)) = (no_word, schema["enum"].as_array()) {
        let values: Vec<String> =
            values.iter().filter_map(Value::as_str).map(|value| format!("`{value}`")).collect();
        return format!("is {is}; allowed: {}", values.join(" or "));
    }
    let wrong = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    let Some((_, expected)) = wrong.and_then(|wrong| wrong.rsplit_once(", expected ")) else {
        return in_plain_words(message);
    };
    let expected = in_plain_words(&format!("expected {expected}"));
    let expected = expected.strip_prefix("expected ").unwrap_or(&expected);
    let hint = value.and_then(|value| hint(path, value, expected, &schema["default"]));
    let hint = hint.map(|hint| format!("; write {hint}")).unwrap_or_default();
    format!("is {is}; allowed: {expected}{hint}")
}

/// Translates a message of the deserializer into the words of a configuration file.
fn in_plain_words(message: &str) -> String {
    [
        ("unknown field", "unknown key"),
        ("unknown variant", "unknown value"),
        ("there are no fields", "no key is allowed here"),
        ("expected i64", "expected a whole number"),
        ("expected a sequence", "expected an array"),
        ("expected a map", "expected a table"),
        (", expected one of", "; allowed:"),
        (", expected", "; allowed:"),
    ]
    .iter()
    .fold(message.to_owned(), |message, (theirs, ours)| message.replace(theirs, ours))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Returns the notation of the value that was probably meant.
fn hint(path: &KeyPath, value: &DeValue<'_>, expected: &str, default: &Value) -> Option<String> {
    match value {
        DeValue::Integer(number) if expected.contains("string") => {
            number_as_text(path, number.as_str(), default)
        }
        DeValue::Integer(number) if expected.contains("boolean") => match number.as_str() {
            "1" => Some("true".into()),
            "0" => Some("false".into()),
            _ => None,
        },
        DeValue::Float(_) if default.as_str().is_some_and(is_span) => {
            Some("whole units, like \"1500ms\" for 1.5 s".into())
        }
        DeValue::String(text) if expected.starts_with("a whole number") => {
            let number: i64 = text.trim().parse().ok()?;
            Some(format!("{number}, without quotes"))
        }
        DeValue::String(text) if expected.contains("boolean") => {
            let yes = match text.trim().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => true,
                "false" | "no" | "off" | "0" => false,
                _ => return Some("true or false, without quotes".into()),
            };
            Some(format!("{yes}, without quotes"))
        }
        DeValue::String(_) if expected.starts_with("an array") => Some("it in brackets, like [\"…\"]".into()),
        DeValue::String(_) if expected.starts_with("a table") => text_as_table(path),
        DeValue::Table(_) if expected.starts_with("an array") && path.0 == [Step::Key("routes".into())] => {
            Some("[[routes]], with double brackets, for each".into())
        }
        _ => None,
    }
}

/// Finds the arrays in places where the schema has a table: a deserializer would read the items of such an
/// array as the values of the table.
pub(super) fn arrays_for_tables(root: &DeTable<'_>, schema: &Value) -> Vec<KeyPath> {
    let mut found = Vec::new();
    look_for_arrays(root, schema, &KeyPath::default(), &mut found);
    found
}

/// Describes the mistake of an array in the place of a table.
pub(super) fn array_for_table(path: &KeyPath) -> String {
    match path.0.iter().any(|step| matches!(step, Step::Index(_))) {
        true => "is an array; allowed: a table, in braces".into(),
        false => format!("is an array; allowed: a table; write [{path}] once, with single brackets"),
    }
}

fn look_for_arrays(table: &DeTable<'_>, schema: &Value, path: &KeyPath, found: &mut Vec<KeyPath>) {
    for (key, value) in table {
        let path = path.then(Step::Key(key.get_ref().to_string()));
        let schema = at(schema, &KeyPath::of_keys([key.get_ref().as_ref()]));
        match value.get_ref() {
            DeValue::Array(_) if schema["type"] == "object" => found.push(path),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    if let DeValue::Table(table) = item.get_ref() {
                        look_for_arrays(table, &schema["items"], &path.then(Step::Index(index)), found);
                    }
                }
            }
            DeValue::Table(table) => look_for_arrays(table, schema, &path, found),
            _ => {}
        }
    }
}

fn number_as_text(path: &KeyPath, number: &str, default: &Value) -> Option<String> {
    let unit = default
        .as_str()
        .filter(|default| is_span(default))
        .map(|span| span.trim_matches(|c: char| c.is_ascii_digit()));
    match (path.0.last(), unit) {
        (Some(Step::Key(key)), _) if key == "listen" => {
            number.parse::<u16>().ok().map(|port| format!("\"127.0.0.1:{port}\""))
        }
        (_, Some(_)) if number == "0" => Some("\"0s\"".into()),
        (_, Some(unit)) => Some(format!("it with a unit, like \"{number}{unit}\"")),
        // The value may be a password of digits.
        _ => Some("it in quotes".into()),
    }
}

fn is_span(text: &str) -> bool {
    parse_span(text).is_ok()
}

fn text_as_table(path: &KeyPath) -> Option<String> {
    let keys: Vec<&str> = path
        .0
        .iter()
        .filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
        .collect();
    match keys.as_slice() {
        ["upstreams", _] | ["store"] => Some(format!("[{path}], and below it url = \"…\"")),
        ["problems"] | ["problems", _] => Some("[problems.NAME], and its keys below it".into()),
        ["fallback"] => Some("[fallback], and below it upstream = \"…\"".into()),
        [_] => Some(format!("[{path}], and its keys below it")),
        _ => None,
    }
}
