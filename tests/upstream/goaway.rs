//! An HTTP/2 upstream that shuts down. Its GOAWAY frame says that it never looked at the streams above the
//! last one (RFC 9113, 6.8).

use oncegate::call::CallError;
use oncegate::config::Upstream;
use oncegate::protocol::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::call::{Answer, Caller, assert_maybe_sent, assert_never_sent, plain};

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const HEADERS: u8 = 1;
const MOST: u32 = (1 << 31) - 1;
const LOST: [Reason; 2] = [Reason::ConnectionLost, Reason::BrokenAnswer];

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

/// Returns the static table's `:status: 200`, and the end of the stream.
fn answer(stream: u32) -> Vec<u8> {
    frame(HEADERS, 0x5, stream, &[0x88])
}

/// A server of one connection, written by hand.
struct Server {
    listener: TcpListener,
    stream: Option<TcpStream>,
}

impl Server {
    /// Makes two calls on one connection, the first on stream 1 and the second on stream 3, and waits until
    /// both have arrived.
    async fn asked() -> (TcpStream, JoinHandle<Called>, JoinHandle<Called>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let mut server = Self { listener, stream: None };
        let address = server.listener.local_addr().expect("an address");
        let caller = Caller::new(Upstream { http2: true, ..plain(address) });
        let call = || {
            let caller = caller.clone();
            tokio::spawn(async move { caller.post().await })
        };
        let first = call();
        server.reached(1).await;
        let second = call();
        server.reached(3).await;
        (server.stream.expect("a connection"), first, second)
    }

    /// Reads until a request has arrived on this stream, on a new connection if there is none.
    async fn reached(&mut self, wanted: u32) {
        if self.stream.is_none() {
            let (mut stream, _) = self.listener.accept().await.expect("a connection");
            let mut preface = [0; 24];
            stream.read_exact(&mut preface).await.expect("the preface");
            let settings = [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat();
            stream.write_all(&settings).await.expect("it reads");
            self.stream = Some(stream);
        }
        until(self.stream.as_mut().expect("a connection"), |kind, _, on| (kind, on) == (HEADERS, wanted))
            .await;
    }
}

/// Reads until there is a frame of this kind, with these flags, on this stream.
async fn until(stream: &mut TcpStream, wanted: impl Fn(u8, u8, u32) -> bool) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.expect("a frame");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.expect("its payload");
        if wanted(head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]])) {
            return;
        }
    }
}

type Called = Result<Answer, CallError>;

async fn called(call: JoinHandle<Called>) -> Called {
    call.await.expect("no panic")
}

#[tokio::test]
async fn a_stream_above_the_last_one_was_never_sent() {
    // NO_ERROR, INTERNAL_ERROR, ENHANCE_YOUR_CALM: for every reason, the last stream says which streams were
    // looked at.
    for code in [0, 2, 11] {
        let (mut stream, first, second) = Server::asked().await;
        stream.write_all(&goaway(1, code)).await.expect("it reads");
        assert_never_sent(called(second).await);
        // The server may still answer the streams that it looked at.
        stream.write_all(&answer(1)).await.expect("it reads");
        assert_eq!(called(first).await.expect("an answer").status, 200);
    }
}

#[tokio::test]
async fn a_warning_comes_before_the_last_stream() {
    let (mut stream, first, second) = Server::asked().await;
    stream.write_all(&goaway(MOST, 0)).await.expect("it reads");
    stream.write_all(&goaway(1, 0)).await.expect("it reads");
    assert_never_sent(called(second).await);
    drop(stream);
    assert_maybe_sent(called(first).await, &LOST);
}

#[tokio::test]
async fn a_last_stream_of_zero_refuses_all_streams() {
    let (mut stream, first, second) = Server::asked().await;
    stream.write_all(&goaway(0, 0)).await.expect("it reads");
    assert_never_sent(called(first).await);
    assert_never_sent(called(second).await);
}

/// The upstream may have acted on a stream that GOAWAY does not exclude, in whichever way the connection
/// ends.
#[tokio::test]
async fn a_stream_up_to_the_last_one_may_have_been_sent() {
    for code in [0, 1, 2] {
        for last in [3, 5, MOST] {
            let (mut stream, first, second) = Server::asked().await;
            stream.write_all(&goaway(last, code)).await.expect("it reads");
            drop(stream);
            assert_maybe_sent(called(first).await, &LOST);
            assert_maybe_sent(called(second).await, &LOST);
        }
        // After the GOAWAY frame, the server sends invalid bytes, which make the client end the connection.
        let (mut stream, first, second) = Server::asked().await;
        stream.write_all(&goaway(1, code)).await.expect("it reads");
        stream.write_all(&frame(SETTINGS, 0, 1, &[])).await.expect("it reads");
        assert_never_sent(called(second).await);
        assert_maybe_sent(called(first).await, &LOST);
    }
}

/// The connection still returns the responses to its open streams, and takes no new request.
#[tokio::test]
async fn later_requests_take_another_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let mut server = Server { listener, stream: None };
    let address = server.listener.local_addr().expect("an address");
    let caller = Caller::new(Upstream { http2: true, ..plain(address) });
    let call = || {
        let caller = caller.clone();
        tokio::spawn(async move { caller.post().await })
    };
    let first = call();
    server.reached(1).await;
    let mut old = server.stream.take().expect("a connection");
    // The answer to the ping shows that the client has read the GOAWAY frame before it.
    old.write_all(&[goaway(1, 0), frame(PING, 0, 0, &[7; 8])].concat()).await.expect("it reads");
    until(&mut old, |kind, flags, _| (kind, flags) == (PING, 1)).await;
    let second = call();
    server.reached(1).await;
    let mut new = server.stream.take().expect("another connection");
    new.write_all(&answer(1)).await.expect("it reads");
    assert_eq!(called(second).await.expect("an answer").status, 200);
    old.write_all(&answer(1)).await.expect("it reads");
    assert_eq!(called(first).await.expect("an answer").status, 200);
}
