//! The paths that a route covers, in a form that does not depend on the spelling of its template: the names
//! of parameters do not count, and under equivalent matching the case of literals does not count either.
//! A pattern under exact matching covers one spelling of each path.
//!
//! Patterns outlive the configuration that wrote them. A store keeps them, and a later configuration is
//! compared with them.

use std::fmt;

use super::path::{Segment, Template};

/// The paths of a route.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    folded: Template,
    is_exact: bool,
}

impl Pattern {
    /// Returns the pattern of a template that treats equivalent spellings as equal.
    #[must_use]
    pub fn equivalent(template: &str) -> Self {
        Self { is_exact: false, ..Self::of(&Template::new(template).shape()) }
    }

    /// Returns the pattern of a template that is compared exactly: its case and its empty segments stay.
    #[must_use]
    pub fn exact(template: &str) -> Self {
        Self { is_exact: true, ..Self::of(template) }
    }

    /// Reads a pattern that was printed as `text`, or a template as it was written. The pattern is exact if
    /// its text is not one that an equivalent pattern has.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let (shape, text) = (Template::new(text).shape(), unnamed(text));
        Self { is_exact: text != unnamed(&shape), folded: Template::new(&shape), text }
    }

    /// Tells whether the paths are compared exactly.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Tells whether both patterns cover the same paths if equivalent spellings are equal.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.folded == other.folded
    }

    /// Tells whether both patterns cover some common path.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        overlap(self.folded.segments(), other.folded.segments()).is_some()
    }

    /// Tells whether this pattern wins the paths that both cover.
    #[must_use]
    pub fn is_more_exact(&self, other: &Self) -> bool {
        self.folded.is_more_exact(&other.folded)
    }

    /// Tells whether this pattern covers every path of `other`, in each of its spellings.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let covers_names = covers(self.folded.segments(), other.folded.segments());
        covers_names
            && match (self.is_exact, other.is_exact) {
                (false, _) => true,
                (true, true) => covers(&self.spelled(), &other.spelled()),
                // A literal has other spellings, and a parameter covers no empty segment beside it.
                (true, false) => matches!(self.folded.segments(), [Segment::Rest]),
            }
    }

    /// Returns the segments as they are written, with the empty ones.
    fn spelled(&self) -> Vec<Segment> {
        let segment = |text: &str| match text {
            "{*}" => Segment::Rest,
            "{}" => Segment::Parameter,
            text => Segment::Literal(text.to_owned()),
        };
        self.text.split('/').skip(1).map(segment).collect()
    }

    /// Tells whether this pattern covers every path that `one` and `other` have in common. Returns true if
    /// they have none.
    #[must_use]
    pub fn covers_overlap(&self, one: &Self, other: &Self) -> bool {
        let common = overlap(one.folded.segments(), other.folded.segments());
        common.is_none_or(|common| covers(self.folded.segments(), &common))
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.is_exact == other.is_exact
    }
}

impl Eq for Pattern {}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns a template without the names of its parameters.
fn unnamed(template: &str) -> String {
    let unnamed = template.split('/').map(|segment| match segment.strip_prefix('{') {
        Some(rest) if rest.starts_with('*') => "{*}",
        Some(_) => "{}",
        None => segment,
    });
    unnamed.collect::<Vec<_>>().join("/")
}

/// Returns the segments of the paths that both cover, or `None` if there is no such path.
fn overlap(one: &[Segment], other: &[Segment]) -> Option<Vec<Segment>> {
    match (one.split_first(), other.split_first()) {
        (None, None) => Some(Vec::new()),
        (Some((Segment::Rest, _)), Some(_)) => Some(other.to_vec()),
        (Some(_), Some((Segment::Rest, _))) => Some(one.to_vec()),
        (Some((first, one)), Some((second, other))) => {
            let both = match (first, second) {
                (Segment::Literal(text), Segment::Literal(same)) if text == same => first,
                (Segment::Literal(_), Segment::Literal(_)) => return None,
                (Segment::Literal(_), _) => first,
                (_, second) => second,
            };
            let rest = overlap(one, other)?;
            Some(std::iter::once(both.clone()).chain(rest).collect())
        }
        _ => None,
    }
}

