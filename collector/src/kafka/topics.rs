//! The topics of the lanes, and that of the chains' heads: what they should be like, what they are like, and how one becomes the other.
//!
//! Promises that applying is safe to repeat, and by several at once; that settings of others on
//! the topics stay; and that partitions are never changed, because an agent's batches must stay in
//! one partition. Leaves the wish to [`Config`] and the printing to [`super::report`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::util::Timeout;

use super::client::{self, MESSAGE_MAX_BYTES, Observer};
use super::config::{Config, ConfigError};

/// What every topic takes in one record set, bytes: Kafka's default. A set that a producer makes
/// of [`MESSAGE_MAX_BYTES`] fits with what the format adds.
pub const TOPIC_MESSAGE_MAX_BYTES: usize = 1_048_588;
/// The least a topic must take, bytes.
pub const TOPIC_MESSAGE_LEAST_BYTES: usize = MESSAGE_MAX_BYTES + 4096;

const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// How long brokers may take for one request.
const REQUEST: Duration = Duration::from_secs(20);
/// How long a topic that was created may take until every broker knows it.
const PROPAGATION: Duration = Duration::from_secs(60);

/// What goes wrong with topics.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Kafka does not answer, or not as hoped.
    #[error("{what}: {error}")]
    Kafka {
        /// What was asked.
        what: String,
        /// What came of it, and the client's last complaint.
        error: String,
    },
    /// The topic is not there.
    #[error("topic {0} is not there; run `crmscope-collector topics apply`")]
    Missing(String),
    /// Another number of partitions.
    #[error(
        "topic {topic} has {got} partitions, and kafka.partitions.{lane} is {want}: an agent's batches must stay in one partition, or batches sent again could be counted twice; set kafka.partitions.{lane} = {got}, or let the writers empty the topic, stop all collectors, delete it and apply again"
    )]
    Partitions {
        /// Topic.
        topic: String,
        /// Its lane.
        lane: &'static str,
        /// Partitions it has.
        got: usize,
        /// Partitions it should have.
        want: i32,
    },
    /// Too few copies for anything to be acknowledged.
    #[error(
        "topic {topic} has {got} replicas, and kafka.min_insync_replicas is {want}: nothing could be acknowledged; add replicas with Kafka's own kafka-reassign-partitions, or set kafka.min_insync_replicas = {got}"
    )]
    Replicas {
        /// Topic.
        topic: String,
        /// Copies of its partitions.
        got: usize,
        /// Copies that must be in step.
        want: i32,
    },
    /// A batch may not fit.
    #[error(
        "topic {topic} takes {got} bytes at most ({MAX_MESSAGE_BYTES}), and the largest set of batches has {TOPIC_MESSAGE_LEAST_BYTES}; run `crmscope-collector topics apply`, or set it to {TOPIC_MESSAGE_MAX_BYTES}"
    )]
    MessageSize {
        /// Topic.
        topic: String,
        /// Its limit, bytes.
        got: usize,
    },
    /// A broker refuses a topic.
    #[error("topic {topic}: {code}{remedy}")]
    Refused {
        /// Topic.
        topic: String,
        /// The broker's word.
        code: RDKafkaErrorCode,
        /// What may help.
        remedy: &'static str,
    },
    /// A partition that nobody serves.
    #[error(
        "topic {topic}: partition {partition} has no leader; a broker that holds it must come back"
    )]
    Leaderless {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
    },
}

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Batches of a lane.
    Lane(Lane),
    /// Heads of the agents' chains: of each agent the newest is kept for ever.
    Heads,
}

impl Subject {
    /// All topics.
    pub const ALL: [Self; 5] = {
        let [a, b, c, d] = Lane::BY_URGENCY;
        [
            Self::Lane(a),
            Self::Lane(b),
            Self::Lane(c),
            Self::Lane(d),
            Self::Heads,
        ]
    };

