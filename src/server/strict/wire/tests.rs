use std::future::poll_fn;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::advance;

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Tells whether a client counts as gone when it ends its side `after` its request.
async fn leaves(after: Duration) -> bool {
    let (near, mut far) = duplex(1024);
    let (mut strict, _) = Strict::new(near, BytesMut::new());
    far.write_all(REQUEST).await.expect("room");
    let mut passed = vec![0; REQUEST.len()];
    strict.read_exact(&mut passed).await.expect("a request");
    poll_fn(|context| Pin::new(&mut strict).poll_flush(context)).await.expect("it is open");
    advance(after).await;
    far.shutdown().await.expect("it ends");
    poll_fn(|context| Pin::new(&mut strict).poll_flush(context)).await.expect("it can still be written to");
    strict.write_all(b"an answer").await.expect("it can still be written to");
    assert_eq!(strict.read(&mut passed).await.expect("an end"), 0);
    strict.presence().has_left()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_its_side_late_has_most_likely_left() {
    assert!(!leaves(Duration::ZERO).await, "it only has nothing more to send");
    assert!(!leaves(HALF_CLOSE_WINDOW / 2).await);
    assert!(leaves(HALF_CLOSE_WINDOW * 5).await, "it waited for the answer and gave up");
}

#[tokio::test]
async fn a_request_that_comes_early_is_kept() {
    let (near, mut far) = duplex(1024);
    let (mut strict, _) = Strict::new(near, BytesMut::new());
    let mut passed = vec![0; REQUEST.len()];
    far.write_all(REQUEST).await.expect("room");
    strict.read_exact(&mut passed).await.expect("a request");
    far.write_all(REQUEST).await.expect("room");
    for _ in 0..3 {
        poll_fn(|context| Pin::new(&mut strict).poll_flush(context)).await.expect("it is open");
    }
    passed.fill(0);
    strict.read_exact(&mut passed).await.expect("a request");
    assert_eq!(passed, REQUEST);
    assert!(!strict.presence().has_left());
}
