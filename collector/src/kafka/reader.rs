//! Reading partitions from exact offsets on.
//!
//! Owns a consumer without membership, and the thread that polls it. Promises that records of a
//! [`Feed`] come in order from the offset it was opened at, that a feed holds no more than its
//! limit and one fetch, and that nothing is skipped in silence: where the log cannot give what was
//! asked for, [`Reader::faults`] counts, and the owner looks. Leaves what a gap means to
//! [`super::intake`].

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{Message as _, OwnedMessage};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::mpsc as blocking;
use tokio::sync::{Notify, watch};

use super::client::{self, Observer};
use super::config::Config;

/// How long one poll takes at most, and so how long a partition that is opened waits.
const POLL: Duration = Duration::from_millis(20);

/// Records between two looks at what may go on.
const TURN: usize = 256;

/// Records of one partition that were read and not taken yet.
#[derive(Debug)]
pub struct Feed {
    state: Mutex<Waiting>,
    filled: Notify,
    limit_bytes: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    records: VecDeque<OwnedMessage>,
    bytes: usize,
}

impl Feed {
    fn new(limit_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Notify::new(),
            limit_bytes,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next record, when it is here.
    #[must_use]
    pub fn take(&self) -> Option<OwnedMessage> {
        let mut waiting = self.lock();
        let record = waiting.records.pop_front()?;
        waiting.bytes = waiting.bytes.saturating_sub(size(&record));
        Some(record)
    }

    /// Waits until there may be one.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Returns whether the feed is full now.
    fn put(&self, record: OwnedMessage) -> bool {
        let mut waiting = self.lock();
        waiting.bytes += size(&record);
        waiting.records.push_back(record);
        let full = waiting.bytes >= self.limit_bytes;
        drop(waiting);
        self.filled.notify_one();
        full
    }

    fn has_room(&self) -> bool {
        self.lock().bytes < self.limit_bytes / 2
    }
}

fn size(record: &OwnedMessage) -> usize {
    const RECORD: usize = 512;
    RECORD + record.payload().map_or(0, <[u8]>::len) + record.key().map_or(0, <[u8]>::len)
}

enum Command {
    Open(String, i32, i64, Arc<Feed>),
    Close(String, i32, Arc<Feed>),
    Stop,
}

/// The reading end of all partitions of this process.
#[derive(Debug)]
pub struct Reader {
    commands: blocking::Sender<Command>,
    faults: watch::Receiver<u64>,
    feed_max_bytes: usize,
}

struct Opened {
    feed: Arc<Feed>,
    paused: bool,
}

struct Turn {
    consumer: BaseConsumer<Observer>,
    opened: HashMap<String, HashMap<i32, Opened>>,
    faults: watch::Sender<u64>,
}

impl Reader {
    /// Starts the thread; a feed holds about `feed_max_bytes`.
    ///
    /// # Errors
    /// When the settings cannot be used, or the thread cannot be started.
    pub fn start(config: &Config, feed_max_bytes: usize) -> anyhow::Result<Self> {
        let mut settings = client::reader(config)?;
        settings
            .set("enable.partition.eof", "false")
            .set("isolation.level", "read_uncommitted")
            .set("check.crcs", "true")
            // What librdkafka holds beside the feeds.
            .set("queued.max.messages.kbytes", "8192")
            .set("queued.min.messages", "1000")
            // Where these were reached, a partition is not fetched for so long: a second by default,
            // in which a writer that is behind waits for what the broker has.
            .set("fetch.queue.backoff.ms", "20")
            .set("topic.metadata.refresh.interval.ms", "10000");
        let observer = Observer::new("log reader");
        let consumer = BaseConsumer::from_config_and_context(&settings, observer)?;
        let (commands, orders) = blocking::channel();
        let (sender, faults) = watch::channel(0);
        let mut turn = Turn {
            consumer,
            opened: HashMap::new(),
            faults: sender,
        };
        std::thread::Builder::new()
            .name("kafka-reader".to_owned())
            .spawn(move || while turn.obey(&orders) && turn.read() {})?;
        Ok(Self {
            commands,
            faults,
            feed_max_bytes,
        })
    }

