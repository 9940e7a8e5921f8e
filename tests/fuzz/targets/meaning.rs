//! A second reader of JSON (RFC 8259), which keeps numbers as exact decimals.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The meaning of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(String),
    List(Vec<Self>),
    Members(BTreeMap<String, Self>),
}

/// A number: its significant digits, with the point before the first of them, and a power of ten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    pub negative: bool,
    /// The digits without zeros at either end. Empty for zero, which is not negative.
    pub digits: String,
    pub exponent: i64,
}

/// The deepest document that this reader accepts, which is deeper than any other reader accepts.
const DEEPEST: usize = 200;

impl Meaning {
    /// Returns `None` for bytes that are no document, that name a member twice, or that are deeper than
    /// [`DEEPEST`].
    pub fn read(body: &[u8]) -> Option<Self> {
        let mut reader = Reader { rest: str::from_utf8(body).ok()? };
        let meaning = reader.value(0)?;
        reader.rest.is_empty().then_some(meaning)
    }

    /// Tells whether every number in it has at most 15 significant digits and is below 10^15, and thus is
    /// exactly one double.
    pub fn is_exact(&self) -> bool {
        self.numbers(&|number| number.digits.len() <= 15 && number.exponent <= 15)
    }

    fn numbers(&self, fit: &impl Fn(&Decimal) -> bool) -> bool {
        match self {
            Self::Number(number) => fit(number),
            Self::List(items) => items.iter().all(|item| item.numbers(fit)),
            Self::Members(members) => members.values().all(|member| member.numbers(fit)),
            Self::Null | Self::Bool(_) | Self::Text(_) => true,
        }
    }

    /// Returns the same document in an unusual spelling: members in reverse order, spaces, every character of
    /// a text escaped, numbers with exponents.
    pub fn spelled_otherwise(&self) -> String {
        let joined = |items: Vec<String>| items.join(" ,\n");
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.spelled_otherwise(),
            Self::Text(text) => escaped(text),
            Self::List(items) => {
                format!("[ {}\t]", joined(items.iter().map(Self::spelled_otherwise).collect()))
            }
            Self::Members(members) => {
                let member = |(name, value): (&String, &Self)| {
                    format!("{} : {}", escaped(name), value.spelled_otherwise())
                };
                format!("\r\n{{{} }}", joined(members.iter().rev().map(member).collect()))
            }
        }
    }
}

/// Returns a text with every character as UTF-16 escapes.
fn escaped(text: &str) -> String {
    let mut escaped = String::from("\"");
    for unit in text.encode_utf16() {
        write!(escaped, "\\u{unit:04X}").expect("a string takes everything");
    }
    escaped + "\""
}

impl Decimal {
    /// Reads a number (RFC 8259, section 6). Returns `None` if the text is no number.
    fn read(text: &str) -> Option<Self> {
        let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if leading_zero || ![whole, fraction, unsigned].into_iter().all(all_digits) {
            return None;
        }
        let all = format!("{whole}{fraction}");
        let significant = all.trim_start_matches('0');
        let digits = significant.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self { negative: false, digits, exponent: 0 });
        }
        // A number with an exponent that no integer holds is beyond every double.
        let exponent = exponent.parse::<i64>().ok()?;
        let before_point = whole.len() as i64 - (all.len() - significant.len()) as i64;
        Some(Self { negative, digits, exponent: exponent.checked_add(before_point)? })
    }

    fn spelled_otherwise(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        match self.digits.split_at_checked(1) {
            None => "-0E+1".into(),
            Some((first, "")) => format!("{sign}{first}E{:+}", self.exponent - 1),
            Some((first, rest)) => format!("{sign}{first}.{rest}e{:+}", self.exponent - 1),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Meaning> {
        self.space();
        let meaning = match self.rest.bytes().next()? {
            _ if depth > DEEPEST => None,
            b'{' => self.members(depth).map(Meaning::Members),
            b'[' => self.list(depth).map(Meaning::List),
            b'"' => self.text().map(Meaning::Text),
            _ => self.word(),
        };
        self.space();
        meaning
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, length: usize) -> Option<&'a str> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn word(&mut self) -> Option<Meaning> {
        let end = self.rest.find([' ', '\t', '\r', '\n', ',', ']', '}']).unwrap_or(self.rest.len());
        match self.take(end)? {
            "null" => Some(Meaning::Null),
            "true" => Some(Meaning::Bool(true)),
            "false" => Some(Meaning::Bool(false)),
            number => Decimal::read(number).map(Meaning::Number),
        }
    }

    fn text(&mut self) -> Option<String> {
        let mut end = 1;
        while self.rest.as_bytes().get(end)? != &b'"' {
            end += if self.rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
        }
        // Both readers leave a single text to the same library.
        serde_json::from_str(self.take(end + 1)?).ok()
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Meaning>> {
        let mut items = Vec::new();
        while self.goes_on(']', items.is_empty())? {
            items.push(self.value(depth + 1)?);
        }
        Some(items)
    }

    fn members(&mut self, depth: usize) -> Option<BTreeMap<String, Meaning>> {
        let mut members = BTreeMap::new();
        while self.goes_on('}', members.is_empty())? {
            self.space();
            let name = self.rest.starts_with('"').then(|| self.text())??;
            self.space();
            self.take(1).filter(|colon| *colon == ":")?;
            if members.insert(name, self.value(depth + 1)?).is_some() {
                return None;
            }
        }
        Some(members)
    }

    /// Takes the character before an item: the opening bracket or a comma. Returns false at the end.
    fn goes_on(&mut self, end: char, first: bool) -> Option<bool> {
        if first {
            self.take(1)?;
            self.space();
        }
        if self.rest.starts_with(end) {
            self.take(1)?;
            return Some(false);
        }
        if !first {
            self.take(1).filter(|comma| *comma == ",")?;
        }
        Some(true)
    }
}
