//! Connections that are never made: the only failure in which a payment was provably not made.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use oncegate::call::{CallLimit, MaySend};
use oncegate::config::Upstream;
use oncegate::protocol::{Reason, Sent};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::call::{Caller, assert_never_sent, plain, upstream};

const CONNECT_TIMEOUT: Duration = Duration::from_millis(300);

/// The client may notice the end before or during the write of the request. In both cases no byte could be
/// written, so nothing was sent.
#[tokio::test]
async fn a_connection_that_is_closed_at_once_was_never_sent_anything() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || while listener.accept().is_ok() {});
    let caller = Caller::patient(address);
    // The only thread of this test is busy until the end has arrived.
    let busy = tokio::spawn(async { std::thread::sleep(Duration::from_millis(200)) });
    assert_never_sent(caller.post().await);
    busy.await.expect("no panic");
}

#[tokio::test]
async fn a_refused_connection_is_never_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let caller = Caller::patient(address);
    for _ in 0..20 {
        assert_never_sent(caller.post().await);
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_never_sent() {
    let nowhere = upstream("http://payments.invalid:9000", None);
    assert_never_sent(Caller::new(nowhere).post().await);
}

#[tokio::test]
async fn an_upstream_that_is_not_configured_is_never_sent() {
    let stranger =
        oncegate::upstream::Proxy::new(&std::collections::BTreeMap::new()).expect("nothing to trust");
    let request = super::call::post(super::call::PAYLOAD);
    let error = tower::ServiceExt::oneshot(stranger, request).await.expect_err("nowhere to go");
    assert_eq!(error.sent, oncegate::protocol::Sent::Never);
}

/// The lease ended while the connection was made.
#[tokio::test]
async fn a_request_that_may_no_longer_be_sent_is_never_sent_on_a_new_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let caller = Caller::patient(listener.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let mut request = super::call::post(super::call::PAYLOAD);
    request.extensions_mut().insert(MaySend::new(move || counted.fetch_add(1, Ordering::SeqCst) > 0));
    let called = caller.call(request, CallLimit::Whole).await;
    let error = called.expect_err("it must not be sent");
    assert_eq!((error.sent, error.reason), (Sent::Never, Reason::LeaseOver));
    let (mut connection, _) = listener.accept().await.expect("a connection was made before it was asked");
    drop(caller);
    let mut sent = Vec::new();
    connection.read_to_end(&mut sent).await.expect("its end");
    assert_eq!((sent.len(), asked.load(Ordering::SeqCst)), (0, 1));
}

/// A listener with a full queue: the system drops further attempts to connect without an answer.
struct BlackHole {
    listener: TcpListener,
    address: SocketAddr,
    queued: Vec<TcpStream>,
}

impl BlackHole {
    async fn open() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let listener = socket.listen(1).expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut queued = Vec::new();
        // The queue is full once a connection is not made within a time that is ample here.
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queued.push(stream.expect("a place in the queue"));
            assert!(queued.len() < 64, "the queue has no end");
        }
        Self { listener, address, queued }
    }

    /// Returns the number of bytes that clients ever sent here. Waits until all clients have gone.
    async fn swallowed(self) -> usize {
        drop(self.queued);
        let mut swallowed = 0;
        // A client that was still trying gets in now, because the queue has room.
        while let Ok(accepted) = timeout(Duration::from_millis(1500), self.listener.accept()).await {
            let (mut stream, _) = accepted.expect("accepting works");
            let mut bytes = Vec::new();
            let read = timeout(Duration::from_millis(200), stream.read_to_end(&mut bytes)).await;
            read.expect("nobody holds on").expect("nobody resets");
            swallowed += bytes.len();
        }
        swallowed
    }
}

#[tokio::test]
async fn a_connection_that_takes_too_long_is_never_sent_not_even_later() {
    let hole = BlackHole::open().await;
    let caller = Caller::new(Upstream { connect_timeout: CONNECT_TIMEOUT, ..plain(hole.address) });
    let started = Instant::now();
    assert_never_sent(caller.post().await);
    assert!(started.elapsed() >= CONNECT_TIMEOUT, "{:?}", started.elapsed());
    // The client still exists, so a connection that it made in the background would show.
    assert_eq!(hole.swallowed().await, 0);
    drop(caller);
}
