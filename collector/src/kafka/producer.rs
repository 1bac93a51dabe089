//! The writing end of the log: judged batches go to Kafka, and acks come back with its reports.
//!
//! Owns the promise that an ack follows Kafka's, from all copies in step, and that an agent's
//! batches of a lane are in their partition in order and without a gap. A record is tried for as
//! long as it takes. Should one fail for good, what comes behind it would make a gap, and what an
//! agent sends again behind a gap would pass for a duplicate: so the producer ends, nothing more
//! is acknowledged, and the collector ends with it. Records under way when a stream ends go on;
//! the agent sends them again, and writers know duplicates by their sequence.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use prometheus_client::registry::Registry;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::statistics::Statistics;
use tokio::sync::watch;

use super::client::{self, Observer};
use super::config::Config;
use super::deliveries::Metrics;
use super::partition::partition_of;
use super::record;
use super::topics::{Subject, Topics, TopicsError, check_layout, layout};
use crate::judge::{Entry, Verdict};
use crate::readiness::{LogUser, Readiness};
use crate::writer::queue::{Crowding, Room, Rooms};
use crate::writer::settle::Board;

/// Memory a record takes besides its value, in librdkafka and here, bytes.
const RECORD_BYTES: usize = 1024;
/// How often brokers are asked whether all is well.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// How long that answer may take.
const CHECK_PATIENCE: Duration = Duration::from_secs(10);
/// How long the topics' limits may take.
const LIMITS_PATIENCE: Duration = Duration::from_secs(3);
/// Records that wait longer than this without any other being taken are an obstacle.
const STALLED: Duration = Duration::from_secs(15);

/// The log cannot go on.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "the Kafka log ended, so that it has no gap: {0}; nothing behind it was acknowledged, and agents send it again after a restart"
)]
pub struct Ended(String);

/// What is owed to a stream once its batch's record is in the log.
pub(super) struct InFlight {
    board: Arc<Board>,
    lane: Lane,
    sequence: u64,
    bytes: usize,
    rejected: Option<String>,
    room: Room,
    since: Instant,
}

/// Takes the producer's reports, on its thread.
#[derive(Clone)]
pub(super) struct Reports {
    observer: Observer,
    metrics: Metrics,
    ended: watch::Sender<Option<Ended>>,
    delivered: Arc<AtomicU64>,
}

/// The writing end of the log; clones share it.
#[derive(Clone)]
pub struct Producer {
    config: Arc<Config>,
    client: Arc<ThreadedProducer<Reports>>,
    reports: Reports,
    rooms: Rooms,
    /// Whether the topics were found as they should be.
    open: watch::Sender<bool>,
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("open", &*self.open.borrow())
            .finish_non_exhaustive()
    }
}

impl Producer {
    /// A producer that has asked nothing yet; see [`Self::attend`].
    ///
    /// # Errors
    /// When librdkafka refuses the configuration.
    pub fn new(
        config: &Config,
        throttle_percent: u8,
        registry: &mut Registry,
    ) -> Result<Self, TopicsError> {
        let observer = Observer::new("producer");
        let reports = Reports {
            observer,
            metrics: Metrics::register(registry),
            ended: watch::channel(None).0,
            delivered: Arc::default(),
        };
        let made = client::producer(config)?.create_with_context(reports.clone());
        let client = made.map_err(|error| {
            TopicsError::kafka("making a Kafka producer".to_owned(), &error, None)
        })?;
        Ok(Self {
            config: Arc::new(config.clone()),
            client: Arc::new(client),
            reports,
            rooms: Rooms::new(config.queue_max_bytes, throttle_percent, registry),
            open: watch::channel(false).0,
        })
    }

    /// Memory a batch holds until its record is in the log, bytes: the rows are not kept.
    #[must_use]
    pub fn weigh(entry: &Entry) -> usize {
        entry.encoded.len() + RECORD_BYTES
    }

    /// Waits until the topics are there, and for room. `None` once the log has ended.
    pub async fn reserve(&self, weight: usize) -> Option<Room> {
        tokio::select! {
            biased;
            _ = self.reports.ended() => None,
            room = async {
                self.opened().await;
                self.rooms.reserve(weight).await
            } => room,
        }
    }