fn covers(wide: &[Segment], narrow: &[Segment]) -> bool {
    match (wide.split_first(), narrow.split_first()) {
        (None, None) => true,
        (Some((Segment::Rest, _)), Some(_)) => true,
        (Some((Segment::Parameter, wide)), Some((Segment::Literal(text), narrow))) => {
            !text.is_empty() && covers(wide, narrow)
        }
        (Some((Segment::Parameter, wide)), Some((Segment::Parameter, narrow))) => covers(wide, narrow),
        (Some((Segment::Literal(text), wide)), Some((Segment::Literal(same), narrow))) => {
            text == same && covers(wide, narrow)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::equivalent(text)
    }

    #[test]
    fn names_of_parameters_and_equivalent_spellings_do_not_count() {
        assert_eq!(pattern("/V1/{id}/charges/"), pattern("/v1/{charge}//charges"));
        assert_eq!(pattern("/v1/{*rest}"), pattern("/v1/{*all}"));
        assert_ne!(pattern("/v1/{id}"), pattern("/v1/{*id}"));
        assert_ne!(Pattern::exact("/V1/{id}"), Pattern::exact("/v1/{id}"));
        assert_eq!(Pattern::exact("/v1/{id}"), Pattern::exact("/v1/{charge}"));
        assert_ne!(Pattern::exact("/v1/{id}"), pattern("/v1/{id}"));
        assert!(Pattern::exact("/V1/{id}").is_like(&pattern("/v1/{charge}")));
    }

    #[test]
    fn a_pattern_survives_being_printed() {
        for text in ["/", "/v1/charges", "/v1/{id}/x", "/v1/{*rest}", "/{*rest}"] {
            let pattern = pattern(text);
            let printed = Pattern::of(&pattern.to_string());
            assert!(printed == pattern && printed.is_like(&pattern), "{pattern}");
        }
    }

    #[test]
    fn patterns_overlap_if_a_path_fits_both() {
        for (one, other, overlaps) in [
            ("/{*rest}", "/v1/charges", true),
            ("/{*rest}", "/", false),
            ("/v1/{id}", "/v1/charges", true),
            ("/v1/{id}", "/v1/charges/x", false),
            ("/v1/{id}/x", "/v1/charges/{what}", true),
            ("/v1/{id}/x", "/v1/charges/{*rest}", true),
            ("/v1/{*rest}", "/v2/{*rest}", false),
            ("/v1", "/v1/{*rest}", false),
        ] {
            let (one, other) = (pattern(one), pattern(other));
            assert_eq!(
                (one.overlaps(&other), other.overlaps(&one)),
                (overlaps, overlaps),
                "{one} and {other}"
            );
        }
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        for (wide, narrow, covered) in [
            ("/{*rest}", "/v1/{id}", true),
            ("/{*rest}", "/", false),
            ("/v1/{id}", "/v1/charges", true),
            ("/v1/charges", "/v1/{id}", false),
            ("/v1/{id}", "/v1/{*rest}", false),
            ("/v1/{*rest}", "/v1/{*all}", true),
        ] {
            assert_eq!(pattern(wide).covers(&pattern(narrow)), covered, "{wide} over {narrow}");
        }
        for (wide, narrow, covered) in [
            (Pattern::exact("/v1/charges"), pattern("/v1/charges"), false),
            (Pattern::exact("/v1/{id}"), pattern("/v1/{id}"), false),
            (Pattern::exact("/{id}"), pattern("/{id}"), false),
            (Pattern::exact("/v1/{*rest}"), pattern("/v1/{*rest}"), false),
            (Pattern::exact("/{*rest}"), pattern("/{*rest}"), true),
            (Pattern::exact("/{*rest}"), pattern("/v1/charges"), true),
            (Pattern::exact("/v1/charges"), Pattern::exact("/v1/charges"), true),
            (Pattern::exact("/v1/{id}"), Pattern::exact("/v1/Charges"), true),
            (Pattern::exact("/v1/charges"), Pattern::exact("/v1/Charges"), false),
            (Pattern::exact("/v1/charges"), Pattern::exact("/v1/charges/"), false),
            (Pattern::exact("/v1/{id}"), Pattern::exact("/v1/"), false),
            (pattern("/v1/charges"), Pattern::exact("/V1/Charges/"), true),
        ] {
            assert_eq!(wide.covers(&narrow), covered, "{wide} over {narrow}");
        }
        let charges = pattern("/v1/charges");
        assert!(charges.covers_overlap(&pattern("/{*rest}"), &pattern("/v1/charges")));
        assert!(!charges.covers_overlap(&pattern("/{*rest}"), &pattern("/v1/{id}")));
    }
}