    /// Name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lane(lane) => lane.name(),
            Self::Heads => "heads",
        }
    }

    /// Name of its topic.
    #[must_use]
    pub fn topic(self, config: &Config) -> String {
        match self {
            Self::Lane(lane) => config.topic(lane),
            Self::Heads => config.heads_topic(),
        }
    }

    /// Partitions it should have.
    const fn partitions(self, config: &Config) -> i32 {
        match self {
            Self::Lane(lane) => config.partitions.of(lane),
            // A record for each agent and block, of some 200 bytes.
            Self::Heads => 1,
        }
    }
}

/// How a topic is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Partitions.
    pub partitions: usize,
    /// Copies of the partition that has fewest.
    pub replicas: usize,
    /// A partition without a leader.
    pub leaderless: Option<i32>,
}

/// One setting of a topic that was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Name.
    pub name: &'static str,
    /// What it was.
    pub was: String,
    /// What it is to be.
    pub to_be: String,
}

/// A topic as it is.
#[derive(Clone, Debug)]
pub struct Found {
    /// What it is for.
    pub subject: Subject,
    /// Name.
    pub topic: String,
    /// Its layout; none when it is not there.
    pub layout: Option<Layout>,
    /// Settings that are not as they should be.
    pub changes: Vec<Change>,
    /// Its limit of a record set, bytes, where it may be known.
    pub message_max_bytes: Option<usize>,
    /// Settings that somebody made on the topic.
    own: BTreeMap<String, String>,
}

/// What a topic's settings should be.
#[must_use]
pub fn wished(config: &Config, subject: Subject) -> [(&'static str, String); 6] {
    let (policy, retention_ms) = match subject {
        Subject::Lane(_) => {
            let retention_ms = u64::from(config.retention_hours) * 3_600_000;
            ("delete", retention_ms.to_string())
        }
        // Not by age.
        Subject::Heads => ("compact", "-1".to_owned()),
    };
    [
        ("cleanup.policy", policy.to_owned()),
        ("compression.type", "producer".to_owned()),
        (MAX_MESSAGE_BYTES, TOPIC_MESSAGE_MAX_BYTES.to_string()),
        (
            "min.insync.replicas",
            config.min_insync_replicas.to_string(),
        ),
        ("retention.ms", retention_ms),
        ("unclean.leader.election.enable", "false".to_owned()),
    ]
}

/// Asks brokers about a topic; `None` when it is not there. Blocks for up to `patience`.
///
/// # Errors
/// When they do not answer, or refuse to.
pub fn layout<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    patience: Duration,
) -> Result<Option<Layout>, KafkaError> {
    let metadata = client.fetch_metadata(Some(topic), patience)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(None);
    };
    match found.error() {
        None => {}
        Some(
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
            | RDKafkaRespErr::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
        ) => return Ok(None),
        Some(error) => return Err(KafkaError::MetadataFetch(error.into())),
    }
    let partitions = found.partitions();
    // A topic is told before its partitions are.
    if partitions.is_empty() {
        return Ok(None);
    }
    let leaderless = partitions.iter().find(|partition| partition.leader() < 0);
    Ok(Some(Layout {
        partitions: partitions.len(),
        replicas: partitions
            .iter()
            .map(|partition| partition.replicas().len())
            .min()
            .unwrap_or(0),
        leaderless: leaderless.map(rdkafka::metadata::MetadataPartition::id),
    }))
}

/// Compares a layout with the wish.
///
/// # Errors
/// Says what does not fit, and what to do.
pub fn check_layout(
    config: &Config,
    subject: Subject,
    layout: Option<&Layout>,
) -> Result<(), TopicsError> {
    let topic = subject.topic(config);
    let Some(layout) = layout else {
        return Err(TopicsError::Missing(topic));
    };
    let want = subject.partitions(config);
    // Any number serves for heads: all are read.
    if subject != Subject::Heads && i32::try_from(layout.partitions) != Ok(want) {
        return Err(TopicsError::Partitions {
            topic,
            lane: subject.name(),
            got: layout.partitions,
            want,
        });
    }
    let want = config.min_insync_replicas;
    if usize::try_from(want).is_ok_and(|want| layout.replicas < want) {
        return Err(TopicsError::Replicas {
            topic,
            got: layout.replicas,
            want,
        });
    }
    Ok(())
}

