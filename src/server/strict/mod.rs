//! The checks between a socket and the HTTP library: every request is checked byte by byte before any
//! other code reads it.
//!
//! The library is lenient where a gateway must not be. When two parsers read one request differently, a
//! request can be smuggled past one of them. Contract:
//!
//! * A head is handed on only when it is whole and strictly RFC 9112: one reading, one framing. The
//!   library finds nothing in it that it could be lenient about.
//! * A refused head is replaced by a harmless one that ends the connection. The service is told the
//!   reason ([`Refusals`]), so that the client gets a response with a reason. Nothing behind the head is
//!   read.
//! * The framing of a chunked body is checked as it passes. The first wrong byte is an error of the
//!   body, after which nothing is read either. Trailers are removed.
//! * The library reads the frames of HTTP/2, and [`Frames`] counts the frames that bring nothing. HTTP/2
//!   heads are checked when they are whole ([`check`]), by the same rules, and get the form of HTTP/1.
//! * A client that ends its side behind a whole request gets its response: [`Strict`] keeps reading, and
//!   updates [`Presence`](crate::presence::Presence). A client that ends its side within a request has
//!   sent no request.
//! * The bytes pass unchanged otherwise, and no more than one head is kept in memory.

/// Implements `AsyncWrite` for a stream that passes all writes on unread.
macro_rules! written_as_is {
    ($stream:ident) => {
        impl<S: tokio::io::AsyncWrite + Unpin> tokio::io::AsyncWrite for $stream<S> {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                slices: &[io::IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
            }

            fn is_write_vectored(&self) -> bool {
                self.stream.is_write_vectored()
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.get_mut().stream).poll_flush(context)
            }

            fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
            }
        }
    };
}

mod chunked;
mod frames;
mod head;
mod names;
mod read_timeouts;
mod refusal;
mod refusals;
mod request;
mod wire;

pub use self::frames::Frames;
pub use self::head::{MAX_HEAD, MAX_HEADERS};
pub use self::refusal::Refusal;
pub use self::refusals::Refusals;
pub use self::request::check;
pub use self::wire::Strict;
