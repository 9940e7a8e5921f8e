//! A hop between client and gateway. It counts the requests under each key and changes nothing. If the test
//! says so, it loses the first response.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The bytes that the client of each connection has sent.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

/// A running hop.
pub struct Hop {
    pub port: u16,
    sent: Sent,
    /// Told after each piece that a client has sent.
    arrivals: watch::Sender<()>,
}

impl Hop {
    /// Starts a hop that passes connections on to `gateway`.
    pub async fn before(gateway: SocketAddr) -> Self {
        Self::new(gateway, false).await
    }

    /// Starts a hop that ends its first connection in place of the response; see [`Hop::before`].
    pub async fn losing_an_answer(gateway: SocketAddr) -> Self {
        Self::new(gateway, true).await
    }

    async fn new(gateway: SocketAddr, mut lose: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let sent = Sent::default();
        let arrivals = watch::Sender::new(());
        let (all, told) = (Arc::clone(&sent), arrivals.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(gateway).await else { continue };
                tokio::spawn(pass(client, server, Arc::clone(&all), told.clone(), lose));
                lose = false;
            }
        });
        Self { port, sent, arrivals }
    }

    /// Waits until this many requests with this key have arrived.
    pub async fn reached(&self, key: &str, requests: usize) {
        let mut arrivals = self.arrivals.subscribe();
        arrivals.wait_for(|()| self.requests(key) >= requests).await.expect("the hop lives");
    }

    /// Returns the number of requests with this key.
    pub fn requests(&self, key: &str) -> usize {
        let line = format!("\r\nidempotency-key: {key}\r\n");
        let sent = self.sent.lock().expect("no panic while locked");
        let texts = sent.iter().map(|bytes| String::from_utf8_lossy(bytes).to_ascii_lowercase());
        texts.map(|text| text.matches(&line).count()).sum()
    }
}

async fn pass(client: TcpStream, server: TcpStream, sent: Sent, arrivals: watch::Sender<()>, lose: bool) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let answers = tokio::spawn(async move {
        if lose {
            let _ = from_server.read(&mut [0; 16 << 10]).await;
            return to_client.shutdown().await;
        }
        tokio::io::copy(&mut from_server, &mut to_client).await.map(drop)
    });
    let mine = {
        let mut sent = sent.lock().expect("no panic while locked");
        sent.push(Vec::new());
        sent.len() - 1
    };
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
        sent.lock().expect("no panic while locked")[mine].extend_from_slice(&buffer[..read]);
        arrivals.send_replace(());
        if to_server.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
    let _ = to_server.shutdown().await;
    let _ = answers.await;
}
