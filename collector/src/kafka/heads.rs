//! Heads of the agents' chains in a topic of their own, where whoever owns ClickHouse cannot change them.
//!
//! Writers publish a block's newest heads once its rows and links are stored, and do not wait for it: a head
//! that is lost is followed by the next. The topic is compacted by agent. A record is a JSON object;
//! fields are added, never changed or removed. Heads that are read are another's text: what is no head is
//! counted and passed over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crmscope_proto::chain::{Digest, Head};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{
    BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer,
};
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use super::client::{self, Observer};
use super::config::Config;
use super::topics::{TopicsError, layout};
use crate::chain::ExternalHead;
use crate::judge::Entry;

/// How long brokers may be silent while heads are read.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long heads that are on their way are waited for at the end.
const FLUSH: Duration = Duration::from_secs(5);
/// Agents whose heads are held at once.
const AGENTS_MAX: usize = 1_000_000;

/// A head as it stands in the topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    agent_id: String,
    spool_id: String,
    sequence: u64,
    created_ms: i64,
    link: String,
}

/// The newest head of each spool among entries.
#[must_use]
pub fn newest(entries: &[Entry]) -> Vec<ExternalHead> {
    let mut newest: BTreeMap<(&str, String), Head> = BTreeMap::new();
    for entry in entries {
        let Some(link) = &entry.chain else { continue };
        let key = (link.agent_id.as_str(), link.spool_id.to_string());
        let before = newest.entry(key).or_default();
        if link.sequence > before.sequence {
            *before = link.head();
        }
    }
    let heads = newest.into_iter();
    heads
        .map(|((agent_id, spool_id), head)| ExternalHead {
            agent_id: agent_id.to_owned(),
            spool_id,
            head,
        })
        .collect()
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// What became of heads.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    published: Family<Outcome, Counter>,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "chain_heads_published",
            "Heads of chains that were given to Kafka, by what came of it",
            metrics.published.clone(),
        );
        metrics
    }

    fn count(&self, outcome: &'static str) {
        self.published.get_or_create(&Outcome { outcome }).inc();
    }
}

/// Takes the producer's reports, on its thread.
struct Reports {
    observer: Observer,
    metrics: Metrics,
    failures: AtomicU64,
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.observer.log(level, facility, message);
    }

    fn stats(&self, _statistics: Statistics) {}

    fn error(&self, error: KafkaError, reason: &str) {
        self.observer.error(error, reason);
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.metrics.count("delivered");
                self.failures.store(0, Ordering::Relaxed);
            }
            Err((error, _)) => self.failed(error),
        }
    }
}

impl Reports {
    fn failed(&self, error: &KafkaError) {
        self.metrics.count("failed");
        // The first of a row, and now and then one more.
        if self
            .failures
            .fetch_add(1, Ordering::Relaxed)
            .is_multiple_of(10_000)
        {
            tracing::warn!(%error, "heads of chains do not get into Kafka; `crmscope-collector topics show` tells whether their topic is there");
        }
    }
}

/// The writing end.
pub struct Publisher {
    topic: String,
    producer: ThreadedProducer<Reports>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl Publisher {
    /// One that has asked nothing yet.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(config: &Config, metrics: Metrics) -> Result<Self, TopicsError> {
        let reports = Reports {
            observer: Observer::new("heads of chains"),
            metrics,
            failures: AtomicU64::new(0),
        };
        let producer = client::heads_producer(config)?.create_with_context(reports);
        let failed = |error| TopicsError::kafka("making a Kafka producer".to_owned(), &error, None);
        Ok(Self {
            topic: config.heads_topic(),
            producer: producer.map_err(failed)?,
        })
    }

    /// Hands heads over.
    pub fn publish(&self, heads: &[ExternalHead]) {
        for head in heads {
            let record = Record {
                agent_id: head.agent_id.clone(),
                spool_id: head.spool_id.clone(),
                sequence: head.head.sequence,
                created_ms: head.head.created_ms,
                link: head.head.link.to_string(),
            };
            let Ok(value) = serde_json::to_vec(&record) else {
                continue;
            };
            let sent = self.producer.send(
                BaseRecord::to(&self.topic)
                    .key(head.agent_id.as_bytes())
                    .payload(&value),
            );
            if let Err((error, _)) = sent {
                self.producer.context().failed(&error);
            }
        }
    }

    /// Waits a little for what is on its way.
    pub fn flush(&self) {
        // What does not get there is followed by the next head.
        let _ = self.producer.flush(FLUSH);
    }
}

