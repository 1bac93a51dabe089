//! Ingest against brokers that refuse: librdkafka's mock cluster with injected errors.
//!
//! The oracle reads the whole log: whatever was acknowledged is in it, and of each agent and lane
//! every batch is in order and without a gap, repetitions apart.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crmscope_collector::kafka::partition::partition_of;
use crmscope_collector::kafka::record;
use crmscope_proto::Lane;
use crmscope_proto::v1::agent_message::Kind;
use crmscope_proto::v1::collector_message::Kind as Answer;
use crmscope_proto::v1::{AgentMessage, Batch, ClockProbe};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset, TopicPartitionList};

use crate::common::agent::{Agent, connect};
use crate::common::rows::{batch, contents};
use crate::common::{Collector, PATIENCE};

const AGENT: &str = "crm-web-01";
const PARTITIONS: i32 = 2;
/// More than any test lets brokers answer.
const WITHOUT_END: usize = 100_000;

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn topic(lane: Lane) -> String {
    format!("crmscope.{}.v1", lane.name())
}

fn cluster(brokers: i32) -> Cluster {
    let cluster = MockCluster::new(brokers).unwrap();
    create_topics(&cluster, brokers);
    cluster
}

fn create_topics(cluster: &Cluster, brokers: i32) {
    for lane in Lane::BY_URGENCY {
        cluster
            .create_topic(&topic(lane), PARTITIONS, brokers.min(3))
            .unwrap();
    }
}

/// Ingest alone: it needs no ClickHouse.
fn ingest(brokers: &str) -> Collector {
    let brokers: Vec<&str> = brokers.split(',').collect();
    let partitions =
        Lane::BY_URGENCY.map(|lane| format!("kafka.partitions.{} = {PARTITIONS}\n", lane.name()));
    let more = format!(
        "roles.writer = false\nkafka.brokers = {brokers:?}\nkafka.min_insync_replicas = 1\n{}",
        partitions.concat()
    );
    // Nobody listens at the discard port, and nobody needs to.
    Collector::start_at("http://127.0.0.1:9", &more)
}

fn beat(agent_id: &str, lane: Lane, sequence: u64) -> Batch {
    batch(
        agent_id,
        lane,
        sequence,
        &contents(lane, sequence, sequence + 1),
    )
}

/// Every sequence of the log in its order, by agent and lane.
fn read(cluster: &Cluster) -> BTreeMap<(String, &'static str), Vec<u64>> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", "oracle")
        .set("enable.partition.eof", "true")
        .create()
        .unwrap();
    let mut all = TopicPartitionList::new();
    for lane in Lane::BY_URGENCY {
        for partition in 0..PARTITIONS {
            all.add_partition_offset(&topic(lane), partition, Offset::Beginning)
                .unwrap();
        }
    }
    consumer.assign(&all).unwrap();
    let mut ends = 0;
    let mut log: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    let started = Instant::now();
    while ends < all.count() {
        assert!(started.elapsed() < PATIENCE, "the log has no end");
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => ends += 1,
            Some(Err(error)) => panic!("{error}"),
            Some(Ok(message)) => {
                let mut lanes = Lane::BY_URGENCY.into_iter();
                let lane = lanes.find(|&lane| topic(lane) == message.topic()).unwrap();
                let entry = record::decode_message(lane, &message).unwrap();
                let agent_id = entry.identity.agent_id;
                assert_eq!(message.partition(), partition_of(&agent_id, PARTITIONS));
                log.entry((agent_id, lane.name()))
                    .or_default()
                    .push(entry.identity.sequence);
            }
        }
    }
    log
}

/// The end of what a writer would take of these: each batch once, in order, without a gap.
fn end_of(sequences: &[u64]) -> u64 {
    sequences.iter().fold(0, |last, &sequence| {
        assert!(sequence <= last + 1, "a gap behind {last}: {sequences:?}");
        last.max(sequence)
    })
}

