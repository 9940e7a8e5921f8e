//! Clients at other addresses of this machine. For the gateway, each address is another peer.

use std::net::SocketAddr;

use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{Answer, Connection, request_bytes};

/// The honest caller. Its payments must run.
pub const HONEST: &str = "127.0.0.2";
/// The abusive client, which takes all it can get.
pub const STRANGER: &str = "127.0.0.3";

/// Opens a connection from this address. Returns `None` if the connection is refused.
pub async fn dial(from: &str, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::new(from.parse().expect("an address"), 0)).expect("an address of this machine");
    // With a small buffer, unread bytes wait at the gateway.
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    socket.connect(to).await.ok()
}

/// Opens a connection from this address, for requests.
pub async fn connect(from: &str, to: SocketAddr) -> Connection {
    Connection::over(dial(from, to).await.expect("the listener accepts"))
}

/// Sends a POST with a key on a connection of its own.
pub async fn pay(from: &str, to: SocketAddr, key: &str) -> Answer {
    pay_with(from, to, key, b"a").await
}

pub async fn pay_with(from: &str, to: SocketAddr, key: &str, body: &[u8]) -> Answer {
    let mut connection = connect(from, to).await;
    connection.send(request_bytes("POST", "/v1/charges", &[("idempotency-key", key)], body)).await;
    connection.answer().await
}
