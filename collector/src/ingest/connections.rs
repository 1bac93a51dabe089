//! Connections, until they are streams.
//!
//! Owns accepting. Promises: connections are bounded, counted, and closed when HTTP/2 does not
//! begin in time; an accept that fails, for want of file descriptors say, pauses the accepting and
//! ends nothing. Once HTTP/2 has begun, keepalive and the hello's deadline watch over a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::metrics::Metrics;

/// What every HTTP/2 connection begins with has this length.
const PREFACE_BYTES: usize = 24;
/// Pause after an accept that failed: the next one would fail as well, at once.
const PAUSE: Duration = Duration::from_secs(1);

/// A connection that may not have begun yet.
#[derive(Debug)]
pub(super) struct Connection {
    socket: TcpStream,
    begun_bytes: usize,
    deadline: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

/// Accepts until the receiver is dropped. At most `limit` are open; others are closed at once.
pub(super) fn accept(
    listener: TcpListener,
    limit: usize,
    begin_timeout: Duration,
    metrics: Metrics,
) -> ReceiverStream<io::Result<Connection>> {
    let (accepted, connections) = mpsc::channel(1);
    let open = Arc::new(Semaphore::new(limit));
    tokio::spawn(async move {
        loop {
            let socket = tokio::select! {
                socket = listener.accept() => socket,
                () = accepted.closed() => return,
            };
            let socket = match socket {
                Ok((socket, _)) => socket,
                Err(error) => {
                    metrics.refused("accept");
                    tracing::warn!(%error, pause_ms = PAUSE.as_millis(), "a connection cannot be accepted");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&open).try_acquire_owned() else {
                metrics.refused("connections");
                continue;
            };
            // An ack is small and must not wait for another one. A failure costs time only.
            let _ = socket.set_nodelay(true);
            let connection = Connection {
                socket,
                begun_bytes: 0,
                deadline: Some(Box::pin(tokio::time::sleep(begin_timeout))),
                _permit: permit,
            };
            if accepted.send(Ok(connection)).await.is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(connections)
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.socket.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        let Some(deadline) = &mut self.deadline else {
            return read;
        };
        let late = deadline.as_mut().poll(context).is_ready();
        self.begun_bytes += buffer.filled().len() - before;
        if self.begun_bytes >= PREFACE_BYTES {
            self.deadline = None;
        } else if late {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}