    async fn opened(&self) {
        let mut open = self.open.subscribe();
        // An error means that the sender is gone, and this is one of its owners.
        let _ = open.wait_for(|open| *open).await;
    }

    /// Hands a batch over; its board hears of it once it is in the log.
    ///
    /// # Errors
    /// When it was not taken: the stream must hand over nothing behind it.
    pub fn send(&self, entry: &Entry, board: Arc<Board>, room: Room) -> Result<(), String> {
        let identity = &entry.identity;
        let in_flight = InFlight {
            board,
            lane: identity.lane,
            sequence: identity.sequence,
            bytes: entry.encoded.len(),
            rejected: match &entry.verdict {
                Verdict::Rejected(rejection) => Some(rejection.detail.clone()),
                Verdict::Stored(_) => None,
            },
            room,
            since: Instant::now(),
        };
        let topic = self.config.topic(identity.lane);
        let partitions = self.config.partitions.of(identity.lane);
        let record = BaseRecord::with_opaque_to(&topic, Box::new(in_flight))
            .partition(partition_of(&identity.agent_id, partitions))
            .key(identity.agent_id.as_bytes())
            .payload(&entry.encoded[..])
            .headers(record::headers(entry));
        self.client.send(record).map_err(|(error, _)| {
            let code = error.rdkafka_error_code();
            self.reports.metrics.failed(code);
            let text = format!(
                "batch {} of lane {} of agent {} does not go into topic {topic}: {}",
                identity.sequence,
                identity.lane.name(),
                identity.agent_id,
                code.map_or_else(|| error.to_string(), |code| code.to_string())
            );
            if code == Some(RDKafkaErrorCode::Fatal) {
                self.reports.end(&text);
            }
            text
        })
    }

    /// Whether agents should pause.
    #[must_use]
    pub fn crowding(&self) -> Crowding {
        if *self.open.borrow() {
            self.rooms.crowding()
        } else {
            Crowding::Severe
        }
    }

    /// Waits until everything that was handed over is in the log, or the log has ended.
    pub async fn drained(&self) {
        tokio::select! {
            () = self.rooms.empty() => {}
            _ = self.reports.ended() => {}
        }
    }

    /// Looks for the topics until they are as they should be, then watches over the log.
    ///
    /// # Errors
    /// When a record failed for good.
    pub async fn attend(self, readiness: Readiness) -> Result<(), Ended> {
        tokio::select! {
            biased;
            ended = self.reports.ended() => Err(ended),
            () = self.watch(&readiness) => Ok(()),
        }
    }

