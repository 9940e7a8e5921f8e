//! A header on the command line: `NAME: VALUE`.

use http::{HeaderName, HeaderValue};

/// Parses a header.
///
/// # Errors
/// The reason why the text is no header. It does not repeat the text, which may hold a credential.
pub fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    let name = name.trim().parse().map_err(|_| "this is not a header name")?;
    let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| "this is not a header value")?;
    Ok((name, value))
}
