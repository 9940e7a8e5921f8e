//! Translation of the path notations of other proxies and frameworks, so that a refusal can say how the same
//! path is written here.

use super::shape;

/// Returns the probable meaning of a refused template, in quotes; `None` if it cannot be guessed.
pub fn suggestion(template: &str) -> Option<String> {
    let path = bare(template);
    let open = path.strip_suffix('*').filter(|path| !path.ends_with('/') && shape(path).is_ok());
    match open.map(to_template) {
        // `/v1/charges*` means the resource and the paths below it.
        Some(Some(path)) => {
            Some(format!("{path:?}, and {:?} in a route of its own", path.clone() + "/{*rest}"))
        }
        _ => to_template(path).filter(|written| written != template).map(|written| format!("{written:?}")),
    }
}

fn to_template(path: &str) -> Option<String> {
    let segments = segments(path.strip_prefix('/').unwrap_or(path));
    if path.is_empty() || segments.iter().rev().skip(1).any(|segment| segment.starts_with("{*")) {
        return None;
    }
    // Each alternative needs a route of its own.
    if segments
        .iter()
        .any(|segment| segment.contains('|') || (segment.contains('{') && segment.contains(',')))
    {
        return None;
    }
    let last = segments.len() - 1;
    let mut names = Vec::new();
    let mut written = String::new();
    for (index, segment) in segments.iter().enumerate() {
        match parse(segment, index == last) {
            Segment::Empty if index < last => {}
            Segment::Empty => written.push('/'),
            Segment::Literal(text) => written = written + "/" + &text,
            Segment::Parameter(name) => written = written + "/{" + &unused(&mut names, name) + "}",
            Segment::Rest(name) => written = written + "/{*" + &unused(&mut names, name) + "}",
        }
    }
    shape(&written).is_ok().then_some(written)
}

/// Returns the path alone: without a method, a modifier of nginx, anchors, quotes and a query.
fn bare(template: &str) -> &str {
    let quoted = template.split(['`', '"', '\'']).nth(1).filter(|text| text.starts_with('/'));
    let text = quoted.unwrap_or_else(|| template.split_whitespace().last().unwrap_or_default());
    let text = text.trim_start_matches("~*").trim_start_matches(['~', '^', '=']).trim_start_matches("(?i)");
    let text = match text.split_once("://") {
        // In a whole URL, the path is the part behind the authority.
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => text,
    };
    let text = text.strip_suffix('$').filter(|text| !text.ends_with('/')).unwrap_or(text);
    // In `(?…)` and `{id?}`, the `?` begins no query.
    match text.find(['?', '#']) {
        Some(at) if !text[..at].contains(['(', '{', '[', '<']) => &text[..at],
        _ => text,
    }
}

