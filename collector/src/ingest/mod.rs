//! The door: agents' streams over gRPC.
//!
//! Owns connections, tokens, hellos and windows. Promises: nobody is read who showed neither a
//! certificate nor, without TLS, a token; an agent sends as itself only; what is read is judged and handed on in order; every limit has a counter; the end waits for streams with
//! something under way, and for nobody else. Leaves storing and acknowledging decisions to the
//! writer.

mod admission;
pub mod auth;
mod config;
mod connections;
mod end;
mod feed;
mod hello;
mod metrics;
mod peer;
mod pending;
mod quota;
pub(crate) mod seldom;
mod settings;
mod stream;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::limits::{MESSAGE_MAX_BYTES, PAUSE_METADATA};
use crmscope_proto::v1::enrolment_server::EnrolmentServer;
use crmscope_proto::v1::uplink_server::{Uplink, UplinkServer};
use crmscope_proto::v1::{AgentMessage, CollectorMessage};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status, Streaming};

pub use self::admission::Admission;
use self::admission::NotAdmitted;
pub use self::config::{Config, ConfigError, QuotaConfig, TlsConfig, both, check_listen};
pub(crate) use self::connections::Tls;
use self::metrics::Metrics;
pub(crate) use self::peer::Peer;
use self::quota::Quotas;
use self::seldom::Seldom;
use crate::delivery::rules::Offers;
use crate::delivery::settings::Offers as SettingsOffers;
use crate::error::{Code, Error};
use crate::identity::authority::Authority;
use crate::identity::patterns;
use crate::identity::service::Registrar;
use crate::log::BoundedLog;
use crate::tls::files::Named;
use crate::tls::{Acceptor, Source};
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
/// Longest request for a certificate.
const ENROLMENT_MAX_BYTES: usize = 16 << 10;
/// How long the last words of streams may take on their way to agents.
const GOODBYE: Duration = Duration::from_millis(500);

/// What every stream needs.
#[derive(Debug)]
struct Shared {
    config: Config,
    offers: watch::Receiver<Arc<Offers>>,
    settings: watch::Receiver<Arc<SettingsOffers>>,
    admission: Arc<Admission>,
    quotas: Quotas,
    log: BoundedLog,
    inventory: Arc<Inventory>,
    metrics: Metrics,
    draining: watch::Receiver<bool>,
    window: (usize, usize),
    opening: Arc<Semaphore>,
    /// Places for agents that are sent rules.
    sending: Arc<Semaphore>,
    refusals: Seldom,
}

/// Reads the certificates of the address, where TLS is spoken, and the authority of agents, where there
/// is one.
///
/// # Errors
/// When a file cannot be used.
pub(crate) fn tls(
    config: &Config,
    metrics: crate::tls::Metrics,
) -> Result<Option<(Tls, Option<Authority>)>, ConfigError> {
    if !config.tls.is_on() {
        return Ok(None);
    }
    let authority = match config.authority.is_on() {
        true => Some(Authority::load(&config.authority)?),
        false => None,
    };
    let mut authorities: Vec<Named> = authority.iter().map(Authority::file).collect();
    if !config.tls.client_ca_file.as_os_str().is_empty() {
        authorities.push(Named::new(
            "ingest.tls.client_ca_file",
            &config.tls.client_ca_file,
        ));
    }
    let acceptor = Acceptor::new(
        Source {
            listener: "ingest",
            certificate: Named::new("ingest.tls.certificate_file", &config.tls.certificate_file),
            key: Named::new("ingest.tls.key_file", &config.tls.key_file),
            authorities,
            protocols: &[b"h2"],
        },
        metrics,
    )?;
    let mut names = config.tls.identities.clone();
    if authority.is_some() {
        names.push(TlsConfig::default().identities.concat());
    }
    let patterns = patterns(&names)?.into();
    Ok(Some((Tls { acceptor, patterns }, authority)))
}

/// The service.
#[derive(Clone, Debug)]
pub struct Ingest {
    shared: Arc<Shared>,
    streams: Arc<Semaphore>,
}

impl Ingest {
    /// A service that hands batches to `log`, and gives agents what is offered.
    #[allow(clippy::too_many_arguments, reason = "what every stream needs, once")]
    pub fn new(
        config: Config,
        offers: watch::Receiver<Arc<Offers>>,
        settings: watch::Receiver<Arc<SettingsOffers>>,
        admission: Arc<Admission>,
        log: BoundedLog,
        inventory: Arc<Inventory>,
        draining: watch::Receiver<bool>,
        registry: &mut Registry,
    ) -> Self {
        let streams = Arc::new(Semaphore::new(config.streams_max));
        let quota = config.quota.clone();
        let window = (config.window_batches as usize, config.window_bytes as usize);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let opening = Arc::new(Semaphore::new(processors.min(OPENING_MAX)));
        Self {
            shared: Arc::new(Shared {
                config,
                offers,
                settings,
                admission,
                quotas: Quotas::new(quota),
                log,
                inventory,
                metrics: Metrics::register(registry),
                draining,
                window,
                opening,
                sending: Arc::new(Semaphore::new(feed::SENDING_MAX)),
                refusals: Seldom::default(),
            }),
            streams,
        }
    }

    /// Serves until told to drain, then until every stream has ended.
    ///
    /// # Errors
    /// When the transport fails as a whole.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        tls: Option<Tls>,
        registrar: Option<Registrar>,
    ) -> Result<(), tonic::transport::Error> {
        let config = &self.shared.config;
        let connections = connections::accept(
            listener,
            tls,
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
            .add_optional_service(registrar.map(|registrar| {
                EnrolmentServer::new(registrar).max_decoding_message_size(ENROLMENT_MAX_BYTES)
            }))
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
        let peer = Peer::of(&request);
        let certified = match shared.admission.admit(&peer, request.metadata()) {
            Ok(certified) => certified,
            Err(NotAdmitted(reason, error)) => {
                shared.metrics.auth_failed(reason);
                if let Some(suppressed) = shared.refusals.admit(Instant::now()) {
                    tracing::warn!(%peer, reason, suppressed, "an agent is refused");
                }
                return Err(error.into());
            }
        };
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
        let serve = stream::serve(
            Arc::clone(shared),
            certified,
            request.into_inner(),
            outgoing,
        );
        tokio::spawn(async move {
            serve.await;
            drop(permit);
        });
        Ok(Response::new(ReceiverStream::new(answers)))
    }
}
