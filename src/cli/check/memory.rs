//! The bound on memory: connections × (header buffer + buffers of a stream) + in-flight × (largest body +
//! largest response and its head) + as many large responses on their way out + the replay cache, with the
//! numbers of this configuration.

use crate::buffers::{HEADER_BUFFER, HTTP2_WINDOW, REPLAY_CACHE, STREAM_BUFFER};
use crate::cli::page::Page;
use crate::config::Config;
use crate::config::units::Size;

/// Writes the bound and its parts.
pub(super) fn write(page: &mut Page, config: &Config) {
    let server = &config.server;
    let response = config.routes.iter().map(|route| route.max_response_body).max().unwrap_or(0);
    let connection = Connection::of(config);
    let connections = product(server.max_connections, connection.size());
    let head = config.upstreams.values().map(|upstream| upstream.response_head_limit).max().unwrap_or(0);
    let executions = product(server.max_in_flight, server.request_body_limit + response + head);
    let outgoing = product(server.max_in_flight, response);
    let total = connections + executions + outgoing + REPLAY_CACHE as u128;
    page.heading("Memory for requests, at most");
    page.row(
        "connections",
        &format!(
            "{} × ({}) = {}",
            server.max_connections,
            connection.parts().join(" + "),
            rounded(connections)
        ),
    );
    page.row(
        "executions",
        &format!(
            "{} × ({} request + {} response + {} its head) = {}",
            server.max_in_flight,
            size(server.request_body_limit),
            size(response),
            size(head),
            rounded(executions)
        ),
    );
    page.row(
        "answers",
        &format!(
            "{} × {} that clients have yet to read = {}",
            server.max_in_flight,
            size(response),
            rounded(outgoing)
        ),
    );
    page.row("replays", &format!("{}, kept for ten seconds each", rounded(REPLAY_CACHE as u128)));
    page.row("together", &rounded(total));
}

/// The most memory that one connection takes.
struct Connection {
    http2: bool,
    streams: bool,
}

impl Connection {
    fn of(config: &Config) -> Self {
        let streams = config.fallback.is_some() || config.routes.iter().any(|route| !route.key.required);
        Self { http2: config.server.http2, streams }
    }

    fn size(&self) -> usize {
        // An HTTP/2 request holds a head, as an HTTP/1 connection does. There are no more such requests than
        // connections.
        let windows = if self.http2 { HEADER_BUFFER + HTTP2_WINDOW as usize } else { 0 };
        HEADER_BUFFER + windows + if self.streams { STREAM_BUFFER } else { 0 }
    }

    fn parts(&self) -> Vec<String> {
        let mut parts = vec![format!("{} headers", size(HEADER_BUFFER))];
        if self.http2 {
            parts.push(format!("{} HTTP/2", size(HEADER_BUFFER + HTTP2_WINDOW as usize)));
        }
        if self.streams {
            parts.push(format!("{} unprotected, streaming", size(STREAM_BUFFER)));
        }
        parts
    }
}

fn product(count: usize, each: usize) -> u128 {
    count as u128 * each as u128
}

fn size(bytes: usize) -> Size {
    Size(bytes as u64)
}

/// Formats a size with one decimal. It is rounded up because it is a bound.
fn rounded(bytes: u128) -> String {
    let (unit, name) = [(1u128 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        .into_iter()
        .find(|(unit, _)| bytes >= *unit)
        .unwrap_or((1, "B"));
    let tenths = (bytes * 10).div_ceil(unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_rounded_up() {
        assert_eq!(rounded(0), "0.0 B");
        assert_eq!(rounded((1 << 20) + 1), "1.1 MiB");
        assert_eq!(rounded(1536 << 20), "1.5 GiB");
    }
}
