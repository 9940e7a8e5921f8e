//! A read buffer that each thread keeps for its connections. An idle connection has none, and would otherwise
//! take new memory for each look at its socket.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::AsyncRead;

/// Largest buffer that is kept, in bytes.
const MAX_SIZE: usize = 32 << 10;

thread_local! {
    static SPARE: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// Reads the next bytes of a stream into a buffer with room for `size` more. A buffer without memory takes the
/// thread's own, and an empty buffer gives it back if there is nothing to read yet.
pub fn poll_read(
    stream: &mut (impl AsyncRead + Unpin),
    context: &mut Context<'_>,
    buffer: &mut BytesMut,
    size: usize,
) -> Poll<io::Result<usize>> {
    if buffer.capacity() == 0 {
        *buffer = take();
    }
    buffer.reserve(size);
    let read = tokio_util::io::poll_read_buf(Pin::new(stream), context, buffer);
    if read.is_pending() {
        give_back(buffer);
    }
    read
}

/// Returns an empty buffer: the thread's own, if it is here.
fn take() -> BytesMut {
    SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default()
}

/// Gives the memory of a buffer back if the buffer is empty.
pub fn give_back(buffer: &mut BytesMut) {
    if buffer.is_empty() && buffer.capacity() > 0 {
        let spare = std::mem::take(buffer);
        if spare.capacity() <= MAX_SIZE {
            // A thread that ends keeps no buffer.
            let _ = SPARE.try_with(|kept| kept.set(Some(spare)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_one_buffer_of_a_usual_size() {
        let mut buffer = take();
        buffer.reserve(1000);
        let memory = buffer.as_ptr();
        give_back(&mut buffer);
        give_back(&mut BytesMut::with_capacity(MAX_SIZE + 1));
        let mut unread = BytesMut::from("unread");
        give_back(&mut unread);
        assert_eq!(unread, "unread");
        assert_eq!(take().as_ptr(), memory);
        assert_eq!(take().capacity(), 0);
    }
}
