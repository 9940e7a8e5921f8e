//! Translation of the path notations of other proxies and frameworks, so that a refusal can say how the same
//! path is written here.

use super::shape;

/// Returns the probable meaning of a refused template, in quotes; `None` if it cannot be guessed.
pub fn meant(template: &str) -> Option<String> {
    let path = bare(template);
    let open = path.strip_suffix('*').filter(|path| !path.ends_with('/') && shape(path).is_ok());
    match open.map(translated) {
        // `/v1/charges*` means the resource and the paths below it.
        Some(Some(path)) => {
            Some(format!("{path:?}, and {:?} in a route of its own", path.clone() + "/{*rest}"))
        }
        _ => translated(path).filter(|written| written != template).map(|written| format!("{written:?}")),
    }
}

fn translated(path: &str) -> Option<String> {
    let pieces = pieces(path.strip_prefix('/').unwrap_or(path));
    if path.is_empty() || pieces.iter().rev().skip(1).any(|piece| piece.starts_with("{*")) {
        return None;
    }
    // Each alternative needs a route of its own.
    if pieces.iter().any(|piece| piece.contains('|') || (piece.contains('{') && piece.contains(','))) {
        return None;
    }
    let last = pieces.len() - 1;
    let mut names = Vec::new();
    let mut written = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        match read(piece, index == last) {
            Piece::Nothing if index < last => {}
            Piece::Nothing => written.push('/'),
            Piece::Literal(text) => written = written + "/" + &text,
            Piece::One(name) => written = written + "/{" + &unused(&mut names, name) + "}",
            Piece::Rest(name) => written = written + "/{*" + &unused(&mut names, name) + "}",
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
fn pieces(path: &str) -> Vec<&str> {
    let (mut pieces, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in path.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' | '>' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => {
                pieces.push(&path[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&path[start..]);
    pieces
}

/// The meaning of a piece.
enum Piece {
    Nothing,
    Literal(String),
    One(String),
    Rest(String),
}

fn read(piece: &str, is_last: bool) -> Piece {
    let piece = piece.split(';').next().unwrap_or_default();
    if piece.is_empty() || piece == "." {
        return Piece::Nothing;
    }
    if is_last && is_rest(piece) {
        return Piece::Rest(name_in(piece).unwrap_or_else(|| "rest".into()));
    }
    let parameter = piece.contains(['*', '{', '<', '[', '^', '\\', '|'])
        || piece.starts_with([':', '$'])
        || piece.contains("(.")
        || piece.contains("(?")
        || matches!(piece, ".+");
    match parameter {
        true => Piece::One(name_in(piece).unwrap_or_else(|| "id".into())),
        false => Piece::Literal(unescaped(piece)),
    }
}

/// Tells whether the last piece stands for more than one segment.
fn is_rest(piece: &str) -> bool {
    let whole = piece.trim_matches(['(', ')', '$', '^']).trim_end_matches('?');
    let any = ["*", "**", ".*", ".+"].contains(&whole);
    let kept = ["{*", "<path:", "[..."].iter().any(|first| piece.starts_with(first));
    let open = ["...}", ":.*}", ":.+}", ":path}", "=**}", "..>"].iter().any(|end| piece.ends_with(end));
    let open = open || (piece.ends_with("+}") && !piece.contains(':'));
    let starred = (piece.starts_with('*') || (piece.starts_with(':') && piece.ends_with(['*', '+'])))
        && !piece.contains(['(', '[', '{']);
    any || kept || open || starred
}

/// Returns the name of a parameter: the first run of letters that is not a type in front of the name.
fn name_in(piece: &str) -> Option<String> {
    const TYPES: [&str; 7] = ["int", "string", "str", "uuid", "path", "slug", "float"];
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let inner = match piece.find(['{', '<', '[']) {
        Some(at) => &piece[at + 1..],
        None => piece.strip_prefix([':', '$', '*'])?,
    };
    let mut words = inner
        .split(|c| !word(c))
        .filter(|text| text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
    let first = words.next()?;
    let typed = piece.contains('<') && TYPES.contains(&first) && inner[first.len()..].starts_with(':');
    let name = if typed { words.next()? } else { first };
    // `[a-z]+` and `[^/]+` contain no name.
    let is_class = piece.starts_with('[') && !piece.ends_with(']')
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
fn unescaped(piece: &str) -> String {
    let mut parts = piece.split('%');
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
    fn what_others_write_is_translated() {
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
            assert_eq!(meant(theirs), Some(format!("{ours:?}")), "{theirs}");
        }
        let both = "\"/v1/charges\", and \"/v1/charges/{*rest}\" in a route of its own";
        assert_eq!(meant("/v1/charges*").as_deref(), Some(both));
    }

    #[test]
    fn where_there_is_no_telling_nothing_is_told() {
        for theirs in ["", "/é", "/{*rest}/x", "/v1/../x", "/v1/(a|b)", "/v1/{a,b}", "/v1/a|b"] {
            assert_eq!(meant(theirs), None, "{theirs}");
        }
    }

    #[test]
    fn whatever_is_written_is_read_to_an_end() {
        use proptest::prelude::*;
        proptest!(|(text in "[/{}<>()\\[\\]:$*?#%;.^~=a2é\\\\ ]{0,24}")| {
            if let Some(ours) = translated(&text) {
                prop_assert!(shape(&ours).is_ok(), "{text} became {ours}");
            }
        });
    }
}
