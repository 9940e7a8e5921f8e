//! Errors in plain words.

use std::error::Error;
use std::fmt;

/// The maximum length of a printed error with its sources, in bytes.
const MAX_LENGTH: usize = 400;

/// An error printed with its causes, each in the words meant for people, separated by `: `. A cause that only
/// repeats the error above it is left out. Control characters are escaped and a long text is cut off, because
/// a part of it may come from the peer.
pub struct ErrorChain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        let mut next = Some(self.0);
        while let Some(error) = next {
            let words = error.to_string();
            if !words.is_empty() && !text.ends_with(&words) {
                if !text.is_empty() {
                    text.push_str(": ");
                }
                text.push_str(&words);
            }
            next = error.source();
        }
        f.write_str(&plain(&text, MAX_LENGTH))
    }
}

impl fmt::Debug for ErrorChain<'_> {
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
    fn an_error_is_printed_with_its_causes_and_without_type_names() {
        let error =
            Layer("error reading a body", io::Error::new(io::ErrorKind::UnexpectedEof, "it ends early"));
        assert_eq!(ErrorChain(&error).to_string(), "error reading a body: it ends early");
        assert_eq!(format!("{:?}", ErrorChain(&error)), "error reading a body: it ends early");
        let repeated = Layer("it ends early", io::Error::other("it ends early"));
        assert_eq!(ErrorChain(&repeated).to_string(), "it ends early");
    }

    #[test]
    fn text_of_the_peer_stays_short_and_on_one_line() {
        let long = io::Error::other(format!("a\nb\u{1b}{}", "x".repeat(1000)));
        let text = ErrorChain(&long).to_string();
        assert!(text.starts_with("a\\nb\\u{1b}xxx") && text.ends_with('…'), "{text}");
        assert!(text.len() <= MAX_LENGTH + '…'.len_utf8());
    }
}
