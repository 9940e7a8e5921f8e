//! Paths in the forms that routes, fingerprints and scopes compare.
//!
//! Servers disagree about which spellings are the same path. Three forms answer three questions:
//!
//! * [`lookup`]: the form that finds the route of a path. It ignores empty and dot segments, a trailing
//!   slash, `;parameters` and the case of ASCII letters. Escapes of unreserved characters are decoded (RFC
//!   3986, 6.2.2).
//! * [`Template::form`]: the form for the fingerprint. Literal segments are folded. The value of a parameter
//!   is kept as it was sent, except that escapes of unreserved characters are decoded.
//! * [`scope_form`]: the form for the scope. All parts are folded, values too, so that another spelling can
//!   lead to a mismatch and never to a second operation.
//!
//! The upstream gets the path as it was sent.

use std::borrow::Cow;
use std::fmt;

/// A segment of a path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Text that stands for itself.
    Literal(String),
    /// `{name}`: exactly one segment with any text.
    Parameter,
    /// `{*name}`: one segment or more, to the end of the path.
    Rest,
}

/// A path template, such as `/v1/{resource}`, without its empty segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Segment>);

impl fmt::Display for Template {
    /// Writes the template without the names of its parameters, in a form that [`Template::new`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.0 {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::Parameter => f.write_str("/{}")?,
                Segment::Rest => f.write_str("/{*}")?,
            }
        }
        if self.0.is_empty() { f.write_str("/") } else { Ok(()) }
    }
}

impl Template {
    /// Reads a template such as `/v1/{resource}` or `/v1/{*rest}`.
    #[must_use]
    pub fn new(path: &str) -> Self {
        let segment = |text: &str| match text.strip_prefix('{') {
            Some(rest) if rest.starts_with('*') => Segment::Rest,
            Some(_) => Segment::Parameter,
            None => Segment::Literal(text.to_owned()),
        };
        Self(segments(path, false).into_iter().map(segment).collect())
    }

    /// Returns the segments in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Returns the template for a router that is asked with [`lookup`]: lower-case literals without
    /// `;parameters`, and numbered parameters.
    #[must_use]
    pub fn shape(&self) -> String {
        let mut shape = String::new();
        for (number, segment) in self.0.iter().enumerate() {
            shape.push('/');
            match segment {
                Segment::Literal(text) => shape.push_str(&literal(text)),
                Segment::Parameter => shape.push_str(&format!("{{p{number}}}")),
                Segment::Rest => shape.push_str(&format!("{{*p{number}}}")),
            }
        }
        if shape.is_empty() { "/".to_owned() } else { shape }
    }

    /// Tells whether this template is more exact than `other` at the first segment where they differ in kind.
    /// The more exact template wins the paths that both cover.
    #[must_use]
    pub fn is_more_exact(&self, other: &Self) -> bool {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 2,
            Segment::Parameter => 1,
            Segment::Rest => 0,
        };
        let ranks = self.0.iter().map(rank).zip(other.0.iter().map(rank));
        ranks.into_iter().find(|(one, other)| one != other).is_some_and(|(one, other)| one > other)
    }

    /// Tells whether the template has a parameter.
    #[must_use]
    pub fn has_parameters(&self) -> bool {
        self.0.iter().any(|segment| !matches!(segment, Segment::Literal(_)))
    }

    /// Returns the same form for all spellings of a path that this template covers: the template's own
    /// literals, and values as they were sent, with escapes of unreserved characters decoded.
    ///
    /// A path that the template does not cover keeps its own segments.
    #[must_use]
    pub fn form(&self, sent: &str) -> String {
        let plain = unescaped(sent);
        let mut sent = segments(&plain, false);
        let mut covered = self.fits(&sent);
        if !covered {
            let nameless = segments(&plain, true);
            if self.fits(&nameless) {
                (sent, covered) = (nameless, true);
            }
        }
        let mut form = String::with_capacity(plain.len());
        for (number, text) in sent.iter().enumerate() {
            form.push('/');
            match self.0.get(number) {
                Some(Segment::Literal(literal)) if covered => form.push_str(literal),
                _ => form.push_str(text),
            }
        }
        if form.is_empty() { "/".to_owned() } else { form }
    }

    fn fits(&self, sent: &[&str]) -> bool {
        let open = matches!(self.0.last(), Some(Segment::Rest));
        let long_enough = if open { sent.len() >= self.0.len() } else { sent.len() == self.0.len() };
        long_enough
            && self.0.iter().zip(sent).all(|(segment, sent)| match segment {
                // Most clients send the literals as they stand.
                Segment::Literal(text) => text == sent || literal(text) == literal(sent),
                Segment::Parameter | Segment::Rest => true,
            })
    }
}

