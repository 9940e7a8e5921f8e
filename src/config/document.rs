//! The parsed text before it has types: TOML values with their positions in the text.
//!
//! This module also lays values from outside the file over the document. Each of them gets a position behind
//! the end of the text. Therefore one kind of position distinguishes a line of the file from an environment
//! variable.

use std::fmt;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::error::{ConfigError, Place};

/// Path to a value, such as `routes[1].ttl`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KeyPath(pub Vec<Step>);

/// A step of a [`KeyPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    /// Returns this path with one more step.
    pub fn then(&self, step: Step) -> Self {
        let mut longer = self.clone();
        longer.0.push(step);
        longer
    }

    /// Makes a path of keys only.
    pub fn of_keys<'k>(keys: impl IntoIterator<Item = &'k str>) -> Self {
        Self(keys.into_iter().map(|key| Step::Key(key.to_owned())).collect())
    }
}

impl From<&serde_path_to_error::Path> for KeyPath {
    fn from(path: &serde_path_to_error::Path) -> Self {
        use serde_path_to_error::Segment;
        let step = |segment: &Segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            // The variant of an enum is a value, not a key.
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        Self(path.iter().filter_map(step).collect())
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if is_bare(key) => write!(f, "{dot}{key}")?,
                Step::Key(key) => write!(f, "{dot}{key:?}")?,
            }
        }
        Ok(())
    }
}

/// Tells whether TOML allows this key without quotes.
fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// A parsed file, with the values that were laid over it.
pub(super) struct Document<'i> {
    text: &'i str,
    file: &'i str,
    root: DeTable<'i>,
    /// Sources of the values that are not in the file, in the order of their positions.
    sources: Vec<String>,
}

impl<'i> Document<'i> {
    /// Reads TOML.
    ///
    /// # Errors
    /// [`ConfigError`] for the first syntax error. What a parser finds after it is unreliable.
    pub fn parse(text: &'i str, file: &'i str) -> Result<Self, ConfigError> {
        let (root, failure) = match DeTable::parse(text) {
            Ok(root) => (root.into_inner(), None),
            Err(error) => (DeTable::new(), Some(error)),
        };
        let document = Self { text, file, root, sources: Vec::new() };
        match failure {
            None => Ok(document),
            Some(error) => Err(ConfigError {
                place: document.place(error.span().map_or(0, |span| span.start)),
                key: String::new(),
                message: error.message().trim_end().replace('\n', "; "),
                is_of_file: false,
            }),
        }
    }

