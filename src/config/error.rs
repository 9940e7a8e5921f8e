//! Mistakes in a configuration: each with its place, its key and the allowed values.

use std::fmt;

/// The mistakes in one configuration, in the order of the file. The list is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Sorts the mistakes: those of the file come first.
    pub(super) fn new(mut errors: Vec<ConfigError>) -> Self {
        errors.sort_by(|one, other| one.place.cmp(&other.place));
        Self(errors)
    }

    /// Makes the error of a single mistake in a configuration without a file.
    pub(crate) fn of(key: &str, message: String) -> Self {
        let place = Place::File("the configuration".into());
        Self(vec![ConfigError { place, key: key.into(), message, is_of_file: false }])
    }

    /// Tells whether all of them are about other files, which may become usable without a change of this text.
    #[must_use]
    pub fn are_of_files(&self) -> bool {
        self.0.iter().all(|error| error.is_of_file)
    }

    /// Iterates over the mistakes.
    pub fn iter(&self) -> std::slice::Iter<'_, ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    /// Writes one line for each mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            let end_of_previous = if index == 0 { "" } else { "\n" };
            write!(f, "{end_of_previous}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// A mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Source of the value.
    pub place: Place,
    /// Full key, such as `routes[1].ttl`. The key is empty if the mistake concerns the file as a whole.
    pub key: String,
    /// Description of the mistake, and of the allowed values.
    pub message: String,
    /// True if the value may be right, but the file that it names cannot be read or used.
    pub is_of_file: bool,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.place, self.message)
        } else {
            write!(f, "{}: {}: {}", self.place, self.key, self.message)
        }
    }
}

/// The source of a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole: it cannot be read, or a part of it is missing.
    File(String),
    /// A line and column of the file, both counted from one.
    Line {
        /// The name of the file.
        file: String,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// A source outside the file: an environment variable, or an argument of the command line.
    Override(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.write_str(file),
            Self::Line { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Override(source) => f.write_str(source),
        }
    }
}
