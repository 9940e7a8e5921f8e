//! The history of a record as a timeline: one line for each step, the oldest first.

use serde_json::{Map, Value};

use super::cells::{aligned, text};

/// Members of a step that have a column, or a place in one.
const SHOWN: [&str; 7] = ["at", "event", "execution", "executed", "forced", "by", "note"];

/// Formats the steps, aligned. The members of later gateways come last.
pub(super) fn lines(history: &[Value]) -> Vec<String> {
    let rows = history.iter().map(|step| {
        let execution = step.get("execution").map(|n| format!("execution {}", text(n)));
        let by = step.get("by").map(|by| format!("by {}", text(by)));
        let cells = [Some(text(&step["at"])), Some(event(step)), execution, by, Some(rest(step))];
        cells.into_iter().map(Option::unwrap_or_default).collect()
    });
    aligned(rows.collect()).into_iter().map(|line| format!("  {line}")).collect()
}

/// Returns the event, and the decision where the event is one.
fn event(step: &Value) -> String {
    let executed = match step["executed"].as_bool() {
        None => "",
        Some(true) => " as executed",
        Some(false) => " as not executed",
    };
    let forced = if step["forced"] == true { ", forced" } else { "" };
    format!("{}{executed}{forced}", text(&step["event"]))
}

/// Returns the note, and the members that have no column.
fn rest(step: &Value) -> String {
    let note = step["note"].as_str().map(|_| text(&step["note"]));
    let others = step.as_object().into_iter().flat_map(Map::iter);
    let others = others.filter(|(name, value)| !SHOWN.contains(&name.as_str()) && !value.is_null());
    let others = others.map(|(name, value)| format!("{}={}", text(&name.as_str().into()), text(value)));
    note.into_iter().chain(others).collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn steps_are_aligned_and_cannot_speak_to_the_terminal() {
        let history = json!([
            { "at": "t-1", "event": "claimed", "by": "gateway", "note": null, "execution": 1 },
            { "at": "t-20", "event": "unknown", "by": "gateway", "note": "status 503", "execution": 1 },
            { "at": "t-3", "event": "resolved", "by": "ops\u{7}", "note": "\u{1b}[2Jnot there\n", "execution": 12,
              "executed": false, "forced": true, "ledger\u{8}": "\r\u{9b}x" },
        ]);
        assert_eq!(
            lines(history.as_array().expect("a list")).join("\n"),
            "  t-1   claimed                           execution 1   by gateway\n\
             \x20 t-20  unknown                           execution 1   by gateway   status 503\n\
             \x20 t-3   resolved as not executed, forced  execution 12  by ops\\u{7}  \\u{1b}[2Jnot there\\n  \
             ledger\\u{8}=\\r\\u{9b}x"
        );
    }
}