    /// Returns the root table.
    pub fn root(&self) -> &DeTable<'i> {
        &self.root
    }

    /// Returns the root table, for changes in place.
    pub fn root_mut(&mut self) -> &mut DeTable<'i> {
        &mut self.root
    }

    /// Returns the end of the file's text: values at later positions come from elsewhere.
    pub fn end_of_file(&self) -> usize {
        self.text.len()
    }

    /// Puts the value of `source` at the end of a path of tables. Returns false if a key on the way is not a
    /// table.
    pub fn override_value(&mut self, keys: &[String], value: DeValue<'i>, source: String) -> bool {
        let Some((last, tables)) = keys.split_last() else {
            return false;
        };
        self.sources.push(source);
        let position = self.text.len() + self.sources.len();
        let span = position..position;
        let mut table = &mut self.root;
        for key in tables {
            let key = Spanned::new(span.clone(), key.clone().into());
            let missing = Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
            match table.entry(key).or_insert(missing).get_mut() {
                DeValue::Table(inner) => table = inner,
                _ => return false,
            }
        }
        // The old entry is removed first: inserting over it would keep the key's position in the file.
        table.remove(last.as_str());
        table.insert(Spanned::new(span.clone(), last.clone().into()), Spanned::new(span, value));
        true
    }

    /// Returns the place of the value at `path`, or of the nearest value that surrounds it.
    pub fn locate(&self, path: &KeyPath) -> Place {
        let mut place = Place::File(self.file.to_owned());
        let mut table = Some(&self.root);
        let mut value: Option<&Spanned<DeValue<'i>>> = None;
        for step in &path.0 {
            let found = match step {
                Step::Key(key) => table
                    .and_then(|table| table.get_key_value(key.as_str()))
                    .map(|(key, value)| (key.span(), value)),
                Step::Index(index) => value
                    .and_then(|value| value.get_ref().as_array()?.get(*index))
                    .map(|item| (item.span(), item)),
            };
            let Some((span, next)) = found else { break };
            place = self.place(span.start);
            if span.start > self.end_of_file() {
                break;
            }
            (table, value) = (next.get_ref().as_table(), Some(next));
        }
        place
    }

    /// Returns the names that the operator gave to the tables in a section, such as the upstreams.
    pub fn names_in(&self, section: &str) -> impl Iterator<Item = &str> {
        let tables = self.root.get(section).and_then(|value| value.get_ref().as_table());
        tables.into_iter().flat_map(|table| table.keys()).map(|key| key.get_ref().as_ref())
    }

    /// Tells whether the text of the file names this environment variable.
    pub fn names(&self, variable: &str) -> bool {
        self.text.contains(variable)
    }

    /// Returns the value at `path`.
    pub fn value(&self, path: &KeyPath) -> Option<&DeValue<'i>> {
        let mut steps = path.0.iter();
        let Some(Step::Key(first)) = steps.next() else { return None };
        let mut value = self.root.get(first.as_str())?;
        for step in steps {
            value = match step {
                Step::Key(key) => value.get_ref().as_table()?.get(key.as_str())?,
                Step::Index(index) => value.get_ref().as_array()?.get(*index)?,
            };
        }
        Some(value.get_ref())
    }

    /// Returns a path as text for people: a route is also named by its name.
    pub fn describe(&self, path: &KeyPath) -> String {
        let named = match path.0.as_slice() {
            [Step::Key(key), Step::Index(index), ..] if key == "routes" => self.route_name(*index),
            _ => None,
        };
        named.map_or_else(|| path.to_string(), |name| format!("{path} (route {name:?})"))
    }

    fn route_name(&self, index: usize) -> Option<&str> {
        let routes = self.root.get("routes")?.get_ref().as_array()?;
        routes.get(index)?.get_ref().as_table()?.get("name")?.get_ref().as_str()
    }

    fn place(&self, position: usize) -> Place {
        if let Some(source) = position.checked_sub(self.text.len() + 1).and_then(|n| self.sources.get(n)) {
            return Place::Override(source.clone());
        }
        // A parser's position may lie inside a character or one past the end.
        let before = self.text.char_indices().take_while(|(at, _)| *at < position);
        let (mut line, mut column) = (1, 1);
        for (_, character) in before {
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        Place::Line { file: self.file.to_owned(), line, column }
    }
}

/// Reads a table into a type.
///
/// # Errors
/// The key that does not fit, and the reason.
pub(super) fn deserialize<T>(table: DeTable<'_>) -> Result<T, (KeyPath, String)>
where
    T: for<'de> Deserialize<'de>,
{
    serde_path_to_error::deserialize(Deserializer::from(Spanned::new(0..0, table)))
        .map_err(|error| (KeyPath::from(error.path()), error.inner().message().trim_end().to_owned()))
}

/// Removes the last entry with a key that `path` leads through. If the path ends in an array item, the whole
/// array is removed, so that no other item changes its number. Returns false if the path leads nowhere.
pub(super) fn remove(root: &mut DeTable<'_>, path: &KeyPath) -> bool {
    let Some(last) = path.0.iter().rposition(|step| matches!(step, Step::Key(_))) else {
        return false;
    };
    remove_key(root, &path.0[..=last])
}

fn remove_key(table: &mut DeTable<'_>, steps: &[Step]) -> bool {
    let [Step::Key(key), rest @ ..] = steps else {
        return false;
    };
    if rest.is_empty() {
        return table.remove(key.as_str()).is_some();
    }
    let Some(value) = table.get_mut(key.as_str()) else {
        return false;
    };
    match (value.get_mut(), rest) {
        (DeValue::Table(inner), rest) => remove_key(inner, rest),
        (DeValue::Array(items), [Step::Index(index), rest @ ..]) => {
            match items.get_mut(*index).map(Spanned::get_mut) {
                Some(DeValue::Table(inner)) => remove_key(inner, rest),
                _ => false,
            }
        }
        _ => false,
    }
}
