//! How some servers read a path otherwise than [`path::lookup`] does.
//!
//! Most spellings mean the same to all servers that take them, or nothing. These do not:
//!
//! * an escaped slash, an escaped backslash or a backslash separates segments, or is part of one;
//! * an escaped control character is part of a segment, or does not count: `$` ends a router's pattern before
//!   a line feed, too;
//! * `//name` at the start is two slashes, or an authority (RFC 3986, 4.2), as `new URL(path, base)` has it;
//! * `..` after an empty segment takes that one away (RFC 3986, 5.2.4), or the one before it, where empty
//!   segments are dropped first; the same with a segment of nothing but `;parameters`, and with `..;parameters`.
//!
//! A path is given here in each other reading, so that it can be refused where a route covers that one.

use std::borrow::Cow;

use super::path;

/// A path as some servers read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The path that they read.
    pub path: String,
    /// Whether a scope tells this path from the one that was sent, so that a key would be two operations
    /// though one route covers both.
    pub is_told_apart: bool,
}

/// The other readings of a path, if any.
#[must_use]
pub fn others(sent: &str) -> Vec<Reading> {
    let bytes = sent.as_bytes();
    if !sent.contains("..")
        && !sent.starts_with("//")
        && !bytes.iter().any(|byte| matches!(byte, b'%' | b'\\'))
    {
        return Vec::new();
    }
    let (mut readings, folded): (Vec<Reading>, _) = (Vec::new(), path::whole(sent));
    let mut add = |path: Cow<'_, str>| {
        if path != sent && !readings.iter().any(|reading| reading.path == path) {
            let is_told_apart = path::whole(&path) != folded;
            readings.push(Reading { path: path.into_owned(), is_told_apart });
        }
    };
    for base in [Some(sent.to_owned()), path::misread(sent)].into_iter().flatten() {
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

/// What follows `//name`.
fn without_authority(path: &str) -> Option<&str> {
    let name = path.strip_prefix("//")?.trim_start_matches('/');
    name.find('/').map(|at| &name[at..])
}

/// The path without dot segments, empty segments kept while they are taken out. Where `is_named`, segments
/// lose their `;parameters` before that.
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
        let reading = others(sent).into_iter().find(|reading| path::lookup(&reading.path) == path);
        reading.map(|reading| reading.is_told_apart)
    }

    #[test]
    fn usual_spellings_have_one_reading() {
        for sent in
            ["/v1/charges", "/v1//charges/", "/v1/./charges", "/v1/x/../charges", "/V1/charges;a=b", "/.."]
        {
            assert_eq!(others(sent), [], "{sent}");
        }
        assert_eq!(reads("/v1/ch%61rges", "/v1/charges"), None);
    }

    #[test]
    fn characters_that_separate_or_do_not_count() {
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
    fn dots_may_take_an_empty_segment_away() {
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
