//! The response in a marker row, as the upstream wrote it.

use crate::headers::SuppliedResponse;
use crate::protocol::StoredResponse;

/// The longest response that is read from a row, as JSON text, in bytes.
pub(super) const LONGEST: usize = 32 * 1024 * 1024;

/// The response column of a row.
pub(super) enum Column {
    /// No response.
    Empty,
    /// The text of a response.
    Text(String),
    /// A response longer than [`LONGEST`].
    TooLong,
}

/// Reads the response of `execution`. A response that cannot be used is left out with a warning: the
/// execution has committed all the same.
pub(super) fn read(execution: &str, column: Column) -> Option<StoredResponse> {
    let read = match column {
        Column::Empty => return None,
        Column::TooLong => Err(format!("it has more than {LONGEST} bytes of JSON")),
        Column::Text(text) => parse(&text),
    };
    read.unwrap_or_else(|why| {
        tracing::warn!(execution, "the response in the marker row cannot be used: {why}");
        None
    })
}

/// Parses a response. A JSON `null` is no response.
fn parse(text: &str) -> Result<Option<StoredResponse>, String> {
    // The library's own words would repeat a part of the response.
    let place = |error: serde_json::Error| {
        format!("it is not such a response, at line {}, column {}", error.line(), error.column())
    };
    let supplied: Option<SuppliedResponse> = serde_json::from_str(text).map_err(place)?;
    supplied.map(SuppliedResponse::into_stored).transpose()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_row_without_a_response_has_none() {
        for column in [Column::Empty, Column::Text("null".into()), Column::TooLong] {
            assert_eq!(read("a:1", column), None);
        }
    }

    #[test]
    fn headers_are_an_object_or_pairs_and_belong_to_no_connection() {
        for headers in [
            r#"{"Location": "/c/1", "X-A": ["1", "2"], "Connection": "X-Hop", "X-Hop": "1"}"#,
            r#"[["location", "/c/1"], ["x-a", "1"], ["x-a", "2"], ["transfer-encoding", "chunked"]]"#,
        ] {
            let text = format!(r#"{{"status": 201, "headers": {headers}, "body_base64": "e30="}}"#);
            let response = read("a:1", Column::Text(text)).expect("a response");
            assert_eq!((response.status, &*response.body), (StatusCode::CREATED, &b"{}"[..]));
            let kept = |(name, value): &(http::HeaderName, http::HeaderValue)| {
                (name.as_str().to_owned(), value.to_str().expect("text").to_owned())
            };
            let kept: Vec<_> = response.headers.iter().map(kept).collect();
            let expected = [("location", "/c/1"), ("x-a", "1"), ("x-a", "2")];
            assert_eq!(kept, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }

    #[test]
    fn a_response_that_cannot_be_used_is_left_out() {
        for text in ["{}", "7", r#"{"status": 99}"#, r#"{"status": 200, "body": "x"}"#] {
            assert_eq!(read("a:1", Column::Text(text.into())), None, "{text}");
        }
    }
}
