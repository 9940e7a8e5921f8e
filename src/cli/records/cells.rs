//! Values as text for a terminal, in aligned columns.

use serde_json::Value;

/// Formats a value in one line, without characters that a terminal would obey.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => harmless(text),
        other => harmless(&other.to_string()),
    }
}

/// Escapes control characters, and the characters that change the direction of text or end a line.
pub(super) fn harmless(text: &str) -> String {
    let steers =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown =
        |c: char| if c.is_control() || steers(c) { c.escape_default().collect() } else { String::from(c) };
    text.chars().map(shown).collect()
}

/// Aligns the cells of each column.
pub(super) fn aligned(rows: Vec<Vec<String>>) -> Vec<String> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
