//! The steps from text to a [`Config`]: parse TOML, lay the environment and the command line over it, expand
//! `${VAR}`, give it types, check it. If a step finds a mistake, the later steps still run as far as they
//! can, so that one run reports all mistakes. Only a syntax error hides the others.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use toml::de::DeValue;

use super::arguments::Arguments;
use super::document::{Document, deserialize, remove};
use super::environment::Environment;
use super::error::{ConfigError, ConfigErrors, Place};
use super::expansion::expand;
use super::file::File;
use super::ignored_variables::ignored_variables;
use super::mistakes::Mistakes;
use super::overlay::overlay;
use super::schema::{at, schema};
use super::type_error::{array_for_table, arrays_for_tables, explain};
use super::{Config, rules};
use crate::protocol::hex;

/// Largest file that is read, in bytes.
const LARGEST_FILE: usize = 1 << 20;

/// The configuration of `serve --upstream URL`, except for the URL. It has two routes because `/{*rest}` does
/// not cover `/`.
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
    /// [`ConfigErrors`] with every mistake in the file, or with the reason why it cannot be read.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigErrors> {
        Self::load_with(path, environment, &Arguments::default())
    }

    /// Reads a configuration file and lays arguments over it.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in the file and the arguments, or with the reason why the file
    /// cannot be read.
    pub fn load_with(
        path: &Path,
        environment: &Environment,
        arguments: &Arguments,
    ) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => parse(&text, &file, environment, arguments),
            Err(error) => Err(whole_file(&file, format!("cannot be read: {error}"))),
        }
    }

    /// Reads a configuration. `file` is its name in error messages.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in it.
    pub fn parse(text: &str, file: &str, environment: &Environment) -> Result<Self, ConfigErrors> {
        parse(text, file, environment, &Arguments::default())
    }

    /// Makes the configuration that needs no file: every POST and PATCH on every path goes to this upstream
    /// protected, and any other request unprotected. Records are kept in `./oncegate-data`. While the gateway
    /// listens on loopback, all callers that no part of the scope tells apart count as the same one.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in the URL or the environment.
    pub fn for_upstream(url: &str, environment: &Environment) -> Result<Self, ConfigErrors> {
        Self::for_upstream_with(url, environment, &Arguments::default())
    }

    /// Makes the same configuration with arguments laid over it.
    ///
    /// # Errors
    /// [`ConfigErrors`] with every mistake in the URL, the environment or the arguments.
    pub fn for_upstream_with(
        url: &str,
        environment: &Environment,
        arguments: &Arguments,
    ) -> Result<Self, ConfigErrors> {
        let mut document = Document::parse(FOR_UPSTREAM, "the built-in configuration")
            .map_err(|error| ConfigErrors::new(vec![error]))?;
        let key = ["upstreams", "default", "url"].map(str::to_owned);
        document.override_value(&key, DeValue::String(url.into()), "--upstream".into());
        let mut config = read(document, environment, arguments)?;
        config.written.digest = digest_of(format!("{FOR_UPSTREAM}{url}"));
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

fn parse(
    text: &str,
    file: &str,
    environment: &Environment,
    arguments: &Arguments,
) -> Result<Config, ConfigErrors> {
    if text.len() > LARGEST_FILE {
        return Err(whole_file(file, format!("is larger than {LARGEST_FILE} bytes")));
    }
    let document = Document::parse(text, file).map_err(|error| ConfigErrors::new(vec![error]))?;
    let mut config = read(document, environment, arguments)?;
    config.written.digest = digest_of(text);
    Ok(config)
}

/// Returns the SHA-256 of a configuration's text, in hexadecimal digits.
#[must_use]
pub fn digest_of(text: impl AsRef<[u8]>) -> String {
    let mut digits = [0; 64];
    hex::encode(&Sha256::digest(text), &mut digits).to_owned()
}

fn read<'i>(
    mut document: Document<'i>,
    environment: &'i Environment,
    arguments: &Arguments,
) -> Result<Config, ConfigErrors> {
    let mistakes = Mistakes::default();
    let schema = schema();
    overlay(&mut document, environment, &schema, &mistakes);
    arguments.apply(&mut document);
    let ignored_variables = ignored_variables(&document, environment, &schema);
    expand(&mut document, environment, &mistakes);
    let file = typed(&document, &schema, &mistakes);
    let config = file.and_then(|file| rules::config(&mistakes.at_root(), &file, environment));
    match config {
        Some(config) if mistakes.is_empty() => Ok(Config { notes: ignored_variables, ..config }),
        _ => Err(mistakes.into_errors(&document)),
    }
}

/// Gives the document its types. A key that does not fit is noted and left out, until the rest fits. Returns
/// `None` if that does not succeed.
fn typed(document: &Document<'_>, schema: &Value, mistakes: &Mistakes) -> Option<File> {
    for path in arrays_for_tables(document.root(), schema) {
        let message = array_for_table(&path);
        mistakes.add(path, message);
    }
    let mut fitting = document.root().clone();
    for path in mistakes.paths() {
        remove(&mut fitting, &path);
    }
    for _ in 0..Mistakes::MOST {
        match deserialize(fitting.clone()) {
            Ok(file) => return Some(file),
            Err((path, message)) => {
                let left_out = remove(&mut fitting, &path);
                let value = document.value(&path);
                mistakes.add(path.clone(), explain(&message, &path, value, at(schema, &path)));
                if !left_out {
                    return None;
                }
            }
        }
    }
    None
}
