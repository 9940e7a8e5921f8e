//! Equivalent spellings of one path.

use std::borrow::Cow;

/// The path with unreserved characters unescaped and dot segments removed (RFC 3986, sections
/// 6.2.2.2 and 6.2.2.3).
pub(super) fn equivalent(path: &str) -> Cow<'_, str> {
    let unescaped =
        if path.contains('%') { Cow::Owned(unescape_unreserved(path)) } else { Cow::Borrowed(path) };
    if unescaped.contains("/.") { Cow::Owned(remove_dot_segments(&unescaped)) } else { unescaped }
}

fn unescape_unreserved(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let escaped = rest.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let taken = match escaped.map(char::from) {
            Some(char) if char.is_ascii_alphanumeric() || "-._~".contains(char) => {
                plain.push(char);
                3
            }
            _ => {
                plain.push('%');
                1
            }
        };
        rest = &rest[at + taken..];
    }
    plain.push_str(rest);
    plain
}

fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let last = path.rsplit('/').next().unwrap_or_default();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if last == "." || last == ".." {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_path_has_one_spelling() {
        for path in ["/v1/charges", "/v1/%63harges", "/v1/./charges", "/v1/x/../charges", "/%76%31/charges"] {
            assert_eq!(equivalent(path), "/v1/charges", "{path}");
        }
        // An escaped slash is data, not structure, and a broken escape stays as it is.
        for path in ["/v1%2Fcharges", "/v1/%zz", "/v1/%", "/v1/%é", "/a.b/.c"] {
            assert_eq!(equivalent(path), path);
        }
        assert_eq!(equivalent("/a/.."), "/");
        assert_eq!(equivalent("/../a/."), "/a/");
    }
}
