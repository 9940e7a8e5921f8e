//! Answers as text for people.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::cells::{aligned, text};
use super::history;

const COLUMNS: [(&str, &str); 7] = [
    ("ID", "id"),
    ("STATE", "state"),
    ("N", "execution"),
    ("STATUS", "status"),
    ("REASON", "reason"),
    ("ROUTE", "route"),
    ("UPDATED", "updated_at"),
];

/// Members of one record, in the order of the contract.
const MEMBERS: [&str; 14] = [
    "id",
    "namespace",
    "route",
    "state",
    "execution",
    "reason",
    "executed",
    "status",
    "created_at",
    "updated_at",
    "lease_until",
    "quiet_at",
    "expires_at",
    "attempts",
];

/// Formats a table of records, and says how to go on if there are more. Labels have a column if a record has
/// some.
pub(super) fn list(answer: &Value) -> String {
    let records = answer["records"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has_labels = records.iter().any(|record| !labels(record).is_empty());
    let columns = COLUMNS.iter().chain(has_labels.then_some(&("LABELS", "labels")));
    let header = columns.clone().map(|(title, _)| (*title).to_owned()).collect();
    let rows = records.iter().map(|record| {
        let cell = |(_, member): &(&str, &str)| match *member {
            "labels" => values(record),
            member => text(&record[member]),
        };
        columns.clone().map(cell).collect()
    });
    let mut lines = match records {
        [] if answer["next_cursor"].is_string() => vec!["no records so far".to_owned()],
        [] => vec!["no records".to_owned()],
        _ => aligned(std::iter::once(header).chain(rows).collect()),
    };
    if let Some(cursor) = answer["next_cursor"].as_str() {
        lines.push(format!("there may be more: --cursor {cursor}"));
    }
    lines.join("\n")
}

/// Formats one member in each line, and the stored response last.
pub(super) fn record(answer: &Value) -> String {
    let mut rows: Vec<_> = MEMBERS.iter().map(|name| vec![(*name).to_owned(), text(&answer[name])]).collect();
    let labels = labels(answer);
    if labels.is_empty() {
        rows.push(vec!["labels".into(), "-".into()]);
    }
    for (index, (name, value)) in labels.iter().enumerate() {
        let title = if index == 0 { "labels" } else { "" };
        rows.push(vec![title.into(), format!("{name}: {value}")]);
    }
    rows.extend(others(answer));
    let mut lines = aligned(rows);
    if let Some(history) = answer["history"].as_array() {
        lines.push("history".into());
        lines.extend(history::lines(history));
    }
    match answer.get("response") {
        None => {}
        Some(Value::Null) => lines.push("no response is stored".into()),
        Some(stored) => lines.extend(["".into(), response(stored)]),
    }
    lines.join("\n")
}

/// Returns the members that this command does not know, because a later gateway shows them.
fn others(record: &Value) -> impl Iterator<Item = Vec<String>> {
    let shown = |name: &str| MEMBERS.contains(&name) || ["labels", "history", "response"].contains(&name);
    let members = record.as_object().into_iter().flatten();
    let others = members.filter(move |(name, _)| !shown(name));
    others.map(|(name, value)| vec![text(&Value::from(name.as_str())), text(value)])
}

/// Returns the names and values of a record's labels.
fn labels(record: &Value) -> Vec<(String, String)> {
    let labels = record["labels"].as_object().into_iter().flatten();
    labels.map(|(name, value)| (text(&Value::from(name.as_str())), text(value))).collect()
}

/// Returns the values of a record's labels in one cell.
fn values(record: &Value) -> String {
    let values: Vec<String> = labels(record).into_iter().map(|(_, value)| value).collect();
    if values.is_empty() { "-".into() } else { values.join(", ") }
}

fn response(stored: &Value) -> String {
    let mut lines = vec![format!("status {}", text(&stored["status"]))];
    for header in stored["headers"].as_array().into_iter().flatten() {
        lines.push(format!("{}: {}", text(&header[0]), text(&header[1])));
    }
    let encoded = stored["body_base64"].as_str().unwrap_or_default();
    lines.extend(["".into(), body(encoded)]);
    lines.join("\n")
}

/// Returns the body as text if it is harmless text, and in base64 otherwise: the gateway did not write the
/// body, and a terminal obeys control characters.
fn body(encoded: &str) -> String {
    let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let harmless = |text: &String| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    decoded.filter(harmless).unwrap_or_else(|| format!("(base64) {encoded}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_aligned_and_says_how_to_go_on() {
        let answer = json!({
            "records": [
                { "id": "aa", "state": "unknown", "execution": 1, "reason": "lease over", "route": "pay" },
                { "id": "bb", "state": "completed", "execution": 12, "status": 201, "route": "refund" },
            ],
            "next_cursor": "bb",
        });
        assert_eq!(
            list(&answer),
            "ID  STATE      N   STATUS  REASON      ROUTE   UPDATED\n\
             aa  unknown    1   -       lease over  pay     -\n\
             bb  completed  12  201     -           refund  -\n\
             there may be more: --cursor bb"
        );
        let labelled = json!({ "records": [
            { "id": "aa", "labels": { "x-request-id": "r-1", "/order": "o 7" } },
            { "id": "bb", "labels": {} },
        ] });
        assert_eq!(
            list(&labelled),
            "ID  STATE  N  STATUS  REASON  ROUTE  UPDATED  LABELS\n\
             aa  -      -  -       -       -      -        o 7, r-1\n\
             bb  -      -  -       -       -      -        -"
        );
        assert_eq!(list(&json!({ "records": [], "next_cursor": null })), "no records");
        let empty = json!({ "records": [], "next_cursor": "bb" });
        assert_eq!(list(&empty), "no records so far\nthere may be more: --cursor bb");
    }

    #[test]
    fn each_label_has_a_line() {
        let shown = record(&json!({ "id": "aa", "labels": { "x-request-id": "r-1", "/order": "o 7" } }));
        assert!(
            shown.ends_with("attempts     -\nlabels       /order: o 7\n             x-request-id: r-1"),
            "{shown}"
        );
        assert!(record(&json!({ "id": "aa", "labels": {} })).ends_with("\nlabels       -"));
    }

    #[test]
    fn a_stored_body_cannot_speak_to_the_terminal() {
        assert_eq!(body(&STANDARD.encode("{\n}")), "{\n}");
        assert_eq!(body(&STANDARD.encode("\u{1b}[2J")), "(base64) G1sySg==");
        assert_eq!(body(&STANDARD.encode([0xff])), "(base64) /w==");
    }
}