    /// Reads a partition from this offset on; what was open of it before is closed.
    #[must_use]
    pub fn open(&self, topic: &str, partition: i32, offset: i64) -> Arc<Feed> {
        let feed = Arc::new(Feed::new(self.feed_max_bytes));
        let command = Command::Open(topic.to_owned(), partition, offset, Arc::clone(&feed));
        // Without the thread the collector is at its end.
        let _ = self.commands.send(command);
        feed
    }

    /// Stops reading into this feed.
    pub fn close(&self, topic: &str, partition: i32, feed: &Arc<Feed>) {
        let command = Command::Close(topic.to_owned(), partition, Arc::clone(feed));
        let _ = self.commands.send(command);
    }

    /// Changes when some partition could not be read on; ends when none can any more.
    #[must_use]
    pub fn faults(&self) -> watch::Receiver<u64> {
        self.faults.clone()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
    }
}

impl Turn {
    /// Does what was asked for. Returns whether to go on.
    fn obey(&mut self, orders: &blocking::Receiver<Command>) -> bool {
        loop {
            match orders.try_recv() {
                Ok(Command::Open(topic, partition, offset, feed)) => {
                    self.open(topic, partition, offset, feed);
                }
                Ok(Command::Close(topic, partition, feed)) => self.close(&topic, partition, &feed),
                Ok(Command::Stop) | Err(blocking::TryRecvError::Disconnected) => return false,
                Err(blocking::TryRecvError::Empty) => return true,
            }
        }
    }

    fn open(&mut self, topic: String, partition: i32, offset: i64, feed: Arc<Feed>) {
        let of_topic = self.opened.entry(topic.clone()).or_default();
        let opened = Opened {
            feed,
            paused: false,
        };
        if of_topic.insert(partition, opened).is_some() {
            self.unassign(&topic, partition);
        }
        let mut list = TopicPartitionList::new();
        let assigned = list
            .add_partition_offset(&topic, partition, Offset::Offset(offset))
            .and_then(|()| self.consumer.incremental_assign(&list));
        if let Err(error) = assigned {
            tracing::error!(topic, partition, offset, %error, "the partition cannot be read");
            self.fault();
        }
        // It may have been paused when it was read last.
        let _ = self.consumer.resume(&list);
    }

    fn close(&mut self, topic: &str, partition: i32, feed: &Arc<Feed>) {
        let of_topic = self.opened.get_mut(topic);
        let is_open = |opened: &Opened| Arc::ptr_eq(&opened.feed, feed);
        if let Some(of_topic) = of_topic
            && of_topic.get(&partition).is_some_and(is_open)
        {
            of_topic.remove(&partition);
            self.unassign(topic, partition);
        }
    }

    fn unassign(&self, topic: &str, partition: i32) {
        if let Err(error) = self.consumer.incremental_unassign(&one(topic, partition)) {
            tracing::debug!(topic, partition, %error, "the partition was not being read");
        }
    }

    /// Reads for a while. Returns whether to go on.
    fn read(&mut self) -> bool {
        for _ in 0..TURN {
            match self.consumer.poll(POLL) {
                None => break,
                Some(Ok(record)) => {
                    let (topic, partition) = (record.topic(), record.partition());
                    let of_topic = self.opened.get_mut(topic);
                    let Some(opened) = of_topic.and_then(|of_topic| of_topic.get_mut(&partition))
                    else {
                        continue;
                    };
                    if opened.feed.put(record.detach()) && !opened.paused {
                        opened.paused = self.consumer.pause(&one(topic, partition)).is_ok();
                    }
                }
                Some(Err(KafkaError::MessageConsumptionFatal(code))) => {
                    tracing::error!(%code, "the reader of the log ended for good");
                    self.fault();
                    return false;
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "reading the log");
                    self.fault();
                }
            }
        }
        for (topic, of_topic) in &mut self.opened {
            for (partition, opened) in of_topic {
                if opened.paused && opened.feed.has_room() {
                    opened.paused = self.consumer.resume(&one(topic, *partition)).is_err();
                }
            }
        }
        true
    }

    fn fault(&self) {
        self.faults.send_modify(|count| *count += 1);
    }
}

fn one(topic: &str, partition: i32) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, partition);
    list
}
