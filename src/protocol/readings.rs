//! Other readings of a path: the ways in which some servers read it differently from [`path::lookup`].
//!
//! Most spellings mean the same to all servers that accept them. The following do not:
//!
//! * An escaped slash, an escaped backslash or a backslash separates segments, or is part of one.
//! * An escaped control character is part of a segment, or is ignored. (In a router's pattern, `$` also
//!   matches before a line feed.)
//! * `//name` at the start is two slashes, or an authority (RFC 3986, 4.2), as in `new URL(path, base)`.
//! * `..` after an empty segment removes that segment (RFC 3986, 5.2.4), or the segment before it if empty
//!   segments are dropped first. The same goes for a segment that consists only of `;parameters`, and for
//!   `..;parameters`.
//!
//! This module returns the path in each other reading, so that a path can be refused if a route covers such a
//! reading.

use std::borrow::Cow;

use super::path;

/// A path as some servers read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The path in their reading.
    pub path: String,
    /// True if a scope distinguishes this path from the one that was sent. A key would then name two
    /// operations although one route covers both paths.
    pub is_distinguished: bool,
}

/// Returns the other readings of a path, if any.
#[must_use]
pub fn alternatives(sent: &str) -> Vec<Reading> {
    let bytes = sent.as_bytes();
    if !path::has_pair(sent, b"..")
        && !sent.starts_with("//")
        && !bytes.iter().any(|byte| matches!(byte, b'%' | b'\\'))
    {
        return Vec::new();
    }
    let (mut readings, folded): (Vec<Reading>, _) = (Vec::new(), path::scope_form(sent));
    let mut add = |path: Cow<'_, str>| {
        if path != sent && !readings.iter().any(|reading| reading.path == path) {
            let is_distinguished = path::scope_form(&path) != folded;
            readings.push(Reading { path: path.into_owned(), is_distinguished });
        }
    };
    for base in [Some(sent.to_owned()), path::with_escaped_separators(sent)].into_iter().flatten() {
        let plain = path::unescaped(&base);
        let rest = without_authority(&plain);
        for path in [Some(&*plain), rest].into_iter().flatten() {
            for is_named in [false, true] {
                let resolved = resolved(path, is_named);
                let differs = path::lookup(&resolved) != path::lookup(&plain);
                if differs && path.contains("..") {
                    add(Cow::Owned(resolved));
                }
            }
        }
        if let Some(rest) = rest {
            add(Cow::Borrowed(rest));
        }
        add(Cow::Borrowed(&base));
    }
    readings
}

/// Returns the part after `//name`.
fn without_authority(path: &str) -> Option<&str> {
    let name = path.strip_prefix("//")?.trim_start_matches('/');
    name.find('/').map(|at| &name[at..])
}

/// Removes dot segments from a path, and keeps empty segments meanwhile. If `is_named` is true, segments lose
/// their `;parameters` first.
fn resolved(path: &str, is_named: bool) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match if is_named { path::name(segment) } else { segment } {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(sent: &str, path: &str) -> Option<bool> {
        let reading = alternatives(sent).into_iter().find(|reading| path::lookup(&reading.path) == path);
        reading.map(|reading| reading.is_distinguished)
    }

    #[test]
    fn usual_spellings_have_one_reading() {
        for sent in
            ["/v1/charges", "/v1//charges/", "/v1/./charges", "/v1/x/../charges", "/V1/charges;a=b", "/.."]
        {
            assert_eq!(alternatives(sent), [], "{sent}");
        }
        assert_eq!(reads("/v1/ch%61rges", "/v1/charges"), None);
    }

    #[test]
    fn separators_and_ignored_characters_have_another_reading() {
        for sent in
            ["/v1%2Fcharges", "/v1\\charges", "/v1%5ccharges", "/v1/charges%0A", "/v1/x%2F..%2Fcharges"]
        {
            assert_eq!(reads(sent, "/v1/charges"), Some(false), "{sent}");
        }
    }

    #[test]
    fn two_slashes_may_begin_an_authority() {
        for sent in ["//x/v1/charges", "////x/v1/charges", "/\\x/v1/charges", "//x@y/v1/charges"] {
            assert_eq!(reads(sent, "/v1/charges"), Some(true), "{sent}");
        }
        assert_eq!(reads("//x/v1/charges//..", "/v1/charges"), Some(true));
    }

    #[test]
    fn dots_may_remove_an_empty_segment() {
        for sent in [
            "/v1/charges//..",
            "/v1/charges//%2e%2E/",
            "/v1/charges/;/..",
            "/v1/charges/;/..;x",
            "/v1/charges/.;x/..",
            "/v1/charges/..;x/..",
            "/v1/x//../../charges",
        ] {
            assert_eq!(reads(sent, "/v1/charges"), Some(true), "{sent}");
        }
    }
}
