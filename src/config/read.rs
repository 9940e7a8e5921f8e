//! From text to a [`Config`], in five steps: parse TOML, lay the environment over it, expand
//! `${VAR}`, give it types, check it. Whatever step finds a mistake, the others still run where
//! they can, so that one run tells all mistakes; only a syntax error hides the rest.

use std::path::Path;
use std::sync::Arc;

use toml::de::DeValue;

use super::document::{Document, deserialize, remove};
use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors, Place};
use super::expansion::expand;
use super::file::File;
use super::overlay::overlay;
use super::problem::Problems;
use super::{Config, rules};

/// The largest file that is read, in bytes.
const LARGEST_FILE: usize = 1 << 20;

/// What `serve --upstream URL` runs, but for the URL. Two routes, as `/{*rest}` does not cover `/`.
const FOR_UPSTREAM: &str = r#"
[fallback]
upstream = "default"

[[routes]]
name = "default"
path = "/{*rest}"
upstream = "default"

[[routes]]
name = "default-root"
path = "/"
upstream = "default"
"#;

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// Everything that is wrong with it, or why it cannot be read.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file, environment),
            Err(error) => Err(whole_file(&file, format!("cannot be read: {error}"))),
        }
    }

    /// Reads a configuration; `file` is what errors call it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(text: &str, file: &str, environment: &Environment) -> Result<Self, ConfigErrors> {
        if text.len() > LARGEST_FILE {
            return Err(whole_file(file, format!("is larger than {LARGEST_FILE} bytes")));
        }
        let document = Document::parse(text, file).map_err(|error| ConfigErrors::new(vec![error]))?;
        read(document, environment)
    }

    /// The configuration that needs no file: every POST and PATCH on every path goes to this
    /// upstream protected, everything else unprotected, and records lie in `./oncegate-data`. While it
    /// listens on loopback, all callers that nothing tells apart count as the same one.
    ///
    /// # Errors
    /// What is wrong with the URL, or with the environment.
    pub fn for_upstream(url: &str, environment: &Environment) -> Result<Self, ConfigErrors> {
        let mut document = Document::parse(FOR_UPSTREAM, "the built-in configuration")
            .map_err(|error| ConfigErrors::new(vec![error]))?;
        let key = ["upstreams", "default", "url"].map(str::to_owned);
        document.lay_over(&key, DeValue::String(url.into()), "--upstream".into());
        let mut config = read(document, environment)?;
        config.quick_start = true;
        if config.server.listen.ip().is_loopback() {
            for route in &mut config.routes {
                Arc::make_mut(route).anonymous = true;
            }
        }
        Ok(config)
    }
}

fn whole_file(file: &str, message: String) -> ConfigErrors {
    let place = Place::File(file.to_owned());
    ConfigErrors::new(vec![ConfigError { place, key: String::new(), message }])
}

fn read<'i>(mut document: Document<'i>, environment: &'i Environment) -> Result<Config, ConfigErrors> {
    let problems = Problems::default();
    overlay(&mut document, environment, &problems);
    expand(&mut document, environment, &problems);
    let file = typed(&document, &problems);
    let config = file.and_then(|file| rules::config(&problems.at_root(), &file, environment));
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems.into_errors(&document)),
    }
}

/// Gives the document its types. A key that does not fit is noted and left out, until the rest
/// fits; `None` if that came to no end.
fn typed(document: &Document<'_>, problems: &Problems) -> Option<File> {
    let mut fitting = document.root().clone();
    for path in problems.paths() {
        remove(&mut fitting, &path);
    }
    for _ in 0..Problems::MOST {
        match deserialize(fitting.clone()) {
            Ok(file) => return Some(file),
            Err((path, message)) => {
                let left_out = remove(&mut fitting, &path);
                problems.add(path, in_plain_words(&message));
                if !left_out {
                    return None;
                }
            }
        }
    }
    None
}

/// A message of the deserializer in the words of a configuration file.
fn in_plain_words(message: &str) -> String {
    [
        ("unknown field", "unknown key"),
        ("unknown variant", "unknown value"),
        ("there are no fields", "no key is allowed here"),
        ("expected i64", "expected a whole number"),
        ("expected a sequence", "expected an array"),
        (", expected one of", "; allowed:"),
        (", expected", "; allowed:"),
    ]
    .iter()
    .fold(message.to_owned(), |message, (theirs, ours)| message.replace(theirs, ours))
}
