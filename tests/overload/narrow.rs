//! Clients that send requests and do not read the responses.

use std::net::SocketAddr;
use std::process::Command;

use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Connection, Gateway, request_bytes};

/// Opens a connection with a receive buffer that takes almost no bytes.
async fn narrow(to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(to).await.expect("the listener accepts")
}

/// Returns the bytes of a POST with this key.
pub fn keyed(key: &str) -> Vec<u8> {
    request_bytes("POST", "/v1/charges", &[("idempotency-key", key)], b"a")
}

/// Sends a request, and looks at the status without reading it.
pub async fn ask(to: SocketAddr, bytes: &[u8]) -> (u16, Connection) {
    let mut connection = Connection::over(narrow(to).await);
    connection.send(bytes).await;
    let mut seen = [0; 12];
    while connection.stream.peek(&mut seen).await.expect("an answer") < seen.len() {}
    let status = std::str::from_utf8(&seen[9..]).expect("a status").parse().expect("a status");
    (status, connection)
}

/// Returns the most bytes that requests may take, as `oncegate check` reports for the gateway's own
/// configuration.
pub fn bound(gateway: &Gateway) -> u64 {
    let file = gateway.data().with_file_name("oncegate.toml");
    let checked = Command::new(env!("CARGO_BIN_EXE_oncegate")).args(["check", "--config"]).arg(file).output();
    let report = String::from_utf8(checked.expect("it runs").stdout).expect("text");
    let line = report.lines().find_map(|line| line.trim().strip_prefix("together")).expect("a sum");
    let (number, unit) = line.trim().split_once(' ').expect("a number and its unit");
    let unit = match unit {
        "GiB" => f64::from(1 << 30),
        "MiB" => f64::from(1 << 20),
        _ => panic!("{line}"),
    };
    (number.parse::<f64>().expect("a number") * unit) as u64
}
