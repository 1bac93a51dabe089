//! A server that speaks ClickHouse's HTTP protocol over the embedded engine.
//!
//! Owns: listening, bounds, the protocol, stopping. Promises: what ClickHouse's HTTP interface
//! answers to one client without sessions, in status, headers and body; an INSERT answered with
//! 200 is in the table; bounded memory for any size of insert or result; a stop that lets running
//! queries end, up to a deadline. Leaves to others: TLS, several users, sessions, any other node.

mod body;
mod dashboard;
mod execute;
mod fault;
mod formats;
mod frames;
mod guard;
mod header;
mod held;
mod http;
mod lexer;
mod query_text;
mod reply;
mod request;
mod settings;
mod statement;

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub use guard::Credentials;

use crate::engine::Engine;
use http::Shared;

/// Open connections; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 512;
/// Head of a request: the URL may carry a query.
const MAX_HEAD_BYTES: usize = 256 << 10;
/// A client that opens a connection and says nothing.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// How the server listens and what it lets through.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Listen on an address other machines reach.
    pub allow_non_loopback: bool,
    /// `Host` names beyond those of loopback.
    pub allowed_hosts: Vec<String>,
    /// Asked of every query, when set.
    pub credentials: Option<Credentials>,
    /// Statements that run at once.
    pub max_concurrent_queries: usize,
    /// `max_execution_time` of a query that names none, in seconds; 0 is none.
    pub max_execution_time_s: u64,
    /// How long running queries may go on after the stop.
    pub drain: Duration,
}

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address others reach, without the flag.
    #[error(
        "{0} is not a loopback address: any query may read this machine's files; if that is meant, pass --allow-non-loopback with --user and --password-file"
    )]
    NotLoopback(SocketAddr),
    /// An address others reach, without a password.
    #[error("{0} is not a loopback address: --user and --password-file are required there")]
    NoPassword(SocketAddr),
    /// The address cannot be had.
    #[error(
        "listen on {address}: {source}; choose another with --listen (port 0 takes a free one)"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system answered.
        source: std::io::Error,
    },
}

/// A server that listens, and serves once it runs.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    drain: Duration,
}

impl Server {
    /// Starts listening.
    ///
    /// # Errors
    /// When the address is refused or taken.
    pub async fn bind(engine: Arc<Engine>, config: ServerConfig) -> Result<Server, ServerError> {
        let address = config.listen;
        if !address.ip().is_loopback() {
            if !config.allow_non_loopback {
                return Err(ServerError::NotLoopback(address));
            }
            if config.credentials.is_none() {
                return Err(ServerError::NoPassword(address));
            }
        }
        let listen_error = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let setting = |name: &str, value: String| (name.to_owned(), value.into_bytes());
        let defaults = vec![
            setting(
                "max_execution_time",
                config.max_execution_time_s.to_string(),
            ),
            // The engine's default batches small inserts; here an answer means written, in the
            // very block that was sent.
            setting("async_insert", "0".to_owned()),
            // libchdb takes `1 + 1` for a query; ClickHouse's server does not.
            setting("implicit_select", "0".to_owned()),
        ];
        let shared = Arc::new(Shared {
            engine,
            places: Arc::new(Semaphore::new(config.max_concurrent_queries)),
            max_concurrent_queries: config.max_concurrent_queries,
            defaults: Arc::new(defaults),
            credentials: config.credentials,
            allowed_hosts: config.allowed_hosts,
            display_name: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
        });
        Ok(Server {
            listener,
            address,
            shared,
            drain: config.drain,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` ends, then stops: no new connections, queries run to their end,
    /// those past the deadline are cancelled. True when nothing was cut.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> bool {
        let (stop, _) = watch::channel(false);
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                // Reaps what has ended; an empty set must not spin.
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listener, &places) => accepted,
            };
            let (stream, place) = accepted;
            let (shared, stop) = (Arc::clone(&self.shared), stop.subscribe());
            connections.spawn(async move {
                connection(&shared, stream, stop).await;
                drop(place);
            });
        }
        drop(self.listener);
        stop.send_replace(true);
        let ended = async { while connections.join_next().await.is_some() {} };
        let mut clean = tokio::time::timeout(self.drain, ended).await.is_ok();
        if !clean {
            tracing::warn!("queries still run at the deadline: cancelling them");
            // Dropping a connection cancels its query.
            connections.shutdown().await;
        }
        clean &= idle(&self.shared).await;
        clean
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, Option<tokio::sync::OwnedSemaphorePermit>) {
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to close.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(shared: &Arc<Shared>, stream: TcpStream, mut stop: watch::Receiver<bool>) {
    let _ = stream.set_nodelay(true);
    let service =
        service_fn(
            |request| async move { Ok::<_, Infallible>(http::serve(shared, request).await) },
        );
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits until no thread is in the engine, so that it can be closed.
async fn idle(shared: &Shared) -> bool {
    let all = u32::try_from(shared.max_concurrent_queries).unwrap_or(u32::MAX);
    let all_places = shared.places.acquire_many(all);
    let idle = matches!(
        tokio::time::timeout(Duration::from_secs(5), all_places).await,
        Ok(Ok(_))
    );
    if !idle {
        tracing::warn!("a query does not end: leaving without closing the engine");
    }
    idle
}