/// Splits a path at the slashes that are not inside brackets.
fn segments(path: &str) -> Vec<&str> {
    let (mut segments, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in path.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => {
                segments.push(&path[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    segments.push(&path[start..]);
    segments
}

/// The meaning of a piece.
enum Segment {
    Empty,
    Literal(String),
    Parameter(String),
    Rest(String),
}

fn parse(segment: &str, is_last: bool) -> Segment {
    let segment = segment.split(';').next().unwrap_or_default();
    if segment.is_empty() || segment == "." {
        return Segment::Empty;
    }
    if is_last && is_rest(segment) {
        return Segment::Rest(name_in(segment).unwrap_or_else(|| "rest".into()));
    }
    let parameter = segment.contains(['*', '{', '<', '[', '^', '\\', '|'])
        || segment.starts_with([':', '$'])
        || segment.contains("(.")
        || segment.contains("(?")
        || matches!(segment, ".+");
    match parameter {
        true => Segment::Parameter(name_in(segment).unwrap_or_else(|| "id".into())),
        false => Segment::Literal(unescaped(segment)),
    }
}

/// Tells whether the last piece stands for more than one segment.
fn is_rest(segment: &str) -> bool {
    let whole = segment.trim_matches(['(', ')', '$', '^']).trim_end_matches('?');
    let any = ["*", "**", ".*", ".+"].contains(&whole);
    let kept = ["{*", "<path:", "[..."].iter().any(|first| segment.starts_with(first));
    let open = ["...}", ":.*}", ":.+}", ":path}", "=**}", "..>"].iter().any(|end| segment.ends_with(end));
    let open = open || (segment.ends_with("+}") && !segment.contains(':'));
    let starred = (segment.starts_with('*') || (segment.starts_with(':') && segment.ends_with(['*', '+'])))
        && !segment.contains(['(', '[', '{']);
    any || kept || open || starred
}

/// Returns the name of a parameter: the first run of letters that is not a type in front of the name.
fn name_in(segment: &str) -> Option<String> {
    const TYPES: [&str; 7] = ["int", "string", "str", "uuid", "path", "slug", "float"];
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let inner = match segment.find(['{', '<', '[']) {
        Some(at) => &segment[at + 1..],
        None => segment.strip_prefix([':', '$', '*'])?,
    };
    let mut words = inner
        .split(|c| !word(c))
        .filter(|text| text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    let first = words.next()?;
    let typed = segment.contains('<') && TYPES.contains(&first) && inner[first.len()..].starts_with(':');
    let name = if typed { words.next()? } else { first };
    // `[a-z]+` and `[^/]+` contain no name.
    let is_class = segment.starts_with('[') && !segment.ends_with(']')
        || inner.starts_with('^')
        || inner.contains(&format!("{first}-"));
    (!is_class).then(|| name.to_owned())
}

/// Returns `name`, or a similar name that no parameter has yet.
fn unused(names: &mut Vec<String>, name: String) -> String {
    let free = |candidate: &String| !names.contains(candidate);
    let numbered = (2..).map(|number| format!("{name}{number}"));
    let chosen = std::iter::once(name.clone()).chain(numbered).find(free).unwrap_or(name);
    names.push(chosen.clone());
    chosen
}

/// Returns a literal without escapes of characters that need none.
fn unescaped(segment: &str) -> String {
    let mut parts = segment.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let byte = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).map(char::from);
        match byte {
            Some(c) if c.is_ascii_alphanumeric() || "-._~".contains(c) => {
                text.push(c);
                text.push_str(&part[2..]);
            }
            Some('/') => {
                text.push('/');
                text.push_str(&part[2..]);
            }
            _ => {
                text.push('%');
                text.push_str(part);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_notations_are_translated() {
        for (theirs, ours) in [
            // nginx, Envoy, Caddy, Spring, Kong, Traefik
            ("/v1/*", "/v1/{*rest}"),
            ("/v1/**", "/v1/{*rest}"),
            ("/v1/*/charges", "/v1/{id}/charges"),
            ("/v1/*/charges/*/refunds", "/v1/{id}/charges/{id2}/refunds"),
            ("/v1/(.*)", "/v1/{*rest}"),
            ("/v1/.*", "/v1/{*rest}"),
            ("/v1/(.+)$", "/v1/{*rest}"),
            ("^/v1/(.*)$", "/v1/{*rest}"),
            ("^/v1/charges$", "/v1/charges"),
            ("/v1/charges$", "/v1/charges"),
            ("~ ^/v1/charges", "/v1/charges"),
            ("~* ^/v1/charges", "/v1/charges"),
            ("~*^/v1/charges", "/v1/charges"),
            ("= /v1/charges", "/v1/charges"),
            ("~/v1/charges$", "/v1/charges"),
            ("/v1/[^/]+", "/v1/{id}"),
            ("/v1/([^/]+)/capture", "/v1/{id}/capture"),
            ("/v1/\\d+", "/v1/{id}"),
            ("/v1/[0-9a-f]+", "/v1/{id}"),
            ("PathPrefix(`/v1/charges`)", "/v1/charges"),
            ("POST /v1/charges", "/v1/charges"),
            ("v1/charges", "/v1/charges"),
            ("https://api.example.com/v1/charges?x", "/v1/charges"),
            ("*", "/{*rest}"),
            // Express, Rails, axum before 0.8, Gin
            ("/v1/:id/charges", "/v1/{id}/charges"),
            ("/v1/:id(\\d+)", "/v1/{id}"),
            ("/v1/:path*", "/v1/{*path}"),
            ("/v1/*path", "/v1/{*path}"),
            // Flask, Django, FastAPI, Rocket
            ("/v1/<id>", "/v1/{id}"),
            ("/v1/<int:id>/charges", "/v1/{id}/charges"),
            ("/v1/<path:rest>", "/v1/{*rest}"),
            ("/v1/<rest..>", "/v1/{*rest}"),
            ("/v1/(?P<id>[0-9]+)", "/v1/{id}"),
            ("/v1/{file_path:path}", "/v1/{*file_path}"),
            // gorilla, chi, Go, ASP.NET, API Gateway, gRPC, Next.js
            ("/v1/{id:[0-9]+}", "/v1/{id}"),
            ("/v1/{id:[^/]+}/charges", "/v1/{id}/charges"),
            ("/v1/{id:int}", "/v1/{id}"),
            ("/v1/{id?}", "/v1/{id}"),
            ("/v1/{path...}", "/v1/{*path}"),
            ("/v1/{**rest}", "/v1/{*rest}"),
            ("/v1/{proxy+}", "/v1/{*proxy}"),
            ("/v1/{name=**}", "/v1/{*name}"),
            ("/v1/[id]", "/v1/{id}"),
            ("/v1/[...rest]", "/v1/{*rest}"),
            ("/v1/$id", "/v1/{id}"),
            ("/v1/{id}.json", "/v1/{id}"),
            ("/v{version}/charges", "/{version}/charges"),
            // Spellings that do not distinguish paths.
            ("/v1/charges;v=1", "/v1/charges"),
            ("/v1/charges?x=1", "/v1/charges"),
            ("/v1/%63harges", "/v1/charges"),
            ("/v1%2Fcharges", "/v1/charges"),
            ("/v1/./charges", "/v1/charges"),
            ("//v1//charges", "/v1/charges"),
        ] {
            assert!(shape(theirs).is_err(), "{theirs} is taken");
            assert_eq!(suggestion(theirs), Some(format!("{ours:?}")), "{theirs}");
        }
        let both = "\"/v1/charges\", and \"/v1/charges/{*rest}\" in a route of its own";
        assert_eq!(suggestion("/v1/charges*").as_deref(), Some(both));
    }

    #[test]
    fn ambiguous_notations_get_no_suggestion() {
        for theirs in ["", "/é", "/{*rest}/x", "/v1/../x", "/v1/(a|b)", "/v1/{a,b}", "/v1/a|b"] {
            assert_eq!(suggestion(theirs), None, "{theirs}");
        }
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        use proptest::prelude::*;
        proptest!(|(text in "[/{}<>()\\[\\]:$*?#%;.^~=a2é\\\\ ]{0,24}")| {
            if let Some(ours) = to_template(&text) {
                prop_assert!(shape(&ours).is_ok(), "{text} became {ours}");
            }
        });
    }
}
