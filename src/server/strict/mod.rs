//! What stands between a socket and the HTTP library: every request is checked byte by byte before
//! anything else looks at it.
//!
//! The library is lenient where a gateway must not be: two parsers that read one request differently
//! are how requests are smuggled past one of them. Contract:
//!
//! * A head is handed on only when it is whole and strictly RFC 9112: one reading, one framing. The
//!   library finds nothing in it that it could be lenient about.
//! * A head that is refused is replaced by a harmless one that ends the connection, and the service is
//!   told why ([`Refusals`]), so that the client gets an answer with a reason. Nothing behind it is
//!   read.
//! * The framing of a chunked body is checked as it passes; the first wrong byte is an error of the
//!   body, after which nothing is read either. Trailers are taken out.
//! * Nothing is changed otherwise, and no more is kept in memory than one head.

mod chunked;
mod head;
mod wire;

pub use self::head::{MAX_HEAD, MAX_HEADERS, Refusal};
pub use self::wire::{Refusals, Strict};
