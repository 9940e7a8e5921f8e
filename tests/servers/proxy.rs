//! A connection between a store and its server that counts round trips and that a test can cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// The treatment of bytes on the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Whole,
    /// No byte passes in either direction, and no side is told.
    Cut,
    /// The server's answers are lost.
    Mute,
    /// The connection is closed as soon as the server answers.
    Lose,
    /// Every connection is closed.
    Closed,
    /// Each piece is delayed by this time.
    Slow(Duration),
}

/// A listener that passes bytes on to a server.
pub struct Proxy {
    pub port: u16,
    wire: watch::Sender<Wire>,
    turns: Arc<Turns>,
    task: AbortHandle,
}

/// Counts how often the client started to send after the server had sent.
#[derive(Default)]
struct Turns {
    count: AtomicU64,
    client_spoke_last: AtomicBool,
    /// Number of pieces that were passed on to the server.
    passed: AtomicU64,
}

impl Proxy {
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let (wire, turns) = (watch::Sender::new(Wire::Whole), Arc::new(Turns::default()));
        let task = tokio::spawn(accept(listener, port, wire.clone(), Arc::clone(&turns))).abort_handle();
        Self { port: own, wire, turns, task }
    }

    pub fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// Returns the number of round trips so far, for a client that waits for each answer.
    pub fn round_trips(&self) -> u64 {
        self.turns.count.load(Ordering::SeqCst)
    }

    /// Returns the number of the client's pieces that were passed on so far.
    pub fn passed(&self) -> u64 {
        self.turns.passed.load(Ordering::SeqCst)
    }

    /// Waits until no byte was sent for `span`.
    pub async fn quiet(&self, span: Duration) {
        let mut before = None;
        while before.replace(self.passed()) != Some(self.passed()) {
            tokio::time::sleep(span).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, port: u16, wire: watch::Sender<Wire>, turns: Arc<Turns>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a client");
        // If the server is away, the proxy closes the client's connection, as the server's own port would.
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
        client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).expect("an option");
        connections.spawn(connection(client, server, wire.subscribe(), Arc::clone(&turns)));
    }
}

/// Passes bytes on until one side ends, and then ends both.
async fn connection(
    client: TcpStream,
    server: TcpStream,
    mut wire: watch::Receiver<Wire>,
    turns: Arc<Turns>,
) {
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (up, down) = (wire.clone(), wire.clone());
    select! {
        () = pump(from_client, to_server, up, &turns, true) => {}
        () = pump(from_server, to_client, down, &turns, false) => {}
        _ = wire.wait_for(|wire| *wire == Wire::Closed) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut wire: watch::Receiver<Wire>,
    turns: &Turns,
    upward: bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Ok(now) = wire.wait_for(|wire| *wire != Wire::Cut).await.map(|wire| *wire) else { return };
        match now {
            Wire::Mute if !upward => continue,
            Wire::Lose if !upward => return,
            Wire::Slow(delay) => tokio::time::sleep(delay).await,
            _ => {}
        }
        if !turns.client_spoke_last.swap(upward, Ordering::SeqCst) && upward {
            turns.count.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if upward {
            turns.passed.fetch_add(1, Ordering::SeqCst);
        }
    }
}
