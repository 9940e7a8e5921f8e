//! Errors in plain words.

use std::error::Error;
use std::fmt;

/// The maximum length of a printed error with its sources, in bytes.
const MOST: usize = 400;

/// An error printed with its causes, each in the words meant for people, separated by `: `. A cause that only
/// repeats the error above it is left out. Control characters are escaped and a long text is cut off, because
/// a part of it may come from the peer.
pub struct Causes<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = String::new();
        let mut next = Some(self.0);
        while let Some(error) = next {
            let words = error.to_string();
            if !words.is_empty() && !told.ends_with(&words) {
                if !told.is_empty() {
                    told.push_str(": ");
                }
                told.push_str(&words);
            }
            next = error.source();
        }
        f.write_str(&plain(&told, MOST))
    }
}

impl fmt::Debug for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Returns the beginning of `text`, up to `most` bytes, on one line.
#[must_use]
pub fn plain(text: &str, most: usize) -> String {
    let mut plain = String::new();
    for char in text.chars() {
        if plain.len() + char.len_utf8() > most {
            plain.push('…');
            break;
        }
        match char {
            char if char.is_control() => plain.extend(char.escape_default()),
            char => plain.push(char),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// An error with a source, nested as libraries do it.
    #[derive(Debug)]
    struct Layer(&'static str, io::Error);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.1)
        }
    }

    #[test]
    fn an_error_is_told_with_its_causes_and_no_names_of_types() {
        let error =
            Layer("error reading a body", io::Error::new(io::ErrorKind::UnexpectedEof, "it ends early"));
        assert_eq!(Causes(&error).to_string(), "error reading a body: it ends early");
        assert_eq!(format!("{:?}", Causes(&error)), "error reading a body: it ends early");
        let repeated = Layer("it ends early", io::Error::other("it ends early"));
        assert_eq!(Causes(&repeated).to_string(), "it ends early");
    }

    #[test]
    fn what_the_other_side_said_stays_short_and_on_one_line() {
        let long = io::Error::other(format!("a\nb\u{1b}{}", "x".repeat(1000)));
        let told = Causes(&long).to_string();
        assert!(told.starts_with("a\\nb\\u{1b}xxx") && told.ends_with('…'), "{told}");
        assert!(told.len() <= MOST + '…'.len_utf8());
    }
}