    async fn watch(&self, readiness: &Readiness) {
        readiness.log_fails(LogUser::Producer, "Kafka is being asked for its topics");
        let mut progress = (0, Instant::now());
        let mut limits_are_right = false;
        loop {
            let mut obstacle = self.look().await.err();
            if obstacle.is_none() {
                self.set_open(true);
                obstacle = self.check_limits(&mut limits_are_right).await.err();
            }
            // Where only a broker is away, what is received waits in the queue, up to its bound.
            if obstacle.as_ref().is_some_and(TopicsError::is_lasting) {
                self.set_open(false);
            }
            let delivered = self.reports.delivered.load(Ordering::Relaxed);
            if self.client.in_flight_count() == 0 || delivered != progress.0 {
                progress = (delivered, Instant::now());
            }
            let waiting = progress.1.elapsed();
            let stalled = (waiting > STALLED).then(|| self.stalled(waiting));
            match obstacle.map(|error| error.to_string()).or(stalled) {
                None => {
                    self.reports.observer.works();
                    readiness.log_works(LogUser::Producer);
                }
                Some(error) => {
                    tracing::warn!(error, "Kafka does not take records");
                    readiness.log_fails(LogUser::Producer, &error);
                }
            }
            let pause = if *self.open.borrow() {
                CHECK_INTERVAL
            } else {
                CHECK_INTERVAL / 5
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn set_open(&self, open: bool) {
        let changed = self.open.send_replace(open) != open;
        match (changed, open) {
            (true, true) => tracing::info!("Kafka's topics are as they should be"),
            (true, false) => {
                tracing::warn!("agents wait until Kafka's topics are as they should be");
            }
            (false, _) => {}
        }
    }

    fn stalled(&self, waiting: Duration) -> String {
        let last = self.reports.observer.last_error();
        let last = last.map(|last| format!("; {last}")).unwrap_or_default();
        format!(
            "Kafka has taken no record for {} s{last}; fewer replicas than min.insync.replicas may be in step",
            waiting.as_secs()
        )
    }

    /// Asks for partitions, replicas and leaders.
    async fn look(&self) -> Result<(), TopicsError> {
        let (client, config) = (Arc::clone(&self.client), Arc::clone(&self.config));
        let observer = self.reports.observer.clone();
        let asked = tokio::task::spawn_blocking(move || {
            for lane in Lane::BY_URGENCY {
                let topic = config.topic(lane);
                let found = layout(client.client(), &topic, CHECK_PATIENCE);
                let found = found.map_err(|error| {
                    TopicsError::kafka(
                        format!("asking Kafka for topic {topic}"),
                        &error,
                        observer.last_error().as_deref(),
                    )
                })?;
                check_layout(&config, Subject::Lane(lane), found.as_ref())?;
                if let Some(partition) = found.and_then(|found| found.leaderless) {
                    return Err(TopicsError::Leaderless { topic, partition });
                }
            }
            Ok(())
        });
        asked.await.unwrap_or_else(|_| {
            Err(TopicsError::kafka(
                "asking Kafka for topics".to_owned(),
                &KafkaError::Canceled,
                None,
            ))
        })
    }

    /// Asks for the topics' limits, until they were found right once. Who does not answer in time is
    /// asked again: records flow meanwhile, and one that does not fit ends the log without a gap.
    async fn check_limits(&self, are_right: &mut bool) -> Result<(), TopicsError> {
        if *are_right {
            return Ok(());
        }
        let topics = Topics::new(&self.config)?;
        let asked = async {
            let mut all = Vec::new();
            for lane in Lane::BY_URGENCY {
                all.push(topics.look(Subject::Lane(lane)).await?);
            }
            Ok::<_, TopicsError>(all)
        };
        match tokio::time::timeout(LIMITS_PATIENCE, asked).await {
            Ok(Ok(all)) => all.iter().try_for_each(|found| found.check(&self.config))?,
            Ok(Err(error)) => {
                tracing::debug!(%error, "the topics' limits are not known yet");
                return Ok(());
            }
            Err(_) => return Ok(()),
        }
        *are_right = true;
        Ok(())
    }
}

impl Reports {
    /// Waits until the log has ended.
    async fn ended(&self) -> Ended {
        let mut ended = self.ended.subscribe();
        let ended = ended.wait_for(Option::is_some).await;
        let ended = ended.ok().and_then(|ended| ended.clone());
        ended.unwrap_or_else(|| Ended("the producer is gone".to_owned()))
    }

    /// The first reason is the one that counts.
    fn end(&self, reason: &str) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                tracing::error!(reason, "the Kafka log ended");
                *ended = Some(Ended(reason.to_owned()));
            }
            first
        });
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.observer.log(level, facility, message);
    }

    fn stats(&self, _statistics: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.end(reason);
        }
        self.observer.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<InFlight>;

    fn delivery(&self, result: &DeliveryResult<'_>, in_flight: Box<InFlight>) {
        let InFlight {
            board,
            lane,
            sequence,
            bytes,
            rejected,
            room,
            since,
        } = *in_flight;
        match result {
            // Behind a failed record nothing is acknowledged, wherever it went.
            Ok(_) if self.ended.borrow().is_none() => {
                self.metrics.delivered(lane, bytes, since.elapsed());
                self.delivered.fetch_add(1, Ordering::Relaxed);
                self.observer.works();
                // Whoever has the ack finds the room free.
                drop(room);
                board.settled(lane, sequence, bytes, rejected);
            }
            Ok(_) => {}
            Err((error, message)) => {
                let code = error.rdkafka_error_code();
                // The collector leaves, and what is under way is not waited for any more.
                if matches!(
                    code,
                    Some(RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight)
                ) {
                    return;
                }
                self.metrics.failed(code);
                let error = code.map_or_else(|| error.to_string(), |code| code.to_string());
                self.end(&format!(
                    "batch {sequence} of lane {} did not get into topic {}, partition {}: {error}",
                    lane.name(),
                    message.topic(),
                    message.partition()
                ));
            }
        }
    }
}
