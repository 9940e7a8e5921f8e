//! Sample paths of the routes of two configurations: one for each way in which two of their templates share
//! paths.
//!
//! The route tables themselves are asked for these paths, so that the rules of matching exist once. In the
//! place of a parameter, a sample has a segment that no template names. If such a sample has another winner
//! than the two templates that it was made of, then the template of that winner covers all their common
//! paths.

use std::collections::BTreeSet;

use crate::config::{Config, Route};
use crate::protocol::Pattern;
use crate::protocol::path::Template;
use crate::routes::identity::pattern_of;

/// A segment that is no literal of a template. It has no letters, so its case does not change.
const ANY: &str = "84601928374650";

/// Returns a path for people, with parameters instead of the samples for them.
pub(super) fn shown(path: &str) -> String {
    path.replace(ANY, "{…}")
}

/// Returns the sample paths: first those that are spelled as the templates are, then the same paths in
/// another spelling.
pub(super) fn of(old: &Config, new: &Config) -> Vec<String> {
    let routes = || old.routes.iter().chain(&new.routes);
    let patterns: Vec<(&Route, Pattern)> = routes().map(|route| (&**route, pattern_of(route))).collect();
    let longest = routes().map(|route| route.template.segments().len()).max().unwrap_or(0);
    let mut samples = BTreeSet::new();
    for (one, pattern) in &patterns {
        for (other, _) in patterns.iter().filter(|(_, other)| pattern.overlaps(other)) {
            // The rest of a path may have any length. One more segment than any template has stands for
            // every longer one.
            let lengths = if one.path.contains("{*") || other.path.contains("{*") { longest + 1 } else { 1 };
            samples.extend((1..=lengths).filter_map(|rest| common(&one.path, &other.path, rest)));
        }
    }
    let respelled: Vec<String> = samples.iter().map(|path| respelled(path)).collect();
    samples.into_iter().chain(respelled).collect()
}

/// Returns a path that both templates cover, in the spelling of the first one; `None` if there is none.
fn common(one: &str, other: &str, rest: usize) -> Option<String> {
    // An exact template may have empty segments, which count.
    let segments: Vec<&str> = one.split('/').skip(1).collect();
    let others: Vec<&str> = other.split('/').filter(|segment| !segment.is_empty()).collect();
    let mut path = String::new();
    for segment in overlap(&segments, &others)? {
        let count = if is_rest(segment) { rest } else { 1 };
        for _ in 0..count {
            path.push('/');
            path.push_str(if is_parameter(segment) { ANY } else { segment });
        }
    }
    Some(path)
}

/// Returns the segments of the paths that both cover.
fn overlap<'s>(one: &[&'s str], other: &[&'s str]) -> Option<Vec<&'s str>> {
    match (one.split_first(), other.split_first()) {
        (None, None) => Some(Vec::new()),
        (Some((&"", one)), _) => Some([vec![""], overlap(one, other)?].concat()),
        (Some((first, _)), Some(_)) if is_rest(first) => Some(other.to_vec()),
        (Some(_), Some((first, _))) if is_rest(first) => Some(one.to_vec()),
        (Some((&first, one)), Some((&second, other))) => {
            let are_literals = !is_parameter(first) && !is_parameter(second);
            if are_literals && Template::new(first).shape() != Template::new(second).shape() {
                return None;
            }
            let common = if is_parameter(first) { second } else { first };
            Some([vec![common], overlap(one, other)?].concat())
        }
        _ => None,
    }
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{')
}

fn is_rest(segment: &str) -> bool {
    segment.starts_with("{*")
}

/// Returns another spelling of a path, which only an equivalent route covers: letters of the other case and a
/// slash at the end.
fn respelled(path: &str) -> String {
    let swap = |letter: char| match letter.is_ascii_lowercase() {
        true => letter.to_ascii_uppercase(),
        false => letter.to_ascii_lowercase(),
    };
    path.chars().map(swap).chain(['/']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_fits_both_templates() {
        for (one, other, common_path) in [
            ("/v1/Charges", "/V1/charges/", Some("/v1/Charges")),
            ("/v1/{id}", "/{*rest}", Some("/v1/ANY")),
            ("/{*rest}", "/v1/{id}/x", Some("/v1/ANY/x")),
            ("/{a}/x/{*rest}", "/v1/{b}/{*rest}", Some("/v1/x/ANY/ANY")),
            ("/v1//x/", "/v1/{id}", Some("/v1//x/")),
            ("/v1/charges", "/v1/charges/{id}", None),
            ("/v1/charges", "/v1/refunds", None),
            ("/", "/{*rest}", None),
            ("/", "/", Some("/")),
        ] {
            let found = common(one, other, 2).map(|path| path.replace(ANY, "ANY"));
            assert_eq!(found.as_deref(), common_path, "{one} and {other}");
        }
    }
}
