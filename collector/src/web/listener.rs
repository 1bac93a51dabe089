//! Connections of the pages: plain on loopback, TLS elsewhere.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};

use crate::tls::{Acceptor, Socket};

/// How long setting up TLS may take.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Handshakes at once.
const HANDSHAKES_MAX: usize = 256;
/// Pause after an accept that failed: the next one would fail as well, at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Who asks, as the address of the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) SocketAddr);

impl Connected<IncomingStream<'_, Listener>> for Client {
    fn connect_info(stream: IncomingStream<'_, Listener>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    connections: mpsc::Receiver<(Socket, SocketAddr)>,
}

impl Listener {
    /// Accepts at a socket until it is dropped.
    ///
    /// # Errors
    /// When the socket does not tell its address.
    pub(crate) fn new(listener: TcpListener, tls: Option<Acceptor>) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (ready, connections) = mpsc::channel(1);
        tokio::spawn(accept(listener, tls, ready));
        Ok(Self {
            address,
            connections,
        })
    }
}

async fn accept(
    listener: TcpListener,
    tls: Option<Acceptor>,
    ready: mpsc::Sender<(Socket, SocketAddr)>,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection to the pages cannot be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(acceptor) = tls.clone() else {
            if ready.send((Socket::Plain(socket), address)).await.is_err() {
                return;
            }
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            acceptor.failed("crowded");
            continue;
        };
        let ready = ready.clone();
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(socket)).await {
                Ok(Ok(stream)) => {
                    drop(place);
                    // Nobody is left to serve it.
                    let _ = ready.send((Socket::Tls(Box::new(stream)), address)).await;
                }
                // Counted where it failed.
                Ok(Err(_)) => {}
                Err(_) => acceptor.failed("timeout"),
            }
        });
    }
}

impl axum::serve::Listener for Listener {
    type Io = Socket;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.connections.recv().await {
            Some(connection) => connection,
            // The accepting ends only with this listener.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
