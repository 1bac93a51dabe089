//! Connections, until they are streams.
//!
//! Owns accepting. Promises: connections are bounded, counted, and closed when TLS and HTTP/2 do not
//! begin in time; one that is slow to begin holds up no other; an accept that fails, for want of file descriptors say, pauses the accepting and
//! ends nothing. Once HTTP/2 has begun, keepalive and the hello's deadline watch over a connection.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, Sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::metrics::Metrics;
use super::peer::Peer;
use crate::identity::{Pattern, certificate};
use crate::tls::{Acceptor, Socket};

/// What every HTTP/2 connection begins with has this length.
const PREFACE_BYTES: usize = 24;
/// Pause after an accept that failed: the next one would fail as well, at once.
const PAUSE: Duration = Duration::from_secs(1);

/// TLS at the address, and how certificates name agents.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: Acceptor,
    pub(crate) patterns: Arc<[Pattern]>,
}

/// A connection that may not have begun yet.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    peer: Peer,
    begun_bytes: usize,
    deadline: Option<Pin<Box<Sleep>>>,
    _permit: OwnedSemaphorePermit,
}

/// Accepts until the receiver is dropped. At most `limit` are open; others are closed at once.
pub(super) fn accept(
    listener: TcpListener,
    tls: Option<Tls>,
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
            let (socket, address) = match socket {
                Ok(accepted) => accepted,
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
            let deadline = Instant::now() + begin_timeout;
            let begin = begin(socket, address, tls.clone(), permit, deadline);
            let accepted = accepted.clone();
            // Beside the others: a handshake takes as long as the other end likes, up to the deadline.
            tokio::spawn(async move {
                if let Some(connection) = begin.await {
                    // Nobody is left to serve it.
                    let _ = accepted.send(Ok(connection)).await;
                }
            });
        }
    });
    ReceiverStream::new(connections)
}

/// Sets up TLS, where it is spoken.
async fn begin(
    socket: TcpStream,
    address: SocketAddr,
    tls: Option<Tls>,
    permit: OwnedSemaphorePermit,
    deadline: Instant,
) -> Option<Connection> {
    let mut peer = Peer {
        address: Some(address),
        certificate: None,
    };
    let socket = match tls {
        None => Socket::Plain(socket),
        Some(Tls { acceptor, patterns }) => {
            let handshake = tokio::time::timeout_at(deadline, acceptor.accept(socket));
            let stream = match handshake.await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    tracing::debug!(%peer, %error, "no TLS came about");
                    return None;
                }
                Err(_) => {
                    acceptor.failed("timeout");
                    return None;
                }
            };
            let (_, session) = stream.get_ref();
            let leaf = session.peer_certificates().and_then(<[_]>::first);
            peer.certificate = leaf.map(|leaf| Arc::new(certificate::read(leaf, &patterns)));
            Socket::Tls(Box::new(stream))
        }
    };
    Some(Connection {
        socket,
        peer,
        begun_bytes: 0,
        deadline: Some(Box::pin(tokio::time::sleep_until(deadline))),
        _permit: permit,
    })
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.peer.clone()
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
