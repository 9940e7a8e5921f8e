//! The protocol of a client on a plain connection. HTTP/2 begins with a preface that is no request of
//! HTTP/1 (RFC 9113, 3.4).

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The first bytes of an HTTP/2 connection.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads until the protocol is known. Returns the bytes read so far, and whether they are the preface of
/// HTTP/2.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(BytesMut, bool)> {
    let mut read = BytesMut::new();
    loop {
        if read.starts_with(PREFACE) {
            return Ok((read, true));
        }
        if !PREFACE.starts_with(&read) || stream.read_buf(&mut read).await? == 0 {
            return Ok((read, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_whole_preface_is_one() {
        let preface = |mut bytes: &'static [u8]| async move { read(&mut bytes).await.expect("it is read").1 };
        assert!(preface(PREFACE).await);
        assert!(preface(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04").await);
        assert!(!preface(b"PRI * HTTP/2.0\r\n\r\n").await);
        assert!(!preface(b"POST / HTTP/1.1\r\n").await);
        assert!(!preface(b"").await);
    }
}