impl TopicsError {
    /// An error of a client that has complained of `last` before.
    #[must_use]
    pub fn kafka(what: String, error: &KafkaError, last: Option<&str>) -> Self {
        let last = last.map(|last| format!(" ({last})")).unwrap_or_default();
        let error = format!("{error}{last}");
        Self::Kafka { what, error }
    }

    /// Whether the broker that was asked does not know the topic.
    const fn is_unheard_of(&self) -> bool {
        matches!(
            self,
            Self::Missing(_)
                | Self::Refused {
                    code: RDKafkaErrorCode::UnknownTopicOrPartition,
                    ..
                }
        )
    }

    /// Whether somebody has to change something, rather than a broker come back.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Missing(_)
                | Self::Partitions { .. }
                | Self::Replicas { .. }
                | Self::MessageSize { .. }
        )
    }
}

impl Found {
    /// Whether batches can go into the topic as it is.
    ///
    /// # Errors
    /// Says why not, and what to do.
    pub fn check(&self, config: &Config) -> Result<(), TopicsError> {
        check_layout(config, self.subject, self.layout.as_ref())?;
        match self.message_max_bytes {
            Some(got) if got < TOPIC_MESSAGE_LEAST_BYTES => Err(TopicsError::MessageSize {
                topic: self.topic.clone(),
                got,
            }),
            _ => Ok(()),
        }
    }
}

/// Looks after the topics.
#[derive(Clone)]
pub struct Topics {
    config: Config,
    admin: Arc<AdminClient<Observer>>,
    observer: Observer,
}

