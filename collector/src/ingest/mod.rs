//! The door: agents' streams over gRPC.
//!
//! Owns connections, tokens, hellos and windows. Promises: nobody without a token is read; what is
//! read is judged and handed on in order; every limit has a counter. Leaves storing and
//! acknowledging decisions to the writer.

pub mod auth;
mod config;
mod end;
mod hello;
mod metrics;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::limits::MESSAGE_MAX_BYTES;
use crmscope_proto::v1::uplink_server::{Uplink, UplinkServer};
use crmscope_proto::v1::{AgentMessage, CollectorMessage};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};

use self::auth::Tokens;
pub use self::config::{AgentSettings, Config, ConfigError, check_listen};
use self::metrics::Metrics;
use crate::error::{Code, Error};
use crate::writer::agents::Inventory;
use crate::writer::queue::Sender;

/// Answers that may wait for an agent that does not read.
const OUTGOING: usize = 8;
/// Requests one connection may have open; an agent needs one.
const STREAMS_PER_CONNECTION: u32 = 4;
/// Flow-control window of a stream: one batch and a half.
const STREAM_WINDOW: u32 = 768 * 1024;

/// What every stream needs.
#[derive(Debug)]
struct Shared {
    config: Config,
    agent_settings: AgentSettings,
    tokens: Tokens,
    queue: Sender,
    inventory: Arc<Inventory>,
    metrics: Metrics,
    draining: watch::Receiver<bool>,
    window: (usize, usize),
}

/// The service.
#[derive(Clone, Debug)]
pub struct Ingest {
    shared: Arc<Shared>,
    streams: Arc<Semaphore>,
}

impl Ingest {
    /// A service that hands batches to `queue`.
    pub fn new(
        config: Config,
        agent_settings: AgentSettings,
        tokens: Tokens,
        queue: Sender,
        inventory: Arc<Inventory>,
        draining: watch::Receiver<bool>,
        registry: &mut Registry,
    ) -> Self {
        let streams = Arc::new(Semaphore::new(config.streams_max));
        let window = (config.window_batches as usize, config.window_bytes as usize);
        Self {
            shared: Arc::new(Shared {
                config,
                agent_settings,
                tokens,
                queue,
                inventory,
                metrics: Metrics::register(registry),
                draining,
                window,
            }),
            streams,
        }
    }

    /// Serves until `stop`, then until every stream has ended.
    ///
    /// # Errors
    /// When the transport fails as a whole.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), tonic::transport::Error> {
        let config = &self.shared.config;
        let interval = Duration::from_millis(config.keepalive_interval_ms);
        let timeout = Duration::from_millis(config.keepalive_timeout_ms);
        let service = UplinkServer::new(self.clone()).max_decoding_message_size(MESSAGE_MAX_BYTES);
        tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(interval))
            .http2_keepalive_timeout(Some(timeout))
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW)
            .http2_max_header_list_size(16 * 1024)
            .tcp_nodelay(true)
            .add_service(service)
            .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop)
            .await
    }
}

#[tonic::async_trait]
impl Uplink for Ingest {
    type ConnectStream = ReceiverStream<Result<CollectorMessage, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let shared = &self.shared;
        if let Err(refusal) = shared.tokens.check(request.metadata()) {
            shared.metrics.auth_failed(refusal.reason());
            let peer = request.remote_addr();
            tracing::warn!(?peer, reason = refusal.reason(), "token refused");
            return Err(Error::new(Code::Unauthenticated, refusal.message()).into());
        }
        if *shared.draining.borrow() {
            shared.metrics.refused("shutdown");
            return Err(Error::new(Code::Unavailable, "the collector is shutting down").into());
        }
        let Ok(permit) = Arc::clone(&self.streams).try_acquire_owned() else {
            shared.metrics.refused("streams_max");
            let limit = shared.config.streams_max;
            let text = format!("{limit} streams are open, the limit of ingest.streams_max");
            return Err(Error::new(Code::ResourceExhausted, text).into());
        };
        let (outgoing, answers) = mpsc::channel(OUTGOING);
        let serve = stream::serve(Arc::clone(shared), request.into_inner(), outgoing);
        tokio::spawn(async move {
            serve.await;
            drop(permit);
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}
