//! Membership in the writers' group: which partitions are ours, and the commits that prove it.
//!
//! Owns a consumer that is there for its membership only: its partitions stay paused, and a thread
//! polls it whatever the writers wait for, so that a slow ClickHouse never costs the membership.
//! Promises that no commit for a partition is begun or under way once a rebalance that takes it
//! away goes on. Leaves what is committed to [`super::claim`].
//!
//! Partitions are assigned by range, with the eager protocol: everybody gives up everything at each
//! rebalance. With the cooperative one a member keeps partitions while its commits are refused, and
//! nobody could tell a refusal that passes from one that means that the partition is lost.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::claim::{Mark, Outcome};
use super::client::{self, Observer, REQUEST_TIMEOUT};
use super::config::Config;
use super::lease::Lease;
use crate::error::{Code, Error};

/// Longest wait for a commit under way while a rebalance wants the partition: librdkafka gives a
/// commit up before that.
const QUIET_MAX: Duration = Duration::from_secs(120);

/// How long a member may be silent before others take its partitions over, unless it is set.
const SESSION_MS: &str = "15000";

/// How long one poll of the membership takes at most.
const POLL: Duration = Duration::from_millis(200);

type Key = (String, i32);

/// What the group says.
#[derive(Debug)]
pub enum News {
    /// These partitions are ours.
    Assigned(Vec<(String, i32, Arc<Lease>)>),
    /// Going on would not be exact.
    Fatal(String),
}

/// The consumer's context.
#[derive(Debug)]
pub struct Membership {
    observer: Observer,
    held: Mutex<HashMap<Key, Arc<Lease>>>,
    news: mpsc::UnboundedSender<News>,
    quiet_max: Duration,
}

/// A member of the group.
#[derive(Debug)]
pub struct Group {
    observer: Observer,
    consumer: Arc<Client>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Client(BaseConsumer<Membership>);

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.observer.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.observer.error(error, reason);
    }
}

impl ConsumerContext for Membership {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // Whatever it is: with the eager protocol nothing is kept.
        if !matches!(rebalance, Rebalance::Assign(_)) {
            self.give_up_all();
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                if let Err(error) = consumer.pause(partitions) {
                    tracing::debug!(%error, "partitions of the membership are not paused");
                }
                self.take(partitions);
            }
            Rebalance::Revoke(_) => tracing::info!("partitions are given up for a rebalance"),
            Rebalance::Error(error) => tracing::warn!(%error, "a rebalance failed"),
        }
    }
}

impl Membership {
    fn with_held<T>(&self, act: impl FnOnce(&mut HashMap<Key, Arc<Lease>>) -> T) -> T {
        act(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self, partitions: &TopicPartitionList) {
        let mut assigned = Vec::new();
        for element in partitions.elements() {
            let lease = Arc::new(Lease::default());
            let (topic, partition) = (element.topic().to_owned(), element.partition());
            self.with_held(|held| held.insert((topic.clone(), partition), Arc::clone(&lease)));
            assigned.push((topic, partition, lease));
        }
        tracing::info!(partitions = assigned.len(), "partitions are assigned");
        // When nobody listens any more, the collector is at its end.
        let _ = self.news.send(News::Assigned(assigned));
    }

    fn give_up_all(&self) {
        let held = self.with_held(std::mem::take);
        for lease in held.values() {
            lease.give_up();
        }
        let end = Instant::now() + self.quiet_max;
        for ((topic, partition), lease) in held {
            if !lease.wait_quiet(end) {
                let text = format!(
                    "{topic}/{partition}: a commit is without an answer after {} s, and a rebalance takes the partition away; a later commit could overwrite the plan of the next owner, so this collector stops: start it again",
                    self.quiet_max.as_secs()
                );
                let _ = self.news.send(News::Fatal(text));
            }
        }
    }
}

impl Group {
    /// Joins the group of writers; brokers need not be there yet.
    ///
    /// # Errors
    /// When the settings cannot be used, or the thread cannot be started.
    pub fn join(config: &Config) -> anyhow::Result<(Self, mpsc::UnboundedReceiver<News>)> {
        let mut settings = client::group_consumer(config)?;
        settings
            .set("partition.assignment.strategy", "range")
            // It reads nothing; where it would begin must not matter.
            .set("auto.offset.reset", "latest")
            .set("queued.min.messages", "1")
            // A topic that is made later is found soon.
            .set("topic.metadata.refresh.interval.ms", "10000");
        if settings.get("session.timeout.ms").is_none() {
            settings.set("session.timeout.ms", SESSION_MS);
        }
        let (news, receiver) = mpsc::unbounded_channel();
        let observer = Observer::new("writers' group");
        let membership = Membership {
            observer: observer.clone(),
            held: Mutex::default(),
            news: news.clone(),
            quiet_max: QUIET_MAX,
        };
        let consumer = BaseConsumer::from_config_and_context(&settings, membership)?;
        let topics: Vec<String> = Lane::BY_URGENCY.map(|lane| config.topic(lane)).to_vec();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&topics)?;
        let consumer = Arc::new(Client(consumer));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("kafka-group".to_owned())
            .spawn({
                let (consumer, stop) = (Arc::clone(&consumer), Arc::clone(&stop));
                move || poll(&consumer.0, &stop, &news)
            })?;
        let group = Self {
            observer,
            consumer,
            stop,
            thread: Mutex::new(Some(thread)),
        };
        Ok((group, receiver))
    }

