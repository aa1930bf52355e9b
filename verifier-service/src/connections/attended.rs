//! A stream that ends when its other side has been silent for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// See the [module documentation](self). Without a limit it is the stream itself.
pub(super) struct Attended<S> {
    stream: S,
    silence: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl<S> Attended<S> {
    /// The stream, of which something has to come at least this often.
    pub(super) fn new(stream: S, silence: Option<Duration>) -> Self {
        Self {
            stream,
            silence: silence.map(|limit| (limit, Box::pin(sleep(limit)))),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Attended<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let Some((limit, over)) = &mut self.silence else {
            return read;
        };
        if read.is_ready() {
            over.as_mut().reset(Instant::now() + *limit);
            return read;
        }
        let silent = || Err(io::ErrorKind::TimedOut.into());
        over.as_mut().poll(context).map(|()| silent())
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Attended<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
