//! Sizes of buffers that no setting changes. `oncegate check` adds them up to the bound on memory.

/// Largest head of one request, and number of bytes of an answer that are read at once, in bytes.
pub const HEADER_BUFFER: usize = 64 << 10;

/// Number of body bytes on one HTTP/2 connection that may be on their way or unread.
pub const HTTP2_WINDOW: u32 = 256 << 10;

/// Number of bytes of one streamed answer that may be between its upstream and its client: a header buffer
/// that is being read, one that is handed over, and two that wait for the socket.
pub const STREAM_BUFFER: usize = 4 * HEADER_BUFFER;

/// Memory that recently replayed answers may take together, in bytes.
pub const REPLAY_CACHE: usize = 32 << 20;
