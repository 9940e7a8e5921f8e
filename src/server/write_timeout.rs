//! A stream that fails when the other end stops reading.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::slots::ConnectionState;

/// Number of bytes that a client has to read in the time that it may stall. A client that reads one byte
/// now and then is no better than a client that reads none.
const MIN_PROGRESS: usize = 16 << 10;

/// A stream that fails when too little of the written bytes is read for too long. Otherwise a client
/// that does not read its response could hold the memory of the response, and its slot, for any time.
#[derive(Debug)]
pub(super) struct WriteTimeout<S> {
    stream: S,
    timeout: Duration,
    /// Set when a write has to wait, until enough bytes are read, or all.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Number of bytes read since then.
    drained: usize,
    /// The connection's state, which records whether a write waits.
    state: Option<Arc<ConnectionState>>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(stream: S, timeout: Duration) -> Self {
        Self { stream, timeout, alarm: None, drained: 0, state: None }
    }

    /// Returns the stream, which now records in `state` whether a write waits.
    pub(super) fn reporting_to(self, state: &Arc<ConnectionState>) -> Self {
        Self { state: Some(Arc::clone(state)), ..self }
    }

    fn report(&self, waits: bool) {
        if let Some(state) = &self.state {
            state.set_stalled(waits);
        }
    }

    /// Applies the limit after a step that has written `size` bytes, or that waits.
    fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        step: Poll<io::Result<T>>,
        size: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(written) = step {
            if self.alarm.is_some() {
                self.drained = self.drained.saturating_add(written.as_ref().map_or(0, size));
                if self.drained >= MIN_PROGRESS {
                    self.alarm = None;
                    self.report(false);
                }
            }
            return Poll::Ready(written);
        }
        if self.alarm.is_none() {
            self.drained = 0;
            self.report(true);
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(self.timeout)));
        alarm.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.poll(context, written, |size| *size)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        this.poll(context, written, |size| *size)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.poll(context, flushed, |()| MIN_PROGRESS)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(context);
        this.poll(context, shut, |()| MIN_PROGRESS)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Writes to a client that reads `rate` bytes every second.
    async fn write_to(rate: usize, bytes: usize) -> io::Result<()> {
        let (near, mut far) = duplex(256);
        let reading = tokio::spawn(async move {
            let mut drained = vec![0; rate];
            while far.read_exact(&mut drained).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let mut stream = WriteTimeout::new(near, TIMEOUT);
        let written = async {
            stream.write_all(&vec![0; bytes]).await?;
            stream.flush().await
        };
        let written = written.await;
        drop(stream);
        reading.await.expect("no panic");
        written
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_served_and_an_almost_stopped_reader_is_not() {
        write_to(2_000, 200_000).await.expect("two kilobytes a second are slow, and enough");
        let error = write_to(10, 200_000).await.expect_err("ten bytes a second are a way to hold on");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        write_to(100, 900).await.expect("an answer that is over in time may be short");
    }

    #[tokio::test(start_paused = true)]
    async fn slowness_before_does_not_count_against_the_next_answer() {
        let (near, mut far) = duplex(10);
        let mut stream = WriteTimeout::new(near, TIMEOUT);
        for _ in 0..3 {
            let mut drained = [0; 20];
            let (written, read) = tokio::join!(
                async {
                    stream.write_all(&[0; 20]).await?;
                    stream.flush().await
                },
                async {
                    sleep(TIMEOUT * 4 / 5).await;
                    far.read_exact(&mut drained).await
                }
            );
            written.expect("in time");
            read.expect("all of it");
        }
    }
}
