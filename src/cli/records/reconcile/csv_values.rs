//! The values of one record of CSV, by the letter of RFC 4180.
//!
//! A quote opens a value, is doubled inside it, or closes it right before a comma or the end of the line. Any
//! other quote is an error: a lenient reader takes the next lines for a part of the value, and the payments in
//! them seem to be absent.

/// The values of a record, which may take several lines.
#[derive(Default)]
pub(super) struct CsvValues {
    text: Vec<u8>,
    /// End of each value in the text.
    ends: Vec<usize>,
    place: Place,
}

/// The place of the next byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Beginning,
    Bare,
    Quoted,
    /// Behind a quote inside a quoted value: the value ends, or the quote is doubled.
    BehindQuote,
}

impl CsvValues {
    /// Forgets all values.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.place = Place::Beginning;
    }

    /// Takes one line with its end, which only the last line of a file may lack. Returns true if the record
    /// ends with it.
    ///
    /// # Errors
    /// The reason why the line is not CSV.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<bool, &'static str> {
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = content.strip_suffix(b"\r").unwrap_or(content);
        for (index, byte) in line.iter().enumerate() {
            self.place = match (self.place, byte) {
                (Place::Quoted, b'"') => Place::BehindQuote,
                (Place::Quoted, _) => self.push(*byte, Place::Quoted),
                _ if index >= bare.len() => break,
                (_, b',') => self.end(),
                (Place::Beginning, b'"') => Place::Quoted,
                (Place::BehindQuote, b'"') => self.push(b'"', Place::Quoted),
                (Place::Bare, b'"') => return Err("a quote stands inside a value that began without one"),
                (Place::BehindQuote, _) => return Err("a value goes on behind its closing quote"),
                (_, b'\r') => return Err("a carriage return stands inside a value without quotes"),
                (Place::Beginning | Place::Bare, _) => self.push(*byte, Place::Bare),
            };
        }
        match self.place {
            Place::Quoted if content.len() == line.len() => Err("the file ends inside a quoted value"),
            Place::Quoted => Ok(false),
            _ => {
                self.end();
                Ok(true)
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the values in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.text[start..*end])
    }

    fn push(&mut self, byte: u8, place: Place) -> Place {
        self.text.push(byte);
        place
    }

    fn end(&mut self) -> Place {
        self.ends.push(self.text.len());
        Place::Beginning
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn values(lines: &str) -> Result<Vec<Vec<u8>>, &'static str> {
        let mut values = CsvValues::default();
        let mut lines = lines.as_bytes().split_inclusive(|byte| *byte == b'\n');
        while !values.take(lines.next().unwrap_or_default())? {}
        assert_eq!(lines.next(), None, "the record ends with the last line");
        Ok(values.iter().map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn a_quote_has_three_places() {
        for (lines, expected) in [
            ("a,b\n", vec!["a", "b"]),
            ("a,\r\n", vec!["a", ""]),
            ("a", vec!["a"]),
            ("\"a\",\"\"\r", vec!["a", ""]),
            ("\"a\"\"\",\"\r\n,\"\"b\"\r\n", vec!["a\"", "\r\n,\"b"]),
            ("\"\"\"\"", vec!["\""]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|value| value.as_bytes().to_vec()).collect();
            assert_eq!(values(lines), Ok(expected), "{lines:?}");
        }
        for (lines, why) in [
            ("a,5\"\n", "inside a value that began without"),
            ("a, \"b\"\n", "inside a value that began without"),
            ("\"a\"b,c\n", "behind its closing quote"),
            ("\"a\" ,c\n", "behind its closing quote"),
            ("\"a\"\rb\n", "behind its closing quote"),
            ("a\rb\n", "carriage return"),
            ("a,\"b\nc,d\n", "ends inside"),
            ("a,\"b", "ends inside"),
            ("\"", "ends inside"),
        ] {
            assert!(values(lines).is_err_and(|told| told.contains(why)), "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn quoted_values_come_back(written in prop::collection::vec("[a,\"\r\n]{0,6}", 1..5)) {
            let quoted: Vec<_> =
                written.iter().map(|value| format!("\"{}\"", value.replace('"', "\"\""))).collect();
            let expected = Ok(written.into_iter().map(String::into_bytes).collect());
            prop_assert_eq!(values(&format!("{}\r\n", quoted.join(","))), expected);
        }
    }
}