/// Heads that stand in the topic.
#[derive(Debug, Default)]
pub struct Read {
    /// The newest of each agent.
    pub heads: Vec<ExternalHead>,
    /// Records that are no heads.
    pub unreadable: u64,
}

/// Reads the topic; `None` where it is not there.
///
/// # Errors
/// When brokers do not answer.
pub async fn read(config: &Config) -> Result<Option<Read>, TopicsError> {
    let config = Arc::new(config.clone());
    let read = tokio::task::spawn_blocking(move || read_now(&config));
    read.await.unwrap_or_else(|_| {
        Err(TopicsError::kafka(
            "reading heads of chains".to_owned(),
            &KafkaError::Canceled,
            None,
        ))
    })
}

fn read_now(config: &Config) -> Result<Option<Read>, TopicsError> {
    let topic = config.heads_topic();
    let observer = Observer::new("heads of chains");
    let failed = |error: &KafkaError| {
        let last = observer.last_error();
        TopicsError::kafka(format!("reading topic {topic}"), error, last.as_deref())
    };
    let settings = client::reader(config)?;
    let consumer = BaseConsumer::from_config_and_context(&settings, observer.clone())
        .map_err(|error| failed(&error))?;
    let found = layout(consumer.client(), &topic, PATIENCE).map_err(|error| failed(&error))?;
    let Some(found) = found else { return Ok(None) };
    let mut list = TopicPartitionList::new();
    for partition in 0..i32::try_from(found.partitions).unwrap_or(0) {
        let added = list.add_partition_offset(&topic, partition, Offset::Beginning);
        added.map_err(|error| failed(&error))?;
    }
    consumer.assign(&list).map_err(|error| failed(&error))?;
    let (mut newest, mut unreadable) = (BTreeMap::new(), 0);
    let (mut ended, mut heard) = (0, Instant::now());
    while ended < found.partitions {
        match consumer.poll(Duration::from_millis(200)) {
            None if heard.elapsed() > PATIENCE => {
                return Err(failed(&KafkaError::MessageConsumption(
                    rdkafka::error::RDKafkaErrorCode::OperationTimedOut,
                )));
            }
            None => continue,
            Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
            Some(Err(error)) => return Err(failed(&error)),
            Some(Ok(message)) => match decode(message.key(), message.payload()) {
                Some(head) if newest.len() < AGENTS_MAX => {
                    newest.insert(head.agent_id.clone(), head);
                }
                _ => unreadable += 1,
            },
        }
        heard = Instant::now();
    }
    Ok(Some(Read {
        heads: newest.into_values().collect(),
        unreadable,
    }))
}

fn decode(key: Option<&[u8]>, value: Option<&[u8]>) -> Option<ExternalHead> {
    let record: Record = serde_json::from_slice(value?).ok()?;
    crmscope_proto::check_agent_id(&record.agent_id).ok()?;
    let named = key == Some(record.agent_id.as_bytes());
    let spool_id = crmscope_proto::Id::parse(&record.spool_id)
        .ok()?
        .to_string();
    let link = Digest::parse(&record.link).ok()?;
    (named && record.sequence > 0).then_some(ExternalHead {
        agent_id: record.agent_id,
        spool_id,
        head: Head {
            sequence: record.sequence,
            created_ms: record.created_ms,
            link,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_head_is_passed_over() {
        let link = "ab".repeat(32);
        let text = |agent: &str, spool: &str, sequence: u64, link: &str| {
            format!(
                r#"{{"agent_id":{agent:?},"spool_id":{spool:?},"sequence":{sequence},"created_ms":-1,"link":{link:?},"more":1}}"#
            )
        };
        let spool = "03030303-0303-0303-0303-030303030303";
        let good = text("app-01", spool, 7, &link);
        let head = decode(Some(b"app-01"), Some(good.as_bytes())).unwrap();
        assert_eq!((head.spool_id.as_str(), head.head.sequence), (spool, 7));
        assert_eq!(head.head.link.to_string(), link);
        for (key, value) in [
            (&b"app-02"[..], good.clone()),
            (b"app-01", text("app-01", spool, 0, &link)),
            (b"app-01", text("app-01", "x", 7, &link)),
            (b"app-01", text("app-01", spool, 7, "ab")),
            (b"../x", text("../x", spool, 7, &link)),
            (b"app-01", "{".to_owned()),
        ] {
            assert_eq!(decode(Some(key), Some(value.as_bytes())), None, "{value}");
        }
        assert_eq!(decode(Some(b"app-01"), None), None);
        assert_eq!(decode(None, Some(good.as_bytes())), None);
    }
}