fn log_end(cluster: &Cluster, agent_id: &str, lane: Lane) -> u64 {
    let log = read(cluster);
    log.get(&(agent_id.to_owned(), lane.name()))
        .map_or(0, |sequences| end_of(sequences))
}

/// The collector answers, and has acknowledged nothing.
async fn answers_without_acks(agent: &mut Agent) {
    for token in 1..=20 {
        let kind = Some(Kind::ClockProbe(ClockProbe { token, sent_ms: 0 }));
        agent.outgoing.send(AgentMessage { kind }).await.unwrap();
        loop {
            match agent.next().await.unwrap() {
                Answer::ClockEcho(_) => break,
                Answer::Ack(ack) => panic!("{ack:?} while no broker takes anything"),
                _ => {}
            }
        }
    }
}

async fn says(collector: &Collector, text: &str) {
    let started = Instant::now();
    loop {
        let (status, _, body) = collector.get("/readyz").await;
        if status == 503 && body.contains(text) {
            return;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "{status} {body}\n{}",
            collector.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_while_brokers_refuse() {
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
    };
    let cluster = cluster(1);
    let collector = ingest(&cluster.bootstrap_servers());
    collector.ready().await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    let mut sequence = 0;
    for error in [
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        RD_KAFKA_RESP_ERR__TRANSPORT,
    ] {
        println!("{error:?}");
        cluster.request_errors(RDKafkaApiKey::Produce, &vec![error; WITHOUT_END]);
        for _ in 0..5 {
            sequence += 1;
            agent
                .send(&beat(AGENT, Lane::Presence, sequence))
                .await
                .unwrap();
        }
        collector.reaches("queue_batches", 5.0).await;
        answers_without_acks(&mut agent).await;
        assert_eq!(log_end(&cluster, AGENT, Lane::Presence), sequence - 5);
        cluster.clear_request_errors(RDKafkaApiKey::Produce);
        agent.acked(Lane::Presence, sequence).await.unwrap();
        assert_eq!(log_end(&cluster, AGENT, Lane::Presence), sequence);
    }
    let produced = collector
        .metric("kafka_produced_batches_total{lane=\"presence\"}")
        .await;
    assert_eq!(produced, 35.0);
    assert_eq!(collector.metric("queue_batches").await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_fails_for_good_ends_the_log_before_a_gap() {
    let cluster = cluster(1);
    let mut collector = ingest(&cluster.bootstrap_servers());
    collector.ready().await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    agent.send(&beat(AGENT, Lane::Security, 1)).await.unwrap();
    agent.acked(Lane::Security, 1).await.unwrap();
    let error = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    cluster.request_errors(RDKafkaApiKey::Produce, &[error]);
    let mut sent = 1;
    while sent < 60
        && agent
            .send(&beat(AGENT, Lane::Security, sent + 1))
            .await
            .is_ok()
    {
        sent += 1;
    }
    let mut acked = 1;
    while let Ok(answer) = agent.next().await {
        if let Answer::Ack(ack) = answer {
            acked = acked.max(ack.sequence);
        }
    }
    let started = Instant::now();
    let code = loop {
        if let Some(code) = collector.ended() {
            break code;
        }
        assert!(
            started.elapsed() < PATIENCE,
            "it goes on: {}",
            collector.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(code, Some(2), "{}", collector.log());
    let log = collector.log();
    assert!(
        log.contains("the Kafka log ended, so that it has no gap"),
        "{log}"
    );
    let end = log_end(&cluster, AGENT, Lane::Security);
    assert!(
        acked <= end && end < 60,
        "acknowledged {acked}, in the log {end}"
    );

    // The next one takes what the agent sends again.
    let collector = ingest(&cluster.bootstrap_servers());
    collector.ready().await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    for sequence in acked + 1..=60 {
        agent
            .send(&beat(AGENT, Lane::Security, sequence))
            .await
            .unwrap();
    }
    agent.acked(Lane::Security, 60).await.unwrap();
    assert_eq!(log_end(&cluster, AGENT, Lane::Security), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_brokers_do_the_log_has_all_that_was_acknowledged_in_order() {
    use RDKafkaRespErr::{
        RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_NO_ERROR,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    };
    let errors = [
        RD_KAFKA_RESP_ERR_NO_ERROR,
        RD_KAFKA_RESP_ERR_NO_ERROR,
        RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR__TRANSPORT,
    ];
    let seed = std::env::var("CRMSCOPE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("CRMSCOPE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let cluster = cluster(3);
    let collector = ingest(&cluster.bootstrap_servers());
    collector.ready().await;
    let agents = ["crm-web-01", "crm-web-02", "crm-db-01"];
    let mut acked = [0; 3];
    for round in 0..4 {
        let storm: Vec<RDKafkaRespErr> = (0..20)
            .map(|_| errors[random.usize(..errors.len())])
            .collect();
        cluster.request_errors(RDKafkaApiKey::Produce, &storm);
        let down = random.i32(1..=3);
        if round % 2 == 1 {
            cluster.broker_down(down).unwrap();
        }
        // Each comes back where its last stream left off, as after a broken connection.
        let mut streams = Vec::new();
        for (agent_id, acked) in agents.iter().zip(acked) {
            let agent = connect(collector.ingest, agent_id).await.unwrap();
            for sequence in acked + 1..=acked + 15 {
                agent
                    .send(&beat(agent_id, Lane::Presence, sequence))
                    .await
                    .unwrap();
            }
            streams.push(agent);
        }
        if round % 2 == 1 {
            cluster.broker_up(down).unwrap();
        }
        for (agent, acked) in streams.iter_mut().zip(&mut acked) {
            // One that leaves early never hears of the rest, and sends it again.
            let wanted = *acked + random.u64(1..=15);
            while *acked < wanted {
                if let Answer::Ack(ack) = agent.next().await.unwrap() {
                    *acked = ack.sequence;
                }
            }
        }
    }
    let log = read(&cluster);
    for (agent_id, acked) in agents.iter().zip(acked) {
        let end = end_of(&log[&((*agent_id).to_owned(), "presence")]);
        assert!(
            end >= acked,
            "{agent_id}: acknowledged {acked}, in the log {end}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingest_waits_for_topics_and_says_what_makes_them() {
    let cluster = MockCluster::new(1).unwrap();
    // The mock creates what it is asked for; this answers as a broker that does not.
    let missing = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    create_topics(&cluster, 1);
    for lane in Lane::BY_URGENCY {
        cluster.topic_error(&topic(lane), missing).unwrap();
    }
    let collector = ingest(&cluster.bootstrap_servers());
    says(&collector, "run `crmscope-collector topics apply`").await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    agent.send(&beat(AGENT, Lane::Presence, 1)).await.unwrap();
    loop {
        match agent.next().await.unwrap() {
            Answer::Throttle(_) => break,
            Answer::Ack(ack) => panic!("{ack:?} without a topic"),
            _ => {}
        }
    }
    for lane in Lane::BY_URGENCY {
        let none = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        cluster.topic_error(&topic(lane), none).unwrap();
    }
    agent.acked(Lane::Presence, 1).await.unwrap();
    collector.ready().await;
    assert_eq!(log_end(&cluster, AGENT, Lane::Presence), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_number_of_partitions_is_refused() {
    let cluster = MockCluster::new(1).unwrap();
    for lane in Lane::BY_URGENCY {
        cluster
            .create_topic(&topic(lane), PARTITIONS + 1, 1)
            .unwrap();
    }
    let collector = ingest(&cluster.bootstrap_servers());
    says(&collector, "has 3 partitions, and kafka.partitions.").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_starts_without_brokers_and_leaves_in_time() {
    let mut collector = ingest("127.0.0.1:9");
    says(&collector, "asking Kafka for topic").await;
    let mut agent = connect(collector.ingest, AGENT).await.unwrap();
    agent.send(&beat(AGENT, Lane::Presence, 1)).await.unwrap();
    assert!(matches!(agent.next().await.unwrap(), Answer::Throttle(_)));
    assert_eq!(collector.terminate(), Some(0), "{}", collector.log());
}
