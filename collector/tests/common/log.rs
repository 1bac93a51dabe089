//! A log, filled by hand: of librdkafka's own simulated brokers, or of real ones.

use std::time::Duration;

use crmscope_collector::judge::{Entry, judge};
use crmscope_collector::kafka::record;
use crmscope_proto::Lane;
use crmscope_proto::v1::Batch;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::PATIENCE;
use super::rows::now_ms;

pub(crate) const GROUP: &str = "writers-of-a-test";

pub(crate) struct Log {
    simulated: Option<MockCluster<'static, DefaultProducerContext>>,
    brokers: String,
    /// The writing end, which may go to another thread.
    pub(crate) end: End,
}

#[derive(Clone)]
pub(crate) struct End(FutureProducer);

pub(crate) fn topic(lane: Lane) -> String {
    format!("crmscope.{}.v1", lane.name())
}

pub(crate) fn entry(batch: &Batch) -> Entry {
    judge(batch, now_ms()).expect("an envelope")
}

impl Log {
    /// One broker, with so many partitions of the metrics and one of the other lanes.
    pub(crate) fn start(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).expect("simulated brokers");
        for lane in Lane::BY_URGENCY {
            let count = if lane == Lane::Metrics { partitions } else { 1 };
            cluster
                .create_topic(&topic(lane), count, 1)
                .expect("a topic");
        }
        let brokers = cluster.bootstrap_servers();
        Self::of(Some(cluster), brokers)
    }

    /// The log of real brokers.
    pub(crate) async fn on(brokers: String, partitions: i32) -> Self {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .create()
            .expect("an admin");
        let names = Lane::BY_URGENCY.map(topic);
        let topics = Lane::BY_URGENCY.iter().zip(&names).map(|(lane, name)| {
            let count = if *lane == Lane::Metrics {
                partitions
            } else {
                1
            };
            NewTopic::new(name, count, TopicReplication::Fixed(1))
        });
        let topics: Vec<NewTopic<'_>> = topics.collect();
        let made = admin.create_topics(&topics, &AdminOptions::new()).await;
        for topic in made.expect("an answer") {
            topic.expect("a topic");
        }
        Self::of(None, brokers)
    }

    fn of(
        simulated: Option<MockCluster<'static, DefaultProducerContext>>,
        brokers: String,
    ) -> Self {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("enable.idempotence", "true")
            .create()
            .expect("a producer");
        Self {
            simulated,
            brokers,
            end: End(producer),
        }
    }

    /// The simulated brokers.
    pub(crate) fn simulated(&self) -> &MockCluster<'static, DefaultProducerContext> {
        self.simulated.as_ref().expect("simulated brokers")
    }

    /// What a collector needs to write this log: dotted keys.
    pub(crate) fn config(&self, more: &str) -> String {
        format!(
            "writer.flush_interval_ms = 50\nroles.ingest = false\nkafka.brokers = [{:?}]\nkafka.group = {GROUP:?}\n\
             kafka.client.\"session.timeout.ms\" = 6000\nkafka.client.\"heartbeat.interval.ms\" = 500\n{more}\n",
            self.brokers
        )
    }

    /// Appends an entry to a partition of its lane. Returns its offset.
    pub(crate) async fn append(&self, entry: &Entry, partition: i32) -> i64 {
        self.end.append(entry, partition).await
    }

    /// Appends what is no batch. Returns its offset.
    pub(crate) async fn append_raw(&self, lane: Lane, partition: i32, value: &[u8]) -> i64 {
        self.end.append_raw(lane, partition, value).await
    }

    fn consumer(&self) -> BaseConsumer {
        ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "500")
            .create()
            .expect("a consumer")
    }

    /// Commits an offset as the group's writers would have.
    pub(crate) fn commit(&self, lane: Lane, partition: i32, offset: i64, metadata: &str) {
        let mut list = TopicPartitionList::new();
        let mut element = list.add_partition(&topic(lane), partition);
        element
            .set_offset(Offset::Offset(offset))
            .expect("an offset");
        element.set_metadata(metadata);
        // The simulated group takes commits of members only.
        let consumer = self.consumer();
        consumer.subscribe(&[&topic(lane)]).expect("a subscription");
        let started = std::time::Instant::now();
        while consumer.assignment().expect("an assignment").count() == 0 {
            assert!(started.elapsed() < PATIENCE, "no membership");
            consumer.poll(Duration::from_millis(50));
        }
        consumer
            .commit(&list, CommitMode::Sync)
            .expect("a committed offset");
    }

    /// Takes away all records before an offset, as retention does.
    pub(crate) async fn take_away(&self, lane: Lane, partition: i32, before: i64) {
        let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .create()
            .expect("an admin");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&topic(lane), partition, Offset::Offset(before))
            .expect("an offset");
        let answer = admin.delete_records(&list, &AdminOptions::new()).await;
        for element in answer.expect("an answer").elements() {
            element.error().expect("records are taken away");
        }
    }

    /// The group's offset and metadata.
    pub(crate) fn committed(&self, lane: Lane, partition: i32) -> (Option<i64>, String) {
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic(lane), partition);
        let consumer = self.consumer();
        let answer = consumer
            .committed_offsets(list, Duration::from_secs(30))
            .expect("the committed offset");
        let element = answer.elements().remove(0);
        let offset = match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        };
        (offset, element.metadata().to_owned())
    }
}

impl End {
    /// Appends an entry to a partition of its lane. Returns its offset.
    pub(crate) async fn append(&self, entry: &Entry, partition: i32) -> i64 {
        let topic = topic(entry.identity.lane);
        let record = FutureRecord::to(&topic)
            .partition(partition)
            .key(&entry.identity.agent_id)
            .payload(&entry.encoded[..])
            .headers(record::headers(entry));
        let sent = self.0.send(record, PATIENCE).await;
        sent.map_err(|(error, _)| error).expect("appended").offset
    }

    /// Appends what is no batch. Returns its offset.
    pub(crate) async fn append_raw(&self, lane: Lane, partition: i32, value: &[u8]) -> i64 {
        let topic = topic(lane);
        let record = FutureRecord::to(&topic)
            .partition(partition)
            .key("nobody")
            .payload(value);
        let sent = self.0.send(record, PATIENCE).await;
        sent.map_err(|(error, _)| error).expect("appended").offset
    }
}
