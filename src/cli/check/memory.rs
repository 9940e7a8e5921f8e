//! The bound on memory: connections × header buffer + in-flight × (body + response caps) + the replay
//! cache, with this configuration's numbers.

use crate::cli::page::Page;
use crate::config::units::Size;
use crate::config::{Config, HEADER_BUFFER, HTTP2_WINDOW, REPLAY_CACHE};

/// Writes the bound and how it comes about.
pub(super) fn write(page: &mut Page, config: &Config) {
    let server = &config.server;
    let response = config.routes.iter().map(|route| route.max_response_body).max().unwrap_or(0);
    // A request of HTTP/2 holds a head as a connection of HTTP/1 does, and there are no more of them.
    let each = if server.http2 { 2 * HEADER_BUFFER + HTTP2_WINDOW as usize } else { HEADER_BUFFER };
    let connections = product(server.max_connections, each);
    let executions = product(server.max_in_flight, server.request_body_limit + response);
    let total = connections + executions + REPLAY_CACHE as u128;
    page.heading("Memory for requests, at most");
    page.row(
        "connections",
        &format!(
            "{} × {} of headers{} = {}",
            server.max_connections,
            size(each),
            if server.http2 { " and HTTP/2 windows" } else { "" },
            rounded(connections)
        ),
    );
    page.row(
        "executions",
        &format!(
            "{} × ({} request + {} response) = {}",
            server.max_in_flight,
            size(server.request_body_limit),
            size(response),
            rounded(executions)
        ),
    );
    page.row("replays", &format!("{}, kept for ten seconds each", rounded(REPLAY_CACHE as u128)));
    page.row("together", &rounded(total));
}

fn product(count: usize, each: usize) -> u128 {
    count as u128 * each as u128
}

fn size(bytes: usize) -> Size {
    Size(bytes as u64)
}

/// A size with one decimal, rounded up: it is a bound.
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
