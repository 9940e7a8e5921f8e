//! Which requests a route covers: its name, path and methods.

use http::Method;

use crate::config::Match;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::rules::{limits, path};
use crate::protocol::PathScheme;
use crate::protocol::path::Template;

/// The checked place of a route. Each field is the field of [`crate::config::Route`] with its name.
pub struct Place {
    pub name: String,
    pub path: String,
    pub template: Template,
    pub matching: Match,
    pub shape: String,
    pub methods: Vec<Method>,
}

impl Place {
    /// Returns the spellings of a path that count as the same path.
    pub fn spellings(&self) -> PathScheme {
        match self.matching {
            Match::Equivalent => PathScheme::Equivalent(self.template.clone()),
            Match::Exact => PathScheme::AsSent,
        }
    }
}

/// Checks the place of a route.
pub fn place(at: &KeyCursor<'_>, file: &file::Route) -> Option<Place> {
    let name = required_name(&at.key("name"), file.name.as_deref());
    let matching = matching(file.matching);
    let template = template(&at.key("path"), file.path.as_deref(), matching);
    let methods = methods(&at.key("methods"), &file.methods);
    let name = name?.to_owned();
    let (path, template, shape) = template?;
    Some(Place { name, path, template, matching, shape, methods: methods? })
}

fn matching(file: file::Match) -> Match {
    match file {
        file::Match::Equivalent => Match::Equivalent,
        file::Match::Exact => Match::Exact,
    }
}

fn required_name<'n>(at: &KeyCursor<'_>, name: Option<&'n str>) -> Option<&'n str> {
    at.require(name, "a name of its own for the route").and_then(|name| limits::name(at, name))
}

/// Returns a template as it is written, in segments, and its shape.
fn template(at: &KeyCursor<'_>, text: Option<&str>, matching: Match) -> Option<(String, Template, String)> {
    let text = at.require(text, "the path of the route, like \"/v1/charges\"")?;
    match path::shape(text) {
        Ok(shape) => {
            let template = Template::new(text);
            let shape = match matching {
                Match::Equivalent => template.shape(),
                Match::Exact => shape,
            };
            Some((text.to_owned(), template, shape))
        }
        Err(why) => {
            // The text may be a whole URL with a password.
            let shown = if text.contains("://") || text.contains('@') {
                "this".to_owned()
            } else {
                format!("{text:?}")
            };
            let usual = || "\"/v1/charges\", \"/v1/{resource}\" or \"/v1/{*rest}\"".to_owned();
            let write = path::suggestion(text).unwrap_or_else(usual);
            at.refuse(format!("{shown} is not a path: {why}; write {write}"))
        }
    }
}

fn methods(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<Method>> {
    if texts.is_empty() {
        return at.refuse("names no method; allowed: [\"POST\", \"PATCH\"] and others that change something");
    }
    let checked = texts.iter().enumerate().map(|(index, text)| {
        let at = at.item(index);
        if texts[..index].contains(text) {
            return at.refuse(format!("{text:?} is named twice"));
        }
        method(&at, text)
    });
    checked.collect::<Vec<Option<Method>>>().into_iter().collect()
}

fn method(at: &KeyCursor<'_>, text: &str) -> Option<Method> {
    let allowed = "allowed: methods that change something, like \"POST\" or \"PATCH\"";
    match text.parse::<Method>() {
        Ok(Method::CONNECT) => at.refuse(format!("CONNECT is not proxied; {allowed}")),
        Ok(method) if method.is_safe() => {
            at.refuse(format!("{text} is safe to repeat and needs no key; {allowed}"))
        }
        // Taken literally, these methods would cover no request.
        Ok(_)
            if matches!(text, "ANY" | "ALL")
                || text.chars().any(|c| c.is_ascii_punctuation() && !"-_".contains(c)) =>
        {
            at.refuse(format!("{text:?} is no method, and stands for no others; name each: {allowed}"))
        }
        Ok(_) if text.chars().any(|c| c.is_ascii_lowercase()) => {
            at.refuse(format!("{text:?} has lower-case letters, and the case of a method counts; {allowed}"))
        }
        Ok(method) => Some(method),
        Err(_) => at.refuse(format!("{text:?} is not a method; {allowed}")),
    }
}
