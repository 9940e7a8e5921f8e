//! JSON pointers (RFC 6901).

use std::fmt;

/// A JSON pointer, such as `/data/0/status`. The empty pointer means the whole document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pointer {
    text: String,
    /// The steps without escapes.
    steps: Vec<String>,
}

impl Pointer {
    /// Reads a pointer.
    ///
    /// # Errors
    /// The reason, which repeats nothing of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let escapes = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        if !escapes {
            return Err("has a ~ that is neither `~0` (for ~) nor `~1` (for /)".into());
        }
        let steps = match text.strip_prefix('/') {
            Some(rest) => rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            None if text.is_empty() => Vec::new(),
            None => return Err("is a JSON pointer without the / in front".into()),
        };
        Ok(Self { text: text.to_owned(), steps })
    }

    /// Tells whether this pointer means the whole document.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns the pointer as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether both pointers name the same member of a JSON document, or the same field of a form.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.field() == other.field()
    }

    /// Tells whether both pointers are one, apart from upper and lower case.
    pub(in crate::protocol) fn is_variant(&self, other: &Self) -> bool {
        self.text.to_lowercase() == other.text.to_lowercase()
    }

    /// Returns the name of the field that the pointer means in a form.
    fn field(&self) -> String {
        self.steps.join("][")
    }

    /// Returns the names of the members, or the numbers of the elements, that lead to the place.
    pub(super) fn steps(&self) -> &[String] {
        &self.steps
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
