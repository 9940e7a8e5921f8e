//! The reader between an HTTP/1 upstream and the HTTP library: every response is read here first.
//!
//! The library gives up a response because of one odd line in its head. Its outcome would then be
//! unknown although the upstream reported it. Contract:
//!
//! * A head with a readable status line and readable framing is a response. Odd lines in it are mended
//!   (a space before the colon, a fold, a control byte in a value) or dropped (no colon, a name that is
//!   no name).
//! * Lines about framing are not mended. Where they are odd, contradict each other or only look like
//!   framing, the response is broken.
//! * The library gets a head made here, with only status and framing. The header lines wait in
//!   [`ResponseHead`] for the pool. There are none if the head is beyond its limits.
//! * Interim responses and trailers are removed.
//! * Bytes that arrive before a request was written, or behind the end of a response, end the connection
//!   and are never taken for a response.
//! * The rest is unchanged, bodies are not copied, and no more than one head is kept in memory.

mod chunks;
mod fields;
mod gather;
mod lines;
mod wire;

pub(super) use self::lines::{Lengths, MAX_LINES, is_canonical};
pub use self::wire::{Lenient, Link, ResponseHead};

/// The reason why a response cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(&'static str);