/// Returns the forms under which to look for routes that compare equivalent spellings. There is one form, or
/// two if a segment consists only of `;parameters`, because some servers drop such a segment and others keep
/// it.
pub fn lookups(path: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let first = lookup(path);
    let nameless = has_pair(path, b"/;").then(|| Cow::Owned(folded(&unescaped(path), true)));
    std::iter::once(first).chain(nameless)
}

/// Returns the form under which to look for a route that compares equivalent spellings.
#[must_use]
pub fn lookup(path: &str) -> Cow<'_, str> {
    let bytes = path.as_bytes();
    let folds = |byte: &u8| matches!(byte, b'%' | b';' | b'A'..=b'Z');
    let ends = bytes.len() > 1 && bytes.ends_with(b"/");
    if !ends && !bytes.iter().any(folds) && !has_pair(path, b"//") && !has_pair(path, b"/.") {
        return Cow::Borrowed(path);
    }
    Cow::Owned(folded(&unescaped(path), false))
}

fn folded(unescaped: &str, nameless: bool) -> String {
    let segments = segments(unescaped, nameless);
    let names = segments.iter().map(|segment| match name(segment) {
        "" => segment.to_ascii_lowercase(),
        _ => literal(segment),
    });
    names.fold(String::new(), |path, name| path + "/" + &name).or_root()
}

/// Returns the path as some servers read it: an escaped slash, an escaped backslash or a backslash separates
/// segments, and escaped control characters are ignored. Returns `None` if the path has none of these.
#[must_use]
pub(super) fn with_escaped_separators(path: &str) -> Option<String> {
    let mut read = String::with_capacity(path.len());
    let (mut rest, mut ambiguous) = (path, false);
    while let Some(at) = rest.find(['%', '\\']) {
        read.push_str(&rest[..at]);
        let (stands_for, taken) = match escape(&rest.as_bytes()[at..]) {
            _ if rest.as_bytes()[at] == b'\\' => ("/", 1),
            Some(b'/' | b'\\') => ("/", 3),
            Some(byte) if byte.is_ascii_control() => ("", 3),
            _ => ("%", 1),
        };
        ambiguous |= stands_for != "%";
        read.push_str(stands_for);
        rest = &rest[at + taken..];
    }
    read.push_str(rest);
    ambiguous.then_some(read)
}

/// Folds a whole path for a scope: decodes every escape, takes `\` for `/`, drops control characters, empty
/// and dot segments and `;parameters`, and makes letters lower-case.
#[must_use]
pub fn scope_form(path: &str) -> Vec<u8> {
    let mut decoded = decoded(path);
    decoded.retain(|byte| !byte.is_ascii_control());
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        match segment.split(|byte| *byte == b';').next().unwrap_or_default() {
            b"" | b"." => {}
            b".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    let mut scope_form = Vec::with_capacity(decoded.len());
    for name in kept {
        scope_form.push(b'/');
        scope_form.extend_from_slice(name);
    }
    scope_form.make_ascii_lowercase();
    scope_form
}

/// Returns the form under which to look for a route that compares paths exactly: escapes of unreserved
/// characters are decoded and dot segments removed (RFC 3986, 6.2.2.2 and 6.2.2.3).
#[must_use]
pub fn exact(path: &str) -> Cow<'_, str> {
    let plain = unescaped(path);
    if has_pair(&plain, b"/.") { Cow::Owned(without_dots(&plain)) } else { plain }
}