    /// What brokers answered last, when it was an error.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.observer.last_error()
    }

    /// The group's mark of a partition; `None` when nothing was ever committed.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub async fn mark(&self, topic: &str, partition: i32) -> Result<Option<Mark>, Error> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(topic, partition);
        let consumer = Arc::clone(&self.consumer);
        let mark = self
            .ask(move || {
                let answer = consumer.0.committed_offsets(asked, REQUEST_TIMEOUT)?;
                let element = answer.elements().into_iter().next();
                let Some(element) = element else {
                    return Ok(None);
                };
                element.error()?;
                Ok(match element.offset() {
                    Offset::Offset(offset) => Some(Mark {
                        offset,
                        metadata: element.metadata().to_owned(),
                    }),
                    _ => None,
                })
            })
            .await;
        mark.map_err(|error| failed(topic, partition, "reading the committed offset", &error))
    }

    /// First and next offset of a partition, by its leader.
    ///
    /// # Errors
    /// When the brokers do not answer.
    pub async fn bounds(&self, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
        let (consumer, name) = (Arc::clone(&self.consumer), topic.to_owned());
        let bounds = self
            .ask(move || {
                consumer
                    .0
                    .fetch_watermarks(&name, partition, REQUEST_TIMEOUT)
            })
            .await;
        bounds.map_err(|error| failed(topic, partition, "reading the log's bounds", &error))
    }

    /// Commits a mark and waits for the outcome.
    pub async fn commit(
        &self,
        lease: &Arc<Lease>,
        topic: &str,
        partition: i32,
        mark: &Mark,
    ) -> (Outcome, Option<KafkaError>) {
        let marks = match list(topic, partition, mark) {
            Ok(marks) => marks,
            Err(error) => return (Outcome::Unknown, Some(error)),
        };
        let (consumer, lease) = (Arc::clone(&self.consumer), Arc::clone(lease));
        let committed = tokio::task::spawn_blocking(move || {
            let commit = lease.begin_commit()?;
            // One partition at a time: its error is the whole commit's.
            let outcome = consumer.0.commit(&marks, CommitMode::Sync);
            drop(commit);
            let lost = lease.is_lost() || consumer.0.assignment_lost();
            (!lost).then_some(outcome)
        });
        match committed.await {
            Ok(None) => (Outcome::Fenced, None),
            Ok(Some(Ok(()))) => {
                self.observer.works();
                (Outcome::Done, None)
            }
            Ok(Some(Err(error))) => (outcome_of(&error), Some(error)),
            // A panic or the runtime's end.
            Err(_) => (Outcome::Unknown, None),
        }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, String> {
        match tokio::task::spawn_blocking(question).await {
            Ok(Ok(answer)) => {
                self.observer.works();
                Ok(answer)
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Leaves the group, so that others need not wait for the session to end.
    pub fn leave(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It does not panic; if it did, the session ends by its time.
            let _ = thread.join();
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn list(topic: &str, partition: i32, mark: &Mark) -> Result<TopicPartitionList, KafkaError> {
    let mut marks = TopicPartitionList::new();
    let mut element = marks.add_partition(topic, partition);
    element.set_offset(Offset::Offset(mark.offset))?;
    if !mark.metadata.is_empty() {
        element.set_metadata(&mark.metadata);
    }
    Ok(marks)
}

fn failed(topic: &str, partition: i32, what: &str, error: &str) -> Error {
    Error::new(
        Code::Unavailable,
        format!("kafka: {topic}/{partition}: {what}: {error}"),
    )
}

/// What an error says of a commit.
#[must_use]
pub fn outcome_of(error: &KafkaError) -> Outcome {
    use RDKafkaErrorCode::{
        AssignmentLost, FencedInstanceId, IllegalGeneration, RebalanceInProgress, UnknownMemberId,
    };
    match error.rdkafka_error_code() {
        Some(
            IllegalGeneration | UnknownMemberId | RebalanceInProgress | FencedInstanceId
            | AssignmentLost,
        ) => Outcome::Fenced,
        _ => Outcome::Unknown,
    }
}

fn poll(
    consumer: &BaseConsumer<Membership>,
    stop: &AtomicBool,
    news: &mpsc::UnboundedSender<News>,
) {
    while !stop.load(Ordering::Relaxed) {
        match consumer.poll(POLL) {
            // A record that was on its way before the partition was paused: the reader reads it.
            None | Some(Ok(_)) => {}
            Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                let text = format!(
                    "kafka: the membership in the writers' group ended for good: {code}; start the collector again"
                );
                let _ = news.send(News::Fatal(text));
                return;
            }
            Some(Err(error)) => consumer.context().observer.error(error, "writers' group"),
        }
    }
    consumer.unsubscribe();
    let end = Instant::now() + Duration::from_secs(5);
    // The revocation that follows is answered here.
    while Instant::now() < end {
        let held = consumer.context().with_held(|held| !held.is_empty());
        if !held {
            break;
        }
        consumer.poll(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_without_an_answer_ends_the_collector_and_one_with_does_not() {
        let (news, mut told) = mpsc::unbounded_channel();
        let membership = Membership {
            observer: Observer::new("test"),
            held: Mutex::default(),
            news,
            quiet_max: Duration::from_millis(20),
        };
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition("crmscope.metrics.v1", 3);
        let mut assigned = || {
            membership.take(&partitions);
            match told.try_recv() {
                Ok(News::Assigned(mut assigned)) => assigned.remove(0).2,
                other => panic!("{other:?} instead of a partition"),
            }
        };
        let answered = assigned();
        drop(answered.begin_commit().unwrap());
        membership.give_up_all();
        assert!(answered.is_lost() && answered.begin_commit().is_none());

        let unanswered = assigned();
        let commit = unanswered.begin_commit().unwrap();
        membership.give_up_all();
        assert!(unanswered.is_lost());
        match told.try_recv() {
            Ok(News::Fatal(text)) => assert!(
                text.starts_with("crmscope.metrics.v1/3: a commit is without an answer"),
                "{text}"
            ),
            other => panic!("{other:?} instead of an end"),
        }
        drop(commit);
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn a_refusal_is_told_from_an_unknown_outcome() {
        use RDKafkaErrorCode as Reason;
        for (code, outcome) in [
            (Reason::IllegalGeneration, Outcome::Fenced),
            (Reason::UnknownMemberId, Outcome::Fenced),
            (Reason::RebalanceInProgress, Outcome::Fenced),
            (Reason::AssignmentLost, Outcome::Fenced),
            (Reason::RequestTimedOut, Outcome::Unknown),
            (Reason::OperationTimedOut, Outcome::Unknown),
            (Reason::NotCoordinator, Outcome::Unknown),
            (Reason::BrokerTransportFailure, Outcome::Unknown),
        ] {
            assert_eq!(
                outcome_of(&KafkaError::ConsumerCommit(code)),
                outcome,
                "{code}"
            );
        }
    }
}
