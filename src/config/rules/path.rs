//! Path templates: `/v1/charges`, `/v1/{resource}` for one segment, `/v1/{*rest}` for the rest.
//!
//! Notations of other proxies and frameworks are refused, such as `*`, `:id` or a regular expression. Taken
//! literally, such a template would cover no path, and all requests would run unprotected.

mod other_notations;

pub use self::other_notations::suggestion;

/// Longest template, in characters.
const MAX_LENGTH: usize = 1024;

/// Checks a template and returns its shape: the template with numbers in place of the parameters' names. Two
/// templates of the same shape cover the same paths.
///
/// # Errors
/// A message that describes the mistake.
pub fn shape(template: &str) -> Result<String, &'static str> {
    let Some(segments) = template.strip_prefix('/') else {
        return Err("it does not start with `/`");
    };
    if template.len() > MAX_LENGTH {
        return Err("it is longer than 1024 characters");
    }
    if template.contains(['?', '#']) {
        return Err("it holds a `?` or `#`, and a query is no part of a path");
    }
    let mut names = Vec::new();
    let mut shape = String::new();
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        shape.push('/');
        let is_last = segments.peek().is_none();
        match parameter(segment)? {
            None if segment.is_empty() && !is_last => return Err("it holds an empty segment"),
            None => {
                literal(segment)?;
                shape.push_str(segment);
            }
            Some(name) if names.contains(&name) => return Err("it names a parameter twice"),
            Some(name) => {
                let star = if segment.starts_with("{*") { "*" } else { "" };
                if !star.is_empty() && !is_last {
                    return Err("a `{*rest}` must be the last segment");
                }
                shape.push_str(&format!("{{{star}p{}}}", names.len()));
                names.push(name);
            }
        }
    }
    Ok(shape)
}

/// Returns the name of the parameter that a segment is, or `None` for a literal segment.
fn parameter(segment: &str) -> Result<Option<&str>, &'static str> {
    if !segment.contains(['{', '}']) {
        return Ok(None);
    }
    let inner = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let name = inner.map(|inner| inner.strip_prefix('*').unwrap_or(inner));
    let is_name =
        |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    name.filter(is_name).map(Some).ok_or("a parameter must be a whole segment, like `{name}` or `{*rest}`")
}

/// Refuses a segment that would not be matched literally.
fn literal(segment: &str) -> Result<(), &'static str> {
    if segment == "." || segment == ".." {
        return Err("it holds a dot segment, which clients resolve before they send a path");
    }
    if segment.contains(';') {
        return Err("it holds a `;`, and `;parameters` do not tell paths apart");
    }
    if segment.contains('\\') {
        return Err("it holds a `\\`, which no path holds, and parameters are no regular expressions");
    }
    if segment.contains('|') {
        return Err("it lists alternatives, each of which is a route of its own");
    }
    if segment.contains('*') {
        return Err("it holds a `*`, which covers nothing here but itself");
    }
    if segment.starts_with(':') {
        return Err("a parameter is not written with `:`");
    }
    if segment.starts_with('$') {
        return Err(
            "a parameter is not written with `$` (a segment whose name has one is covered by `{name}`)",
        );
    }
    if segment.ends_with('$') || segment.contains("(.") || segment.contains("(?") || is_any_text(segment) {
        return Err("it is a regular expression, and is not read as one");
    }
    // Characters of RFC 3986, section 3.3; the escapes are checked below.
    let holds = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@%".contains(c);
    if !segment.chars().all(holds) {
        return Err("it holds a character that no path holds (use percent-encoding)");
    }
    escapes(segment)
}

/// Tells whether a segment is only a regular expression for any text, or for some characters.
fn is_any_text(segment: &str) -> bool {
    let text = segment.trim_matches(['^', '$', '(', ')']);
    matches!(text, ".+" | ".+?") || (text.starts_with('[') && text.ends_with(['+', ']', '}']))
}

/// Refuses escapes that are never matched with a request.
fn escapes(segment: &str) -> Result<(), &'static str> {
    for after in segment.split('%').skip(1) {
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.map(char::from) {
            None => return Err("a `%` is not followed by two hexadecimal digits"),
            Some('/' | '\\') => {
                return Err(
                    "it holds an escaped slash or backslash, and servers disagree whether that separates \
                            segments: such requests are refused",
                );
            }
            Some('{' | '}') => {
                return Err("it holds an escaped brace, and a parameter is written without escapes");
            }
            Some(c) if c.is_ascii_alphanumeric() || "-._~".contains(c) => {
                return Err("it holds an escape of a character that needs none");
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered() {
        for (template, expected) in [
            ("/", "/"),
            ("/v1/charges", "/v1/charges"),
            ("/v1/charges/", "/v1/charges/"),
            ("/V1/Charges", "/V1/Charges"),
            ("/v1/charges:capture", "/v1/charges:capture"),
            ("/~me/a@b/c(1)/d+e=f,g!", "/~me/a@b/c(1)/d+e=f,g!"),
            ("/caf%C3%A9/a%20b", "/caf%C3%A9/a%20b"),
            ("/v1/{a}/x/{b}", "/v1/{p0}/x/{p1}"),
            ("/{*rest}", "/{*p0}"),
            ("/v1/{id}/{*rest}", "/v1/{p0}/{*p1}"),
        ] {
            assert_eq!(shape(template).as_deref(), Ok(expected), "{template}");
            assert!(matchit::Router::new().insert(template, ()).is_ok(), "{template}");
        }
    }

    #[test]
    fn ambiguous_templates_are_refused() {
        for template in [
            "",
            "v1",
            "/a b",
            "/é",
            "/a?b",
            "/a#b",
            "//a",
            "/a//b",
            "/{}",
            "/{*}",
            "/{a",
            "/a}",
            "/{a}.json",
            "/x{a}",
            "/{{a}}",
            "/{*rest}/a",
            "/{a}/{a}",
            "/{a-b}",
            "/a/./b",
            "/a/..",
            "/a;v=1/b",
            "/%7Bid%7D",
            "/a|b",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/%61",
            "/%zz",
            "/100%",
        ] {
            assert!(shape(template).is_err(), "{template}");
        }
    }
}