impl Topics {
    /// A client for it; nothing is asked yet.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(config: &Config) -> Result<Self, TopicsError> {
        let observer = Observer::new("topics");
        let admin = client::admin(config)?.create_with_context(observer.clone());
        Ok(Self {
            config: config.clone(),
            admin: Arc::new(admin.map_err(|error| {
                TopicsError::kafka("making a Kafka client".to_owned(), &error, None)
            })?),
            observer,
        })
    }

    fn error(&self, what: String, error: &KafkaError) -> TopicsError {
        TopicsError::kafka(what, error, self.observer.last_error().as_deref())
    }

    /// Looks at a topic.
    ///
    /// # Errors
    /// When brokers do not answer, or refuse to.
    pub async fn look(&self, subject: Subject) -> Result<Found, TopicsError> {
        let topic = subject.topic(&self.config);
        let layout = self.layout(&topic).await?;
        let mut found = Found {
            subject,
            topic,
            layout,
            changes: Vec::new(),
            message_max_bytes: None,
            own: BTreeMap::new(),
        };
        if found.layout.is_some() {
            self.look_at_settings(&mut found).await?;
        }
        Ok(found)
    }

    async fn layout(&self, topic: &str) -> Result<Option<Layout>, TopicsError> {
        let (admin, name) = (Arc::clone(&self.admin), topic.to_owned());
        let asked = tokio::task::spawn_blocking(move || layout(admin.inner(), &name, REQUEST));
        let what = || format!("asking Kafka for topic {topic}");
        match asked.await {
            Ok(answer) => answer.map_err(|error| self.error(what(), &error)),
            Err(_) => Err(self.error(what(), &KafkaError::Canceled)),
        }
    }

    async fn look_at_settings(&self, found: &mut Found) -> Result<(), TopicsError> {
        let what = || format!("asking Kafka for the settings of topic {}", found.topic);
        let asked = [ResourceSpecifier::Topic(&found.topic)];
        let answer = self.admin.describe_configs(&asked, &options()).await;
        let answer = answer.map_err(|error| self.error(what(), &error))?;
        let Some(answer) = answer.into_iter().next() else {
            return Err(self.error(what(), &KafkaError::Canceled));
        };
        let settings = match answer {
            Ok(settings) => settings,
            // Whoever may only write need not know; brokers check sizes all the same.
            Err(RDKafkaErrorCode::TopicAuthorizationFailed) => return Ok(()),
            Err(code) => return Err(refused(&found.topic, code)),
        };
        let value = |name: &str| settings.get(name).and_then(|entry| entry.value.clone());
        found.message_max_bytes = value(MAX_MESSAGE_BYTES).and_then(|bytes| bytes.parse().ok());
        for (name, to_be) in wished(&self.config, found.subject) {
            let was = value(name).unwrap_or_default();
            // More than is needed does no harm.
            let enough = name == MAX_MESSAGE_BYTES
                && found.message_max_bytes >= Some(TOPIC_MESSAGE_LEAST_BYTES);
            if was != to_be && !enough {
                found.changes.push(Change { name, was, to_be });
            }
        }
        let own = settings
            .entries
            .iter()
            .filter(|entry| entry.source == ConfigSource::DynamicTopic);
        found.own = own
            .filter_map(|entry| Some((entry.name.clone(), entry.value.clone()?)))
            .collect();
        Ok(())
    }

    /// Creates a topic. Returns whether it was this call that did.
    ///
    /// # Errors
    /// When brokers do not answer, or refuse to.
    pub async fn create(&self, subject: Subject) -> Result<bool, TopicsError> {
        let topic = subject.topic(&self.config);
        let settings = wished(&self.config, subject);
        let replication = TopicReplication::Fixed(self.config.replication_factor);
        let mut new = NewTopic::new(&topic, subject.partitions(&self.config), replication);
        for (name, value) in &settings {
            new = new.set(name, value);
        }
        let what = || format!("creating topic {topic}");
        let created = self.admin.create_topics([&new], &options()).await;
        let created = created.map_err(|error| self.error(what(), &error))?;
        let created = match created.into_iter().next() {
            Some(Ok(_)) => true,
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => false,
            Some(Err((_, code))) => return Err(refused(&topic, code)),
            None => return Err(self.error(what(), &KafkaError::Canceled)),
        };
        Ok(created)
    }

    /// Looks at a topic that was created. Each question goes to another broker, which may not
    /// have heard of the topic that the one before knows: waits until all that is asked is answered.
    ///
    /// # Errors
    /// When brokers do not answer, refuse to, or still do not know the topic after a minute.
    pub async fn look_at_created(&self, subject: Subject) -> Result<Found, TopicsError> {
        let deadline = Instant::now() + PROPAGATION;
        loop {
            let found = match self.look(subject).await {
                Err(error) if error.is_unheard_of() => None,
                found => Some(found?),
            };
            if let Some(found) = found.filter(|found| found.layout.is_some()) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                return Err(TopicsError::Missing(subject.topic(&self.config)));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Makes the settings of a topic what they should be.
    ///
    /// # Errors
    /// When brokers do not answer, or refuse to.
    pub async fn change(&self, found: &Found) -> Result<(), TopicsError> {
        // The request says what a topic's settings are, so those of others are said again.
        let mut all = found.own.clone();
        for change in &found.changes {
            all.insert(change.name.to_owned(), change.to_be.clone());
        }
        let mut alter = AlterConfig::new(ResourceSpecifier::Topic(&found.topic));
        for (name, value) in &all {
            alter = alter.set(name, value);
        }
        let what = || format!("changing the settings of topic {}", found.topic);
        let altered = self.admin.alter_configs([&alter], &options()).await;
        let altered = altered.map_err(|error| self.error(what(), &error))?;
        match altered.into_iter().next() {
            Some(Ok(_)) => Ok(()),
            Some(Err((_, code))) => Err(refused(&found.topic, code)),
            None => Err(self.error(what(), &KafkaError::Canceled)),
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(Timeout::After(REQUEST)))
        .operation_timeout(Some(Timeout::After(REQUEST)))
}

fn refused(topic: &str, code: RDKafkaErrorCode) -> TopicsError {
    let remedy = match code {
        RDKafkaErrorCode::InvalidReplicationFactor => {
            "; there are fewer brokers than kafka.replication_factor"
        }
        RDKafkaErrorCode::TopicAuthorizationFailed
        | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            "; the user needs Create, Describe, DescribeConfigs and AlterConfigs, or somebody who has them applies the topics"
        }
        _ => "",
    };
    TopicsError::Refused {
        topic: topic.to_owned(),
        code,
        remedy,
    }
}
