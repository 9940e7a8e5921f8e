//! The URL of a probe, with places for values of the operation.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Uri};

use crate::protocol::members::{BodyMembers, Pointer};

/// Longest value, in bytes, before it is encoded. A longer one counts as missing.
const LONGEST_VALUE: usize = 256;
/// Longest template, in bytes.
const LONGEST_TEMPLATE: usize = 2048;
/// Largest number of placeholders.
const MOST_PLACEHOLDERS: usize = 8;

/// The URL of a probe: an origin, and a path and a query with placeholders.
#[derive(Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    scheme: Scheme,
    authority: Authority,
    /// Path and query.
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Key,
    Execution,
    Body(Pointer),
}

/// The values that a template takes from a request when its operation is claimed, by the names of their
/// placeholders. A value that the request does not have is not in it.
///
/// The names guard against a template that changed since the claim: a value never fills another placeholder
/// than its own.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(pub BTreeMap<String, String>);

impl fmt::Debug for Values {
    /// Prints only the names, because the values belong to the client.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Debug for UrlTemplate {
    /// Prints the origin and the placeholders, because the rest may hold a credential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UrlTemplate({}, {:?})", self.origin(), self.placeholders())
    }
}

impl UrlTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// The reason, which repeats nothing of the text: a credential may stand in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
        let rest = rest.ok_or("does not start with http:// or https://")?;
        let scheme = if text.starts_with("https") { Scheme::HTTPS } else { Scheme::HTTP };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let authority = self::authority(authority)?;
        if text.len() > LONGEST_TEMPLATE {
            return Err(format!("is longer than {LONGEST_TEMPLATE} bytes"));
        }
        let parts = parts(rest)?;
        let placeholders = parts.iter().filter(|part| part.name().is_some()).count();
        if placeholders > MOST_PLACEHOLDERS {
            return Err(format!("has more than {MOST_PLACEHOLDERS} placeholders"));
        }
        let template = Self { scheme, authority, parts };
        match template.filled_with(|_| Some("0")) {
            Some(_) => Ok(template),
            None => Err("has a path or a query that is not valid, or a segment `.` or `..`".into()),
        }
    }

    /// Tells whether a value of the request's body is needed.
    #[must_use]
    pub fn needs_body(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Body(_)))
    }

    /// Tells whether the URL names the execution.
    #[must_use]
    pub fn names_execution(&self) -> bool {
        self.parts.contains(&Part::Execution)
    }

    /// Returns scheme and authority, with the path `/`.
    #[must_use]
    pub fn origin(&self) -> Uri {
        self.uri(PathAndQuery::from_static("/"))
    }

    /// Returns the names of the values that are taken from the request: `key` and `body:/pointer`.
    #[must_use]
    pub fn placeholders(&self) -> Vec<String> {
        let taken = self.parts.iter().filter(|part| **part != Part::Execution);
        let mut names: Vec<String> = taken.filter_map(Part::name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the text of the template. It may hold a credential.
    #[must_use]
    pub fn text(&self) -> String {
        let part = |part: &Part| match part {
            Part::Literal(literal) => literal.clone(),
            part => format!("{{{}}}", part.name().unwrap_or_default()),
        };
        let parts: String = self.parts.iter().map(part).collect();
        format!("{}://{}{parts}", self.scheme, self.authority)
    }

    /// Takes the needed values from a request.
    #[must_use]
    pub fn values(&self, key: &str, headers: &HeaderMap, body: &[u8]) -> Values {
        let members = if self.needs_body() { BodyMembers::found(headers, body) } else { None };
        let value = |part: &Part| match part {
            Part::Key => Some(key.to_owned()),
            Part::Body(pointer) => members.as_ref()?.member(pointer).text(),
            Part::Literal(_) | Part::Execution => None,
        };
        let named = self.parts.iter().filter_map(|part| Some((part.name()?, value(part)?)));
        // An empty value would ask for the list of all operations instead of one.
        Values(named.filter(|(_, value)| (1..=LONGEST_VALUE).contains(&value.len())).collect())
    }

    /// Makes the URL that asks about one execution. Returns `None` if a value is missing, or if a value would
    /// lead to another path.
    #[must_use]
    pub fn fill(&self, values: &Values, execution: &str) -> Option<Uri> {
        self.filled_with(|part| match part {
            Part::Execution => Some(execution),
            part => values.0.get(&part.name()?).map(String::as_str),
        })
    }

    fn filled_with<'v>(&self, value: impl Fn(&Part) -> Option<&'v str>) -> Option<Uri> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                placeholder => encode(&mut text, value(placeholder)?),
            }
        }
        let slash = if text.starts_with('/') { "" } else { "/" };
        let target: PathAndQuery = format!("{slash}{text}").parse().ok()?;
        (!has_dot_segment(target.path())).then(|| self.uri(target))
    }

    fn uri(&self, target: PathAndQuery) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).unwrap_or_default()
    }
}