/// Tells whether a path contains these two bytes in a row. Paths are so short that preparing a search for a text
/// takes longer.
pub(super) fn has_pair(path: &str, pair: &[u8; 2]) -> bool {
    path.as_bytes().windows(2).any(|bytes| bytes == pair)
}

/// Returns a segment without its `;parameters`.
pub(super) fn name(segment: &str) -> &str {
    segment.split(';').next().unwrap_or_default()
}

/// Returns the form in which literal segments are compared: without `;parameters`, in lower case, and with
/// escapes decoded. An escape is decoded if its character may stand in a segment and has no other meaning in
/// a path.
fn literal(segment: &str) -> String {
    let is_plain = |char: char| char.is_ascii_graphic() && !"/\\%;?#".contains(char);
    unescape(name(segment), is_plain).to_ascii_lowercase()
}

/// Returns the segments of a path without its empty ones and its dot segments. A segment that consists only
/// of `;parameters` counts as empty unless `nameless` is true.
fn segments(path: &str, nameless: bool) -> Vec<&str> {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match name(segment) {
            "" if segment.is_empty() || !nameless => {}
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    kept
}

pub(super) fn unescaped(path: &str) -> Cow<'_, str> {
    let is_unreserved = |char: char| char.is_ascii_alphanumeric() || "-._~".contains(char);
    if path.contains('%') { Cow::Owned(unescape(path, is_unreserved)) } else { Cow::Borrowed(path) }
}

/// Decodes the escapes of the characters that `decodes` accepts. Writes other escapes with upper-case digits,
/// because the case of those digits has no meaning (RFC 3986, 6.2.2.1).
fn unescape(path: &str, decodes: impl Fn(char) -> bool) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let taken = match escape(&rest.as_bytes()[at..]).map(char::from) {
            Some(char) if decodes(char) => {
                plain.push(char);
                3
            }
            Some(_) => {
                plain.push_str(&rest[at..at + 3].to_ascii_uppercase());
                3
            }
            None => {
                plain.push('%');
                1
            }
        };
        rest = &rest[at + taken..];
    }
    plain.push_str(rest);
    plain
}

