//! A server that consists of a socket and a script. It reads as much of a request as the script says, writes
//! the bytes of the script, and ends the connection in the given way.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest time until unused connections end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The server's treatment of one request.
#[derive(Clone, Debug)]
pub struct Act {
    pub read: Read,
    pub write: Vec<u8>,
    /// The pause before each written byte, if it is not zero.
    pub drip: Duration,
    /// The pause before the end.
    pub pause: Duration,
    pub end: End,
}

/// The part of a request that is read.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    Bytes(usize),
    Whole,
}

/// The event after the response.
#[derive(Clone, Debug)]
pub enum End {
    /// The next act, with the next request on the same connection.
    Next,
    /// FIN, and RST if there are unread bytes.
    Close,
    /// RST.
    Reset,
    /// The connection stays open until the client ends it.
    Hold,
    /// These bytes, over and over until the client ends the connection.
    Repeat(&'static [u8]),
}

impl Act {
    /// Reads the request, answers it, and ends the connection in this way.
    pub fn answer(write: impl AsRef<[u8]>, end: End) -> Self {
        let write = write.as_ref().to_vec();
        Self { read: Read::Whole, write, drip: Duration::ZERO, pause: Duration::ZERO, end }
    }

    /// Reads this part of the request, and ends the connection without a response.
    pub fn no_answer(read: Read, end: End) -> Self {
        Self { read, ..Self::answer("", end) }
    }
}

/// A running server.
pub struct RawServer {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    connections: TaskTracker,
    stop: CancellationToken,
}

/// The connections and bytes that reached a server.
#[derive(Debug, Default)]
pub struct Seen {
    /// Number of connections that it accepted.
    pub accepted: usize,
    /// The bytes that it read of each request, without requests of which it read nothing.
    pub requests: Vec<Vec<u8>>,
}

impl RawServer {
    /// Starts a server that does these acts, one for each request, and closes any further connection unread.
    pub async fn doing<const N: usize>(acts: [Act; N]) -> Self {
        let mut acts = VecDeque::from(acts);
        let no_more = Act::no_answer(Read::Bytes(0), End::Close);
        Self::start(move || acts.pop_front().unwrap_or_else(|| no_more.clone())).await
    }

    /// Starts a server that asks `script` for the act of each request, before it reads any byte of the
    /// request.
    pub async fn start(script: impl FnMut() -> Act + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = Self {
            address,
            seen: Arc::default(),
            connections: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let (seen, stop) = (Arc::clone(&server.seen), server.stop.clone());
        let script: Script = Arc::new(Mutex::new(script));
        let connections = server.connections.clone();
        server.connections.spawn(async move {
            loop {
                let (stream, _) = select! {
                    // Connections that were already made come first, because they may have brought a request.
                    biased;
                    accepted = listener.accept() => accepted.expect("accepting works"),
                    () = stop.cancelled() => return,
                };
                seen.lock().expect("no panic").accepted += 1;
                let connection = Connection { stream, seen: Arc::clone(&seen), script: Arc::clone(&script) };
                connections.spawn(connection.serve());
            }
        });
        server
    }

    /// Returns what reached the server by the time that every connection is over. The client must be dropped
    /// first.
    pub async fn seen(self) -> Seen {
        self.stop.cancel();
        self.connections.close();
        timeout(PATIENCE, self.connections.wait()).await.expect("the client gave its connections up");
        std::mem::take(&mut *self.seen.lock().expect("no panic"))
    }
}

type Script = Arc<Mutex<dyn FnMut() -> Act + Send>>;

struct Connection {
    stream: TcpStream,
    seen: Arc<Mutex<Seen>>,
    script: Script,
}

impl Connection {
    async fn serve(mut self) {
        loop {
            let act = (self.script.lock().expect("no panic"))();
            // The client may end a connection at any time. Then there is nothing left to do here.
            if !self.perform(&act).await.unwrap_or(false) {
                return;
            }
        }
    }

    /// Does an act. Returns whether there can be a next request.
    async fn perform(&mut self, act: &Act) -> io::Result<bool> {
        let mut request = Request { seen: &self.seen, place: None };
        let read = request.read(&mut self.stream, act.read).await?;
        if let (Read::Whole, false) = (act.read, read) {
            return Ok(false);
        }
        if act.drip.is_zero() {
            self.stream.write_all(&act.write).await?;
        } else {
            for byte in &act.write {
                sleep(act.drip).await;
                self.stream.write_all(&[*byte]).await?;
            }
        }
        if !act.pause.is_zero() {
            sleep(act.pause).await;
        }
        match act.end {
            End::Next => return Ok(true),
            End::Close => {}
            End::Reset => self.stream.set_zero_linger()?,
            End::Hold => while request.read_some(&mut self.stream, usize::MAX).await? > 0 {},
            End::Repeat(bytes) => loop {
                self.stream.write_all(bytes).await?;
            },
        }
        Ok(false)
    }
}

/// A request while it arrives.
struct Request<'a> {
    seen: &'a Mutex<Seen>,
    /// The position of the request in [`Seen`], once one of its bytes was read.
    place: Option<usize>,
}

impl Request<'_> {
    /// Reads until as much as `wanted` has arrived. Returns false if the client ended the request before.
    async fn read(&mut self, stream: &mut TcpStream, wanted: Read) -> io::Result<bool> {
        loop {
            let missing = match wanted {
                Read::Bytes(wanted) => wanted - self.bytes().len(),
                Read::Whole => missing(&self.bytes()),
            };
            if missing == 0 {
                return Ok(true);
            }
            if self.read_some(stream, missing).await? == 0 {
                return Ok(false);
            }
        }
    }

    async fn read_some(&mut self, stream: &mut TcpStream, most: usize) -> io::Result<usize> {
        let mut buffer = vec![0; most.min(64 * 1024)];
        let length = stream.read(&mut buffer).await?;
        if length > 0 {
            let requests = &mut self.seen.lock().expect("no panic").requests;
            let place = *self.place.get_or_insert_with(|| {
                requests.push(Vec::new());
                requests.len() - 1
            });
            requests[place].extend_from_slice(&buffer[..length]);
        }
        Ok(length)
    }

    fn bytes(&self) -> Vec<u8> {
        let seen = self.seen.lock().expect("no panic");
        self.place.map_or_else(Vec::new, |place| seen.requests[place].clone())
    }
}

/// Returns the least number of bytes of this request that are still to come.
fn missing(request: &[u8]) -> usize {
    let text = String::from_utf8_lossy(request);
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return 1 };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a length"));
    (head.len() + 4 + length) - request.len()
}
