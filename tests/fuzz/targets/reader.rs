//! A second reader of HTTP/1.1 requests (RFC 9112). It looks at whole lines of whole input, and may accept a
//! head that is not valid.

/// The most digits of a chunk's size, bytes of extensions, and bytes of trailers, with the limits of the
/// gateway.
const MOST_DIGITS: usize = 16;
const MOST_EXTENSIONS: usize = 4 * 1024;
const MOST_TRAILERS: usize = 8 * 1024;

/// A request.
pub struct Message<'a> {
    pub method: &'a [u8],
    pub target: &'a [u8],
    /// True if the connection may carry another request.
    pub goes_on: bool,
    /// Names in lower case, and values without surrounding space.
    pub fields: Vec<(String, &'a [u8])>,
    /// `None` if the end of the body is missing or the body is malformed.
    pub body: Option<Body>,
    /// The bytes of the head.
    pub head: &'a [u8],
}

/// A body as the reader found it.
pub struct Body {
    pub content: Vec<u8>,
    /// The bytes that are passed on: all except the trailers.
    pub passed: Vec<u8>,
    /// The number of bytes from the end of the head to the next message.
    pub length: usize,
}

/// Returns the message at the beginning of `input`, after empty lines, and the number of bytes of these
/// lines.
pub fn message(input: &[u8]) -> Option<(Message<'_>, usize)> {
    let mut skipped = 0;
    while input[skipped..].starts_with(b"\r\n") {
        skipped += 2;
    }
    let input = &input[skipped..];
    let end = input.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = input.split_at(end + 4);
    let mut lines = lines(&head[..end]);
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let fields = lines.map(field).collect::<Option<Vec<_>>>()?;
    let of = |name: &str| fields.iter().find(|(other, _)| other == name).map(|(_, value)| *value);
    let body = match (of("transfer-encoding"), of("content-length")) {
        (Some(_), _) => chunked(rest),
        (None, length) => plain(rest, length.unwrap_or(b"0")),
    };
    let goes_on = version == b"HTTP/1.1" && of("connection").is_none();
    Some((Message { method, target, goes_on, fields, body, head }, skipped))
}

fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(head);
    std::iter::from_fn(move || {
        let text = rest?;
        let line = line(text).unwrap_or(text);
        rest = text.get(line.len() + 2..);
        Some(line)
    })
}

/// Returns the first line without its end.
fn line(text: &[u8]) -> Option<&[u8]> {
    text.windows(2).position(|two| two == b"\r\n").map(|end| &text[..end])
}

fn field(line: &[u8]) -> Option<(String, &[u8])> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    Some((String::from_utf8(line[..colon].to_ascii_lowercase()).ok()?, line[colon + 1..].trim_ascii()))
}

fn plain(rest: &[u8], length: &[u8]) -> Option<Body> {
    let length = str::from_utf8(length).ok()?.parse().ok()?;
    let content = rest.get(..length)?.to_vec();
    Some(Body { passed: content.clone(), content, length })
}

/// Reads a whole body in chunks (RFC 9112, 7.1).
pub fn chunked(input: &[u8]) -> Option<Body> {
    let (mut content, mut at, mut extensions) = (Vec::new(), 0, 0);
    loop {
        let line = line(&input[at..])?;
        let (digits, extension) = match line.iter().position(|byte| *byte == b';') {
            Some(end) => (&line[..end], Some(&line[end + 1..])),
            None => (line, None),
        };
        if !(1..=MOST_DIGITS).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        extensions += extension.map_or(0, <[u8]>::len);
        if extensions > MOST_EXTENSIONS || !extension.is_none_or(is_extension) {
            return None;
        }
        at += line.len() + 2;
        let size = usize::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            let passed = [&input[..at], b"\r\n"].concat();
            return Some(Body { content, passed, length: at + trailers(&input[at..])? });
        }
        content.extend_from_slice(input[at..].get(..size)?);
        at += size;
        input[at..].strip_prefix(b"\r\n")?;
        at += 2;
    }
}

/// Tells whether the text is not empty, has no control character, and closes every quote.
fn is_extension(text: &[u8]) -> bool {
    let (mut quoted, mut bytes) = (false, text.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted && bytes.next().is_none() => return false,
            _ => {}
        }
    }
    !text.is_empty() && !quoted && text.iter().all(is_text)
}

/// Returns the length of a trailer section.
fn trailers(input: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = line(&input[at..])?;
        at += line.len() + 2;
        if line.is_empty() {
            return (at - 2 <= MOST_TRAILERS).then_some(at);
        }
        let colon = line.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0)?;
        let is_name =
            line[..colon].iter().all(|byte| byte.is_ascii_graphic() && !b"\"(),/;<=>?@[\\]{}".contains(byte));
        if !is_name || !line[colon..].iter().all(is_text) {
            return None;
        }
    }
}

fn is_text(byte: &u8) -> bool {
    *byte == b'\t' || !byte.is_ascii_control()
}
