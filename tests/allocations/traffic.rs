//! The gateway, in threads of this process, and both of its neighbours, in threads that are not counted.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use clap::Parser;
use oncegate::app;
use oncegate::cli::Cli;

use crate::counting::not_counted;
use crate::servers::redis::free_port;

/// Number of connections that carry the requests in turn.
const CONNECTIONS: usize = 16;
const RESPONSE: &str = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 33\r\n\
                        Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n{\"id\":\"ch_1\",\"amount\":\"2000 EUR\"}";
const BODY: &str = "{\"amount\":2000,\"currency\":\"eur\",\"source\":\"tok_visa\"}";

/// Starts an upstream that answers each request with the same response.
pub fn start_upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        not_counted();
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                not_counted();
                answer_all(stream);
            });
        }
    });
    address
}

fn answer_all(mut stream: TcpStream) {
    let mut unread = Vec::new();
    while read_message(&mut stream, &mut unread).is_some() {
        stream.write_all(RESPONSE.as_bytes()).expect("the gateway reads");
    }
}

/// Starts a gateway with this store. It ends with the process.
pub fn start_gateway(directory: &Path, store: &str, upstream: SocketAddr) -> SocketAddr {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let file = directory.join("oncegate.toml");
    let config = format!(
        "[server]\nlisten = \"{address}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"{store}\"\n\
         [log]\nlevel = \"error\"\n[upstreams.payments]\nurl = \"http://{upstream}\"\n\
         [[routes]]\nname = \"create-charge\"\npath = \"/v1/charges\"\nupstream = \"payments\"\n"
    );
    std::fs::write(&file, config).expect("a file");
    let arguments = ["oncegate".into(), "serve".into(), "--config".into(), file.into_os_string()];
    let cli = Cli::try_parse_from(arguments).expect("valid arguments");
    thread::spawn(move || app::run(cli));
    address
}

/// A client with several connections, which it uses in turn.
pub struct Client {
    streams: Vec<TcpStream>,
    next: usize,
}

impl Client {
    /// Connects to a gateway once it listens.
    pub fn connect(address: SocketAddr) -> Self {
        let connect = || {
            for _ in 0..3000 {
                match TcpStream::connect(address) {
                    Ok(stream) => return stream,
                    Err(_) => thread::sleep(Duration::from_millis(10)),
                }
            }
            panic!("the gateway does not listen");
        };
        Self { streams: (0..CONNECTIONS).map(|_| connect()).collect(), next: 0 }
    }

    /// Sends a request, and waits for the whole response.
    pub fn send(&mut self, key: Option<&str>) {
        let stream = &mut self.streams[self.next % CONNECTIONS];
        self.next += 1;
        let key = key.map(|key| format!("Idempotency-Key: {key}\r\n")).unwrap_or_default();
        let length = BODY.len();
        let request = format!(
            "POST /v1/charges HTTP/1.1\r\nHost: api.example\r\nUser-Agent: test/1\r\nAccept: */*\r\n\
             Authorization: Bearer sk_1\r\nContent-Type: application/json\r\n{key}Content-Length: {length}\r\n\r\n{BODY}"
        );
        stream.write_all(request.as_bytes()).expect("the gateway reads");
        let response = read_message(stream, &mut Vec::new()).expect("a response");
        assert!(response.starts_with("HTTP/1.1 201"), "{response}");
    }
}

/// Reads a message with a declared length. Returns its head, or `None` at the end of the stream.
fn read_message(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = unread.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&unread[..at]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
            });
            let end = at + 4 + length.unwrap_or(0);
            while unread.len() < end {
                read_more(stream, unread)?;
            }
            unread.drain(..end);
            return Some(head);
        }
        read_more(stream, unread)?;
    }
}

fn read_more(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 4096];
    let read = stream.read(&mut bytes).ok().filter(|read| *read > 0)?;
    unread.extend_from_slice(&bytes[..read]);
    Some(())
}
