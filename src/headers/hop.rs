//! Headers of one connection (RFC 9110, section 7.6.1).

use http::header::{CONNECTION, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::names::{HOP_BY_HOP, is_hop_by_hop};

/// Deletes the headers of a single connection, starting with those that `Connection` names.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Few messages have any, and looking is cheaper than nine removals.
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    let nominated: Vec<HeaderName> =
        tokens(headers, &CONNECTION).filter_map(|name| HeaderName::from_bytes(name).ok()).collect();
    for name in nominated.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Returns the members of a comma-separated header, over all its lines.
pub fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    let members = lines.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    members.filter(|member| !member.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_of_one_connection_is_known_by_its_length() {
        assert!(HOP_BY_HOP.iter().all(is_hop_by_hop));
    }

    #[test]
    fn connection_takes_what_it_names() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "x-a, , X-B"), ("connection", "close"), ("x-a", "1"), ("x-b", "1")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-c", HeaderValue::from_static("1"));
        headers.append("te", HeaderValue::from_static("trailers"));
        strip_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-c"]);
    }
}
