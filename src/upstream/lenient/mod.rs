//! What stands between an HTTP/1 upstream and the HTTP library: every answer is read here first.
//!
//! The library gives up an answer for one odd line in its head, and its outcome would be unknown although
//! it was told. Contract:
//!
//! * A head whose status line and framing can be read is an answer. Odd lines in it are mended (a space
//!   before the colon, a fold, a control byte in a value) or dropped (no colon, a name that is no name).
//! * Lines that concern framing are not mended: where they are odd, contradict each other or only look
//!   like framing, the answer is broken.
//! * The library gets a head of our own with nothing but status and framing. The header lines wait in
//!   [`Answered`] for the caller; there are none if the head is beyond its limits.
//! * Interim answers and trailers are taken out.
//! * What arrives before a request was written, or behind the end of an answer, ends the connection and
//!   is never taken for an answer.
//! * Nothing else is changed, bodies are not copied, and no more is kept in memory than one head.

mod chunks;
mod fields;
mod gather;
mod lines;
mod wire;

pub(super) use self::lines::{Lengths, MAX_LINES};
pub use self::wire::{Answered, Lenient, Line};

/// Reason why an answer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken(&'static str);
