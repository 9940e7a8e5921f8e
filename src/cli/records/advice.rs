//! The consequences of an operator's decision: the answers that clients get from then on, and how the
//! decision is taken back.

use serde_json::Value;

use super::cells::text;

/// Returns sentences about the decision that led to this record.
pub(super) fn about(record: &Value) -> String {
    let until = text(&record["expires_at"]);
    let answers = match record["state"].as_str() {
        Some("completed") => format!(
            "Every retry with this key and request gets the stored response, status {}, until {until}.\n\
             A decision with a response cannot be taken back.",
            text(&record["status"])
        ),
        Some("settled") => format!(
            "Every retry with this key and request gets outcome-settled until {until}: the operation was executed, and its \
             response is not known."
        ),
        Some("cleared") => format!(
            "The next attempt with this key and request runs as execution {}, if it comes before {until}.\n\
             A later one gets outcome-unknown, and runs nothing.",
            record["execution"].as_u64().unwrap_or_default() + 1
        ),
        _ => return String::new(),
    };
    match record["state"].as_str() {
        Some("completed") => answers,
        _ => format!("{answers}\n{}", taking_back(&text(&record["id"]))),
    }
}

/// Returns a sentence about a record whose response was deleted.
pub(super) fn about_deleted(record: &Value) -> String {
    match record["state"].as_str() {
        Some("expired") => format!(
            "Every retry with this key and request gets key-expired until {}. A deletion cannot be taken back.",
            text(&record["expires_at"])
        ),
        _ => String::new(),
    }
}

/// Returns a sentence about a record that was reopened.
pub(super) fn about_reopened(record: &Value) -> String {
    let id = text(&record["id"]);
    format!(
        "The outcome is unknown again. Decide it with: oncegate records resolve {id} --executed yes|no --note TEXT"
    )
}

/// Returns sentences about the decision of many records.
pub(super) fn about_many(executed: bool) -> String {
    let answers = match executed {
        true => {
            "Every retry with one of these keys gets outcome-settled: the operation was executed, and its response \
             is not known."
        }
        false => {
            "The next attempt with one of these keys, and the same request, runs the operation again, as the next \
             execution."
        }
    };
    format!("{answers}\n{}", taking_back("ID"))
}

fn taking_back(id: &str) -> String {
    format!(
        "While nothing has happened after it, take it back with: oncegate records reopen {id} --note TEXT"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_decision_says_what_clients_get_and_how_it_is_taken_back() {
        let record = |state: &str| {
            about(&json!({ "id": "aa", "state": state, "status": 201, "execution": 3, "expires_at": "T" }))
        };
        let completed = record("completed");
        assert!(completed.contains("the stored response, status 201, until T."), "{completed}");
        assert!(completed.contains("cannot be taken back"), "{completed}");
        assert!(
            record("settled")
                .starts_with("Every retry with this key and request gets outcome-settled until T:")
        );
        let cleared = record("cleared");
        assert!(cleared.contains("runs as execution 4, if it comes before T."), "{cleared}");
        for state in ["settled", "cleared"] {
            assert!(record(state).ends_with("oncegate records reopen aa --note TEXT"), "{state}");
        }
        assert_eq!(record("unknown"), "");
    }
}
