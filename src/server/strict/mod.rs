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
//! * Of HTTP/2 the library reads the frames, and [`Frames`] counts those that bring nothing. Its heads
//!   are checked when they are whole ([`check`]), by the same rules, and get the form of HTTP/1.
//! * A client that ends its side behind a whole request gets its answer ([`Strict`] keeps reading what
//!   comes, and tells [`Presence`](crate::presence::Presence)); one that ends it within a request has sent
//!   none.
//! * Nothing is changed otherwise, and no more is kept in memory than one head.

/// Writing, which nothing here looks at.
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
mod refusals;
mod request;
mod waits;
mod wire;

pub use self::frames::Frames;
pub use self::head::{MAX_HEAD, MAX_HEADERS, Refusal};
pub use self::refusals::Refusals;
pub use self::request::check;
pub use self::wire::Strict;
