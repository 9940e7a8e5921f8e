//! A request body that is compared by its parts.

use oncegate::protocol::BodyScheme;

use super::typed::digest_of;

/// Checks a body behind its boundary, which is the first line. The parts of a body that is compared by them, as
/// a second reader finds them, have the same fingerprint within other boundaries and with another text around
/// them. One byte more in a part, or one part more, is another body.
pub fn multipart(data: &[u8]) {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (boundary, body) = (&data[..line], data.get(line + 1..).unwrap_or_default());
    let media_type = [b"multipart/form-data; boundary=\"", boundary, b"\""].concat();
    let Some(fingerprint) = digest_of(&media_type, body, BodyScheme::Multipart) else { return };
    if Some(fingerprint) == digest_of(&media_type, body, BodyScheme::Raw) {
        return;
    }
    let parts = parts(body, &[b"--", boundary].concat());
    let is_same = |parts: &[Vec<u8>]| digest_within_other_boundaries(parts) == Some(fingerprint);
    assert!(is_same(&parts), "the boundary counts");
    let another = b"content-disposition: form-data; name=\"zz\"\r\n\r\n1".to_vec();
    assert!(!is_same(&[&parts[..], &[another]].concat()), "a part more does not count");
    for number in 0..parts.len() {
        let mut changed = parts.clone();
        changed[number].push(b'1');
        assert!(!is_same(&changed), "a byte more in part {number} does not count");
    }
}

/// Returns what stands between two boundaries, without the line ends that belong to them.
fn parts(body: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
    let mut starts = Vec::new();
    for at in 0..body.len() {
        let is_behind_the_last = starts.last().is_none_or(|last| last + delimiter.len() <= at);
        if is_behind_the_last && body[at..].starts_with(delimiter) {
            starts.push(at);
        }
    }
    let part = |two: &[usize]| {
        let between = &body[two[0] + delimiter.len()..two[1]];
        let line_end = between.iter().position(|byte| *byte == b'\n').expect("a line ends");
        between[line_end + 1..between.len() - 2].to_vec()
    };
    starts.windows(2).map(part).collect()
}

fn digest_within_other_boundaries(parts: &[Vec<u8>]) -> Option<[u8; 32]> {
    let boundary = "other".repeat(12);
    let delimiter = format!("--{boundary}");
    let mut body = b"text before the parts\r\n".to_vec();
    for part in parts {
        body.extend([delimiter.as_bytes(), b" \t\r\n", part, b"\r\n"].concat());
    }
    body.extend([delimiter.as_bytes(), b"--\r\ntext behind them"].concat());
    digest_of(format!("Multipart/Form-Data;Boundary={boundary}").as_bytes(), &body, BodyScheme::Multipart)
}
