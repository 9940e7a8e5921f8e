//! Media types, and other header values with parameters (RFC 9110, 5.6.6 and 8.3.1).

/// A parameter: its name in lower case, and its value without quotes.
type Parameter = (String, Vec<u8>);

/// A value with its parameters, such as `form-data; name="file"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parameterized {
    /// The part before the parameters, in lower case.
    pub(super) value: String,
    /// The parameters in the order of their names, which differ.
    pub(super) parameters: Vec<Parameter>,
}

impl Parameterized {
    /// Reads a value. Returns `None` if servers may understand it in different ways: it has a parameter
    /// twice, a backslash in quotes, or another thing that no token or quoted string is.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
        let (value, mut rest) = text.split_at(end);
        let value = value.trim_ascii();
        if value.is_empty() || !value.iter().all(|byte| is_token(*byte) || *byte == b'/') {
            return None;
        }
        let mut parameters = Vec::new();
        while let Some(behind) = rest.strip_prefix(b";") {
            let behind = behind.trim_ascii_start();
            if behind.is_empty() || behind.starts_with(b";") {
                rest = behind;
                continue;
            }
            let (parameter, behind) = parameter(behind)?;
            parameters.push(parameter);
            rest = behind.trim_ascii_start();
        }
        parameters.sort();
        let differ = parameters.windows(2).all(|two| two[0].0 != two[1].0);
        (rest.is_empty() && differ).then(|| Self { value: lower_case(value), parameters })
    }

    /// Returns the value of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }
}

/// Returns a media type without its parameters, in lower case; `None` if it is no media type.
pub(super) fn essence(content_type: &[u8]) -> Option<String> {
    let essence = content_type.split(|byte| *byte == b';').next()?.trim_ascii();
    let mut parts = essence.splitn(2, |byte| *byte == b'/');
    let is_part =
        |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty() && part.iter().all(|b| is_token(*b)));
    (is_part(parts.next()) && is_part(parts.next())).then(|| lower_case(essence))
}

/// Reads the parameter at the start of `text`, and returns the text behind it, too.
fn parameter(text: &[u8]) -> Option<(Parameter, &[u8])> {
    let (name, rest) = token(text)?;
    let rest = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (value, rest) = match rest.strip_prefix(b"\"") {
        Some(quoted) => {
            let end = quoted.iter().position(|byte| *byte == b'"')?;
            (quoted.get(..end).filter(|value| !value.contains(&b'\\'))?, &quoted[end + 1..])
        }
        None => token(rest)?,
    };
    Some(((lower_case(name), value.to_vec()), rest))
}

/// Splits the token at the start of `text` from the text behind it.
fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| !is_token(*byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

pub(super) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn lower_case(token: &[u8]) -> String {
    String::from_utf8_lossy(token).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(String, Vec<(String, String)>)> {
        let read = Parameterized::read(text.as_bytes())?;
        let text = |value: Vec<u8>| String::from_utf8(value).expect("a text");
        Some((read.value, read.parameters.into_iter().map(|(name, value)| (name, text(value))).collect()))
    }

    #[test]
    fn one_value_in_many_spellings_is_read_alike() {
        let all = [
            "form-data;name=a;filename=\"b c\"",
            "Form-Data ; FileName = \"b c\" ;Name=\"a\"; ",
            "form-data;\tfilename=\"b c\";; name=a",
        ];
        for text in all {
            let parameters = vec![("filename".into(), "b c".into()), ("name".into(), "a".into())];
            assert_eq!(read(text), Some(("form-data".into(), parameters)), "{text}");
        }
    }

    #[test]
    fn what_servers_read_in_different_ways_is_not_read() {
        for text in [
            "",
            ";a=b",
            "a b",
            "a;b",
            "a;b=",
            "a;=c",
            "a;b=c d",
            "a;b=\"c",
            "a;b=\"c\\\"d\"",
            "a;b=1;B=2",
            "a;b=\"c\"d",
            "a;b=\u{e9}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_media_type_is_known_without_its_parameters() {
        for text in [
            "application/json",
            " Application/JSON ; charset=utf-8",
            "application/json;;\"",
            "APPLICATION/json",
        ] {
            assert_eq!(essence(text.as_bytes()).as_deref(), Some("application/json"), "{text}");
        }
        for text in ["", "json", "/json", "application/", "a/b/c", "a b/c", "a/b, c/d"] {
            assert_eq!(essence(text.as_bytes()), None, "{text}");
        }
    }
}
