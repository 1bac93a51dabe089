//! The door: agents' streams over gRPC.
//!
//! Owns connections, tokens, hellos and windows. Promises: nobody without a token is read; what is
//! read is judged and handed on in order; every limit has a counter; the end waits for streams with
//! something under way, and for nobody else. Leaves storing and acknowledging decisions to the
//! writer.

pub mod auth;
mod config;
mod connections;
mod end;
mod hello;
mod metrics;
mod pending;
mod seldom;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::limits::{MESSAGE_MAX_BYTES, PAUSE_METADATA};
use crmscope_proto::v1::uplink_server::{Uplink, UplinkServer};
use crmscope_proto::v1::{AgentMessage, CollectorMessage};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

use self::auth::Tokens;
pub use self::config::{AgentSettings, Config, ConfigError, check_listen};
use self::metrics::Metrics;
use self::seldom::Seldom;
use crate::error::{Code, Error};
use crate::log::BoundedLog;
use crate::writer::agents::Inventory;

/// Answers that may wait for an agent that does not read.
const OUTGOING: usize = 8;
/// Requests one connection may have open; an agent needs one.
const STREAMS_PER_CONNECTION: u32 = 4;
/// Flow-control window of a stream: one batch and a half.
const STREAM_WINDOW: u32 = 768 * 1024;
/// Most batches that are open before they have room in the log. Each may be hostile and unfold to
/// 128 MiB (`crmscope_proto::limits`), and opening takes a processor for as long as it lasts.
const OPENING_MAX: usize = 8;
/// How long an agent is to stay away for which there is no room.
const FULL_PAUSE_MS: u64 = 5_000;
/// How long the last words of streams may take on their way to agents.
const GOODBYE: Duration = Duration::from_millis(500);

/// What every stream needs.
#[derive(Debug)]
struct Shared {
    config: Config,
    agent_settings: AgentSettings,
    tokens: Tokens,
    log: BoundedLog,
    inventory: Arc<Inventory>,
    metrics: Metrics,
    draining: watch::Receiver<bool>,
    window: (usize, usize),
    opening: Arc<Semaphore>,
    refusals: Seldom,
}

/// The service.
#[derive(Clone, Debug)]
pub struct Ingest {
    shared: Arc<Shared>,
    streams: Arc<Semaphore>,
}

impl Ingest {
    /// A service that hands batches to `log`.
    pub fn new(
        config: Config,
        agent_settings: AgentSettings,
        tokens: Tokens,
        log: BoundedLog,
        inventory: Arc<Inventory>,
        draining: watch::Receiver<bool>,
        registry: &mut Registry,
    ) -> Self {
        let streams = Arc::new(Semaphore::new(config.streams_max));
        let window = (config.window_batches as usize, config.window_bytes as usize);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let opening = Arc::new(Semaphore::new(processors.min(OPENING_MAX)));
        Self {
            shared: Arc::new(Shared {
                config,
                agent_settings,
                tokens,
                log,
                inventory,
                metrics: Metrics::register(registry),
                draining,
                window,
                opening,
                refusals: Seldom::default(),
            }),
            streams,
        }
    }

    /// Serves until told to drain, then until every stream has ended.
    ///
    /// # Errors
    /// When the transport fails as a whole.
    pub async fn serve(self, listener: TcpListener) -> Result<(), tonic::transport::Error> {
        let config = &self.shared.config;
        let connections = connections::accept(
            listener,
            // An agent that comes back may have its old connection still.
            config.streams_max.saturating_mul(2),
            Duration::from_millis(config.hello_timeout_ms),
            self.shared.metrics.clone(),
        );
        let interval = Duration::from_millis(config.keepalive_interval_ms);
        let timeout = Duration::from_millis(config.keepalive_timeout_ms);
        let service = UplinkServer::new(self.clone()).max_decoding_message_size(MESSAGE_MAX_BYTES);
        let serving = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(interval))
            .http2_keepalive_timeout(Some(timeout))
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW)
            .http2_max_header_list_size(16 * 1024)
            .add_service(service)
            .serve_with_incoming_shutdown(connections, self.drained(false));
        tokio::select! {
            ended = serving => ended,
            // Connections without a stream may stay open for as long as their other end likes.
            () = self.drained(true) => Ok(()),
        }
    }

    /// Waits until draining begins, and on request until the last stream has ended.
    async fn drained(&self, streams_too: bool) {
        let mut draining = self.shared.draining.clone();
        // An error means that the sender is gone, which is an end as well.
        let _ = draining.wait_for(|draining| *draining).await;
        if streams_too {
            let all = u32::try_from(self.shared.config.streams_max).unwrap_or(u32::MAX);
            let _ = self.streams.acquire_many(all).await;
            tokio::time::sleep(GOODBYE).await;
        }
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
            if let Some(suppressed) = shared.refusals.admit(Instant::now()) {
                let peer = request.remote_addr();
                tracing::warn!(
                    ?peer,
                    reason = refusal.reason(),
                    suppressed,
                    "token refused"
                );
            }
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
            let mut status = Status::from(Error::new(Code::ResourceExhausted, text));
            let pause = MetadataValue::from(FULL_PAUSE_MS);
            status.metadata_mut().insert(PAUSE_METADATA, pause);
            return Err(status);
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
