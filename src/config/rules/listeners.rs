//! Rules for the two listeners.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use ipnet::IpNet;

use super::{cors, limits, notify, tls, tokens};
use crate::config::environment::Environment;
use crate::config::file;
use crate::config::mistakes::KeyCursor;
use crate::config::{Admin, Server};

/// Checks the public listener.
pub fn server(at: &KeyCursor<'_>, file: &file::Server) -> Option<Server> {
    let span = |key: &str, text: &str, range| limits::span(&at.key(key), text, range);
    let listen = address(&at.key("listen"), &file.listen);
    let drain_timeout = span("drain_timeout", &file.drain_timeout, &limits::DRAIN_TIMEOUT);
    let shutdown_delay = span("shutdown_delay", &file.shutdown_delay, &limits::DRAIN_TIMEOUT);
    let connections = limits::count(&at.key("max_connections"), file.max_connections, &limits::COUNT);
    let in_flight = limits::count(&at.key("max_in_flight"), file.max_in_flight, &limits::COUNT);
    let header_read = span("header_read_timeout", &file.header_read_timeout, &limits::IO_TIMEOUT);
    let keep_alive = span("keep_alive_timeout", &file.keep_alive_timeout, &limits::IO_TIMEOUT);
    let body_read = span("body_read_timeout", &file.body_read_timeout, &limits::IO_TIMEOUT);
    let body_limit =
        limits::size(&at.key("request_body_limit"), &file.request_body_limit, &limits::REQUEST_BODY);
    let proxies = trusted_proxies(&at.key("trusted_proxies"), &file.trusted_proxies);
    let problem_docs = problem_docs(&at.key("problem_docs"), file.problem_docs.as_deref());
    let tls = tls::listener(&at.key("tls"), file.tls.as_ref());
    let cors = cors::cors(&at.key("cors"), file.cors.as_ref());
    Some(Server {
        listen: listen?,
        drain_timeout: drain_timeout?,
        shutdown_delay: shutdown_delay?,
        max_connections: connections?,
        max_in_flight: in_flight?,
        max_streams: usize::MAX,
        header_read_timeout: header_read?,
        keep_alive_timeout: keep_alive?,
        body_read_timeout: body_read?,
        request_body_limit: body_limit?,
        trusted_proxies: proxies?,
        http2: file.http2,
        tls: tls?,
        problem_docs: problem_docs?,
        cors: cors?,
    })
}

/// Checks the admin listener.
pub fn admin(at: &KeyCursor<'_>, file: &file::Admin, environment: &Environment) -> Option<Admin> {
    let listen = address(&at.key("listen"), &file.listen);
    let tokens = tokens::all(at, file, environment);
    let tls = tls::listener(&at.key("tls"), file.tls.as_ref());
    let notify = notify::notify(&at.key("notify"), file.notify.as_ref(), environment);
    Some(Admin { listen: listen?, tokens: tokens?, tls: tls?, notify: notify? })
}

fn address(at: &KeyCursor<'_>, text: &str) -> Option<SocketAddr> {
    text.parse().ok().or_else(|| {
        let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap_or(8080);
        // The text may be a whole URL with a password.
        let shown = if text.contains('@') { "this".to_owned() } else { format!("{text:?}") };
        at.refuse(format!(
            "{shown} is not an address to listen on; write an IP address and a port, \
             like \"127.0.0.1:{port}\", or \"0.0.0.0:{port}\" or \"[::]:{port}\" for every address"
        ))
    })
}

fn trusted_proxies(at: &KeyCursor<'_>, texts: &[String]) -> Option<Vec<IpNet>> {
    let nets: Vec<Option<IpNet>> =
        texts.iter().enumerate().map(|(index, text)| network(&at.item(index), text)).collect();
    nets.into_iter().collect()
}

/// Reads a network, or a single address as a network that contains only this address.
fn network(at: &KeyCursor<'_>, text: &str) -> Option<IpNet> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.ok().or_else(|| {
        at.refuse(format!(
            "{text:?} is not a network; write one like \"10.0.0.0/8\", or an address like \"10.1.2.3\""
        ))
    })
}

/// Checks the address of the problem pages. `Some(None)` keeps the URNs.
fn problem_docs(at: &KeyCursor<'_>, text: Option<&str>) -> Option<Option<String>> {
    let Some(text) = text else {
        return Some(None);
    };
    // The parser drops a fragment silently, and the gateway's own fragment would be the second one.
    let page = text.parse::<Uri>().ok().filter(|_| !text.contains('#'));
    match page.as_ref().and_then(Uri::scheme_str) {
        Some("http" | "https") => Some(Some(text.to_owned())),
        _ => at.refuse(
            "is not the address of a page; write one like \"https://docs.example.com/idempotency\", without `#`",
        ),
    }
}