/// Returns the byte of the escape at the start of `text`.
fn escape(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

fn decoded(path: &str) -> Vec<u8> {
    let mut rest = path.as_bytes();
    if !rest.contains(&b'%') {
        return rest.to_vec();
    }
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some(first) = rest.first() {
        let (byte, taken) = match escape(rest) {
            Some(byte) if *first == b'%' => (byte, 3),
            _ => (*first, 1),
        };
        decoded.push(byte);
        rest = &rest[taken..];
    }
    decoded
}

fn without_dots(path: &str) -> String {
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

/// The root in place of an empty path.
trait OrRoot {
    fn or_root(self) -> Self;
}

impl OrRoot for String {
    fn or_root(self) -> Self {
        if self.is_empty() { "/".to_owned() } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPELLINGS: [&str; 14] = [
        "/v1/charges",
        "/v1/charges/",
        "/V1/Charges",
        "//v1/charges",
        "/v1//charges",
        "/v1/./charges",
        "/v1/x/../charges",
        "/v1/ch%61rges",
        "/v1/charges;a=b",
        "/v1;x/charges",
        "/v1/%2e/charges",
        "/v1/;x/charges",
        "/../v1/charges",
        "/v1/y/..;z/charges/",
    ];

    #[test]
    fn all_spellings_of_a_path_are_one() {
        let template = Template::new("/v1/charges");
        for spelling in SPELLINGS {
            assert_eq!(lookup(spelling), "/v1/charges", "{spelling}");
            assert_eq!(template.form(spelling), "/v1/charges", "{spelling}");
            assert_eq!(scope_form(spelling), b"/v1/charges", "{spelling}");
        }
        for spelling in ["/v1%2Fcharges", "/v1%5ccharges", "/v1\\charges", "/v1/ch%2561rges"] {
            assert_ne!(lookup(spelling), "/v1/charges", "{spelling}");
        }
    }

    #[test]
    fn escapes_in_a_literal_do_not_count() {
        let template = Template::new("/v1/charges:refund/(a)@b");
        for spelling in ["/v1/charges%3Arefund/(a)@b", "/V1/charges%3arefund/%28a%29%40b/"] {
            assert_eq!(lookup(spelling), template.shape(), "{spelling}");
            assert_eq!(template.form(spelling), "/v1/charges:refund/(a)@b", "{spelling}");
        }
        assert_eq!(Template::new("/v1/charges%3Arefund").shape(), "/v1/charges:refund");
        assert_ne!(lookup("/v1/charges%3Bx"), "/v1/charges");
        assert_eq!(Template::new("/v1/{id}").form("/v1/%c3%a9%2f"), "/v1/%C3%A9%2F");
    }

    #[test]
    fn values_are_compared_as_sent() {
        let template = Template::new("/v1/Customers/{id}/charges");
        let form = |path: &str| template.form(path);
        assert_eq!(form("/v1/customers/cus_%41b/charges/"), "/v1/Customers/cus_Ab/charges");
        assert_ne!(form("/v1/customers/cus_aB/charges"), form("/v1/customers/cus_Ab/charges"));
        assert_eq!(form("/v1/customers/a%2Fb;v=1/charges;x"), "/v1/Customers/a%2Fb;v=1/charges");
        assert_eq!(form("/v1/customers/;v=1/charges"), "/v1/Customers/;v=1/charges");
        assert_eq!(scope_form("/v1/customers/A%2FB;v=1/charges"), b"/v1/customers/a/b/charges");
        let rest = Template::new("/v1/{*rest}");
        assert_eq!(rest.form("/V1//A/./b%2Fc/"), "/v1/A/b%2Fc");
        assert_eq!(rest.form("/elsewhere/X"), "/elsewhere/X");
        assert_eq!(Template::new("/").form("//"), "/");
    }

    #[test]
    fn separators_that_only_some_servers_read_are_found() {
        assert_eq!(with_escaped_separators("/v1%2fa%5Cb\\c%41").as_deref(), Some("/v1/a/b/c%41"));
        assert_eq!(with_escaped_separators("/v1/charges%0A").as_deref(), Some("/v1/charges"));
        assert_eq!(with_escaped_separators("/v1/charges%0d%00%7F").as_deref(), Some("/v1/charges"));
        assert_eq!(scope_form("/v1/charges%0A"), scope_form("/v1/charges"));
        assert_eq!(with_escaped_separators("/v1/ch%61rges"), None);
        assert_eq!(with_escaped_separators("/100%"), None);
        assert_eq!(with_escaped_separators("/%2F%").as_deref(), Some("//%"));
    }

    #[test]
    fn the_exact_form_resolves_escapes_and_dots_only() {
        assert_eq!(exact("/v1/ch%61rges"), "/v1/charges");
        assert_eq!(exact("/a/./b/../c"), "/a/c");
        assert_eq!(exact("/a/.."), "/");
        assert_eq!(exact("/V1//x/"), "/V1//x/");
    }

    #[test]
    fn a_printed_template_is_read_as_the_same_template() {
        for text in ["/V1/{id}/x/{*rest}", "/v1/charges/", "/", "//a/;x/./b;c"] {
            let template = Template::new(text);
            assert_eq!(Template::new(&template.to_string()), template, "{text}");
        }
    }

    #[test]
    fn shapes_number_their_parameters() {
        assert_eq!(Template::new("/V1/{a}/x/{*rest}").shape(), "/v1/{p1}/x/{*p3}");
        assert_eq!(Template::new("/v1/charges/").shape(), "/v1/charges");
        assert_eq!(Template::new("/").shape(), "/");
    }
}
