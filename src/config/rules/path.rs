//! Path templates: `/v1/charges`, `/v1/{resource}` for one segment, `/v1/{*rest}` for the rest.

/// The longest template, in characters.
const LONGEST: usize = 1024;

/// Checks a template and gives its shape: the template with its parameters numbered instead of
/// named, so that two templates of one shape cover the same paths.
///
/// # Errors
/// What is wrong with it.
pub fn shape(template: &str) -> Result<String, &'static str> {
    let Some(segments) = template.strip_prefix('/') else {
        return Err("it does not start with `/`");
    };
    if template.len() > LONGEST {
        return Err("it is longer than 1024 characters");
    }
    if template.chars().any(|c| !c.is_ascii_graphic() || c == '?' || c == '#') {
        return Err("it holds a character that no path holds (use percent-encoding)");
    }
    let mut names = Vec::new();
    let mut shape = String::new();
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        shape.push('/');
        let is_last = segments.peek().is_none();
        match parameter(segment)? {
            None if segment.is_empty() && !is_last => return Err("it holds an empty segment"),
            None => shape.push_str(segment),
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

/// The name of the parameter that a segment is, `None` for a segment that stands for itself.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered() {
        for (template, expected) in [
            ("/", "/"),
            ("/v1/charges", "/v1/charges"),
            ("/v1/charges/", "/v1/charges/"),
            ("/v1/{a}/x/{b}", "/v1/{p0}/x/{p1}"),
            ("/{*rest}", "/{*p0}"),
            ("/v1/{id}/{*rest}", "/v1/{p0}/{*p1}"),
        ] {
            assert_eq!(shape(template).as_deref(), Ok(expected), "{template}");
            assert!(matchit::Router::new().insert(template, ()).is_ok(), "{template}");
        }
    }

    #[test]
    fn what_could_be_misread_is_refused() {
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
        ] {
            assert!(shape(template).is_err(), "{template}");
        }
    }
}
