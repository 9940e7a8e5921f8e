//! A read buffer that each thread keeps for its connections. An idle connection has none, and would otherwise
//! take new memory for each look at its socket.

use std::cell::Cell;

use bytes::BytesMut;

/// Largest buffer that is kept, in bytes.
const MAX_SIZE: usize = 32 << 10;

thread_local! {
    static SPARE: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// Returns an empty buffer: the thread's own, if it is here.
pub fn take() -> BytesMut {
    SPARE.try_with(Cell::take).ok().flatten().unwrap_or_default()
}

/// Gives an empty buffer back.
pub fn give_back(buffer: BytesMut) {
    if buffer.is_empty() && buffer.capacity() <= MAX_SIZE {
        // A thread that ends keeps no buffer.
        let _ = SPARE.try_with(|spare| spare.set(Some(buffer)));
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
        give_back(buffer);
        give_back(BytesMut::with_capacity(MAX_SIZE + 1));
        give_back(BytesMut::from("unread"));
        assert_eq!(take().as_ptr(), memory);
        assert_eq!(take().capacity(), 0);
    }
}
