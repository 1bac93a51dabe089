//! Real brokers: what they acknowledged outlives their process, and a cluster outlives a broker.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code outside of test functions"
)]

use std::time::{Duration, Instant};

use crmscope_local::kafka::{self, Cluster, Settings};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};

/// Longest wait for an answer. Generous, since machines are shared; everything ends early.
const PATIENCE: Duration = Duration::from_secs(240);
const TOPIC: &str = "crmscope.test.v1";

/// A client's settings for a cluster.
fn client(cluster: &Cluster) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", cluster.bootstrap())
        .set("security.protocol", cluster.settings().protocol());
    if let Some(certificate) = cluster.certificate() {
        config.set("ssl.ca.location", certificate.to_str().unwrap());
    }
    if let Some((user, password)) = &cluster.settings().sasl {
        config
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.username", user)
            .set("sasl.password", password);
    }
    config
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Makes the topic with one partition, with as many replicas as there are brokers.
fn make_topic(cluster: &Cluster) {
    let admin: AdminClient<DefaultClientContext> = client(cluster).create().unwrap();
    let replicas = i32::from(cluster.settings().brokers);
    let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(replicas));
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let made = runtime()
        .block_on(admin.create_topics([&topic], &options))
        .unwrap();
    made[0].as_ref().unwrap();
}

/// Sends these numbers and waits until each is acknowledged by all replicas in sync.
fn send(cluster: &Cluster, numbers: std::ops::Range<u32>) {
    let producer: FutureProducer = client(cluster)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", PATIENCE.as_millis().to_string())
        .create()
        .unwrap();
    runtime().block_on(async {
        for number in numbers {
            let text = number.to_string();
            let record = FutureRecord::to(TOPIC).key("agent").payload(&text);
            let sent = producer.send(record, PATIENCE).await;
            sent.unwrap_or_else(|(error, _)| panic!("{number}: {error}"));
        }
    });
}

/// Reads `count` messages from the beginning.
fn read(cluster: &Cluster, count: usize) -> Vec<u32> {
    let consumer: BaseConsumer = client(cluster)
        .set("group.id", "test")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions
        .add_partition_offset(TOPIC, 0, Offset::Beginning)
        .unwrap();
    consumer.assign(&partitions).unwrap();
    let end = Instant::now() + PATIENCE;
    let mut numbers = Vec::new();
    let mut last = String::new();
    while numbers.len() < count {
        assert!(
            Instant::now() < end,
            "{numbers:?} after {PATIENCE:?}; {last}"
        );
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let text = std::str::from_utf8(message.payload().unwrap()).unwrap();
                numbers.push(text.parse().unwrap());
            }
            // Of a broker that is gone: another one answers.
            Some(Err(error)) => last = error.to_string(),
            None => {}
        }
    }
    numbers
}

#[test]
fn a_killed_broker_comes_back_with_what_it_acknowledged() {
    if !kafka::gate().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), 1).unwrap();
    let broker = cluster.broker(0);
    make_topic(&cluster);
    send(&cluster, 0..100);
    broker.kill();
    assert!(!broker.is_running());
    broker.start().unwrap();
    assert_eq!(cluster.bootstrap(), broker.address());
    send(&cluster, 100..110);
    // Frozen it is there and says nothing; a client waits.
    broker.freeze();
    assert!(broker.is_running());
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(&cluster, 110..120));
        std::thread::sleep(Duration::from_millis(500));
        assert!(!sender.is_finished(), "a frozen broker acknowledged");
        broker.thaw();
    });
    broker.stop().unwrap();
    assert!(!broker.is_running());
    broker.start().unwrap();
    assert_eq!(read(&cluster, 120), (0..120).collect::<Vec<_>>());
}

#[test]
fn three_brokers_survive_the_loss_of_one() {
    if !kafka::gate().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(directory.path(), 3).unwrap();
    make_topic(&cluster);
    send(&cluster, 0..50);
    for lost in 0..3 {
        cluster.broker(lost).kill();
        let next = 50 + u32::try_from(lost).unwrap() * 10;
        send(&cluster, next..next + 10);
        cluster.broker(lost).start().unwrap();
    }
    cluster.broker(1).kill();
    assert_eq!(read(&cluster, 80), (0..80).collect::<Vec<_>>());
}

#[test]
fn clients_can_be_made_to_log_in_over_tls() {
    if !kafka::gate().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::new(1);
    settings.tls = true;
    settings.sasl = Some(("crmscope".to_owned(), "secret-0".to_owned()));
    let cluster = Cluster::start_with(directory.path(), settings).unwrap();
    make_topic(&cluster);
    send(&cluster, 0..5);
    assert_eq!(read(&cluster, 5), (0..5).collect::<Vec<_>>());
    let fetch = |config: &mut ClientConfig| {
        let consumer: BaseConsumer = config.create().unwrap();
        consumer.fetch_metadata(None, PATIENCE / 16).map(|_| ())
    };
    fetch(client(&cluster).set("sasl.mechanism", "SCRAM-SHA-512")).unwrap();
    assert!(fetch(client(&cluster).set("sasl.password", "wrong")).is_err());
    assert!(fetch(client(&cluster).set("security.protocol", "SASL_PLAINTEXT")).is_err());
}

/// Set for the process below that is to die with a broker.
const VICTIM: &str = "CRMSCOPE_TEST_BROKER_OWNER";

#[test]
fn no_broker_outlives_a_killed_owner() {
    if !kafka::gate().unwrap() {
        return;
    }
    if let Some(directory) = std::env::var_os(VICTIM) {
        let directory = std::path::PathBuf::from(directory);
        let cluster = Cluster::start(&directory, 1).unwrap();
        // Complete when it has its name.
        let id = cluster.broker(0).process_id().unwrap().to_string();
        std::fs::write(directory.join("id.new"), id).unwrap();
        std::fs::rename(directory.join("id.new"), directory.join("id")).unwrap();
        std::thread::sleep(PATIENCE);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut owner = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "no_broker_outlives_a_killed_owner"])
        .env(VICTIM, directory.path())
        .spawn()
        .unwrap();
    let broker = poll("the broker of another process", || {
        std::fs::read_to_string(directory.path().join("id")).ok()
    });
    let process = std::path::PathBuf::from(format!("/proc/{broker}/cmdline"));
    let command = || std::fs::read_to_string(&process).unwrap_or_default();
    assert!(command().contains("kafka.Kafka"));
    owner.kill().unwrap();
    owner.wait().unwrap();
    poll("the broker to end", || {
        (!command().contains("kafka.Kafka")).then_some(())
    });
}

fn poll<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = check() {
            return value;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