impl Part {
    /// Returns the name of a placeholder.
    fn name(&self) -> Option<String> {
        match self {
            Self::Literal(_) => None,
            Self::Key => Some("key".into()),
            Self::Execution => Some("execution".into()),
            Self::Body(pointer) => Some(format!("body:{pointer}")),
        }
    }

    fn placeholder(name: &str) -> Result<Self, String> {
        match (name, name.strip_prefix("body:")) {
            ("key", _) => Ok(Self::Key),
            ("execution", _) => Ok(Self::Execution),
            (_, Some(pointer)) if !pointer.is_empty() => {
                let pointer = Pointer::parse(pointer);
                pointer.map(Self::Body).map_err(|why| format!("has a {{body:…}} that {why}"))
            }
            _ => Err(format!("has braces around something else; allowed: {ALLOWED}")),
        }
    }
}

const ALLOWED: &str = "{key}, {execution} and {body:/json/pointer}, in the path and the query";

/// Checks the authority: a host, and a port if need be.
fn authority(text: &str) -> Result<Authority, String> {
    if text.contains(['{', '}']) {
        return Err(format!("has braces in the host or port; allowed: {ALLOWED}"));
    }
    if text.contains('@') {
        return Err("names a user".into());
    }
    let authority: Authority = text.parse().map_err(|_| "has a host or port that is not valid")?;
    let port = text.strip_prefix(authority.host()).unwrap_or_default();
    let port_fits = port.is_empty() || authority.port_u16().is_some_and(|port| port > 0);
    if authority.host().is_empty() || !port_fits {
        return Err("has a host or port that is not valid".into());
    }
    Ok(authority)
}

/// Splits path and query at their placeholders.
fn parts(text: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let unclosed = || format!("has a {{ without its }}; allowed: {ALLOWED}");
        let (name, after) = after.split_once('}').ok_or_else(unclosed)?;
        parts.push(literal(before)?);
        parts.push(Part::placeholder(name)?);
        rest = after;
    }
    parts.push(literal(rest)?);
    Ok(parts)
}

fn literal(text: &str) -> Result<Part, String> {
    if text.contains('}') {
        return Err(format!("has a }} without its {{; allowed: {ALLOWED}"));
    }
    if text.contains('#') {
        return Err("has a fragment (#)".into());
    }
    if !text.chars().all(|c| c.is_ascii_graphic() && !"\"<>\\^`|".contains(c)) {
        return Err("has a character that a URL does not have; write it as %XX".into());
    }
    Ok(Part::Literal(text.to_owned()))
}

/// Appends a value as one component: each byte but the unreserved ones of RFC 3986 is encoded.
fn encode(text: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(byte.into()),
            // Writing to a string does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
}

/// Tells whether a segment means another place in the path.
fn has_dot_segment(path: &str) -> bool {
    let plain = path.replace("%2e", ".").replace("%2E", ".");
    plain.split('/').any(|segment| matches!(segment, "." | ".."))
}
