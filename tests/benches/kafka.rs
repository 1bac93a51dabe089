//! Into Kafka and out of it, beside a bare producer and a bare insert of the same batches.
//!
//! `cargo bench -p crmscope-tests --bench kafka`. One real broker, the real engine, the real
//! collector, and agents played by tasks of this process, all on one machine:
//!
//! - `bare producer`: librdkafka with the collector's own settings puts the encoded batches into a
//!   topic of their own.
//! - `agents to Kafka`: agents send the same batches to a collector, until all are acknowledged.
//! - `Kafka to ClickHouse`: a collector writes what is in the topic, from its first block on.
//! - `bare insert`: the same blocks, built before the clock starts, as many at once as there are
//!   partitions, into an engine with the same tables and roll-ups.
//!
//! `CRMSCOPE_BENCH_BATCHES` is the number of batches of each of the 50 agents.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not a product"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crmscope_collector::judge::{Entry, judge};
use crmscope_collector::kafka::partition::partition_of;
use crmscope_collector::kafka::{self, client, record};
use crmscope_collector::storage::{self, Storage};
use crmscope_collector::writer;
use crmscope_collector::writer::block::{Beside, Insert, LogPartition, Origin, build_with};
use crmscope_local::kafka::Cluster;
use crmscope_proto::Lane;
use crmscope_proto::v1::Batch;
use crmscope_tests::load::{ROWS, cpu_seconds, host_batches, send_all};
use crmscope_tests::process::binary;
use crmscope_tests::stack::{TOKEN, free_port};
use crmscope_tests::{Process, gate, http_get, now_ms, wait_for};
use prometheus_client::registry::Registry;
use rdkafka::ClientContext;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

const AGENTS: u64 = 50;
const BATCHES: u64 = 200;
const PARTITIONS: i32 = 8;

struct Bench {
    directory: tempfile::TempDir,
    cluster: Cluster,
    clickhouse: Process,
    clickhouse_port: u16,
    runtime: tokio::runtime::Runtime,
}

fn main() {
    // `cargo test --benches` asks for a list of tests.
    if std::env::args().any(|argument| argument == "--list" || argument == "--test")
        || !gate::kafka()
    {
        return;
    }
    let per_agent = std::env::var("CRMSCOPE_BENCH_BATCHES");
    let per_agent = per_agent.map_or(BATCHES, |text| text.parse().unwrap());
    let batches: Vec<Vec<Batch>> = (0..AGENTS)
        .map(|agent| host_batches(agent, per_agent))
        .collect();
    let entries: Vec<Entry> = batches
        .iter()
        .flatten()
        .map(|batch| judge(batch, now_ms()).unwrap())
        .collect();
    let bytes: usize = entries.iter().map(|entry| entry.encoded.len()).sum();
    let count = entries.len() as u64;
    println!(
        "{count} batches of {ROWS} host rows, {:.1} MB",
        bytes as f64 / 1e6
    );
    let bench = Bench::start();
    let megabytes = bytes as f64 / 1e6;

    let bare = bench.produce(&entries);
    let (ingest, ingest_cpu) = bench.ingest(batches);
    println!(
        "bare producer        {:>7.2} s  {:>7.1} MB/s",
        bare,
        megabytes / bare
    );
    println!(
        "agents to Kafka      {:>7.2} s  {:>7.1} MB/s  {:.2} x bare; collector {ingest_cpu:.2} CPU-s",
        ingest,
        megabytes / ingest,
        bare / ingest
    );
    let (written, wall, writer_cpu, engine_cpu) = bench.write(count);
    let writing = written as f64 * ROWS as f64 / wall;
    let (inserting, insert_cpu) = bench.insert(&entries);
    println!(
        "bare insert          {:>7.0} k rows/s; engine {insert_cpu:.2} CPU-s",
        inserting / 1e3
    );
    println!(
        "Kafka to ClickHouse  {:>7.0} k rows/s  {:.2} x bare; collector {writer_cpu:.2} CPU-s, engine {engine_cpu:.2} CPU-s",
        writing / 1e3,
        writing / inserting
    );
}

impl Bench {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("token"), TOKEN).unwrap();
        let cluster = Cluster::start(&directory.path().join("kafka"), 1).unwrap();
        let clickhouse_port = free_port();
        let clickhouse = start_clickhouse(&directory.path().join("one"), clickhouse_port);
        let bench = Self {
            directory,
            cluster,
            clickhouse,
            clickhouse_port,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        };
        for prefix in ["", "bare-"] {
            let config = bench.config("topics", &format!("[kafka]\n{}", bench.kafka(prefix)), 0, 0);
            wait_for("the topics to be applied", || {
                let mut apply = Command::new(binary("crmscope-collector"));
                apply.arg("--config").arg(&config).args(["topics", "apply"]);
                let output = apply.output().unwrap();
                match output.status.success() {
                    true => Ok(()),
                    false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
                }
            });
        }
        bench
    }

    fn kafka(&self, prefix: &str) -> String {
        format!(
            "brokers = [{:?}]\ntopic_prefix = {prefix:?}\nreplication_factor = 1\nmin_insync_replicas = 1\n",
            self.cluster.bootstrap()
        )
    }

    /// Without ports for what only asks or only writes.
    fn config(&self, name: &str, more: &str, uplink_port: u16, http_port: u16) -> PathBuf {
        let path = self.directory.path().join(format!("{name}.toml"));
        let text = format!(
            "[ingest]\nlisten = \"127.0.0.1:{uplink_port}\"\ntoken_file = {:?}\n\
             [web]\nlisten = \"127.0.0.1:{http_port}\"\n\
             [clickhouse]\nurl = \"http://127.0.0.1:{}\"\n{more}",
            self.directory.path().join("token"),
            self.clickhouse_port,
        );
        fs::write(&path, text).unwrap();
        path
    }

    fn start_collector(&self, name: &str, more: &str) -> (Process, u16) {
        let (uplink_port, http_port) = (free_port(), free_port());
        let config = self.config(name, more, uplink_port, http_port);
        let mut command = Command::new(binary("crmscope-collector"));
        let log = self.directory.path().join(format!("{name}.log"));
        let process = Process::start(name, command.arg("--config").arg(config), &log);
        wait_for("the collector to be ready", || {
            match http_get(http_port, "/readyz") {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}\n{}", process.log())),
            }
        });
        (process, uplink_port)
    }

    /// Seconds that a bare producer takes until the broker has everything.
    fn produce(&self, entries: &[Entry]) -> f64 {
        let config = kafka::Config {
            brokers: vec![self.cluster.bootstrap()],
            topic_prefix: "bare-".to_owned(),
            ..kafka::Config::default()
        };
        let delivered = Delivered::default();
        let settings = client::producer(&config).unwrap();
        let producer: ThreadedProducer<Delivered> =
            settings.create_with_context(delivered.clone()).unwrap();
        let topic = config.topic(Lane::Metrics);
        let started = Instant::now();
        for entry in entries {
            let agent_id = &entry.identity.agent_id;
            let mut record = BaseRecord::to(&topic)
                .partition(partition_of(agent_id, PARTITIONS))
                .key(agent_id.as_bytes())
                .payload(&entry.encoded[..])
                .headers(record::headers(entry));
            // Its queue is as large as the collector's may be.
            while let Err((_, refused)) = producer.send(record) {
                record = refused;
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        producer.flush(Duration::from_secs(300)).unwrap();
        let elapsed = started.elapsed().as_secs_f64();
        assert_eq!(delivered.0.load(Ordering::Relaxed), entries.len());
        elapsed
    }

    /// Seconds that agents take until everything is acknowledged, and the collector's CPU seconds.
    fn ingest(&self, batches: Vec<Vec<Batch>>) -> (f64, f64) {
        let more = format!("[roles]\nwriter = false\n[kafka]\n{}", self.kafka(""));
        let (collector, port) = self.start_collector("ingest", &more);
        let before = cpu_seconds(collector.id());
        let started = Instant::now();
        self.runtime.block_on(async {
            let agents: Vec<_> = batches
                .into_iter()
                .map(|batches| tokio::spawn(send_all(port, batches)))
                .collect();
            for agent in agents {
                agent.await.unwrap();
            }
        });
        let elapsed = started.elapsed().as_secs_f64();
        (elapsed, cpu_seconds(collector.id()) - before)
    }

    /// Batches that a writer stores after its first block, the seconds it takes for them, and CPU
    /// seconds of collector and engine.
    fn write(&self, count: u64) -> (u64, f64, f64, f64) {
        let more = format!("[roles]\ningest = false\n[kafka]\n{}", self.kafka(""));
        let (collector, _) = self.start_collector("writer", &more);
        let processes = [collector.id(), self.clickhouse.id()];
        let stored = || -> u64 {
            let query = "/?query=SELECT%20count()%20FROM%20crmscope.ledger";
            let answer = http_get(self.clickhouse_port, query);
            answer.map_or(0, |(_, body)| body.trim().parse().unwrap_or(0))
        };
        let first = wait_for("a first block", || match stored() {
            0 => Err(collector.log()),
            some => Ok(some),
        });
        let (started, before) = (Instant::now(), processes.map(cpu_seconds));
        let wall = wait_for("everything to be stored", || match stored() {
            all if all == count => Ok(started.elapsed().as_secs_f64()),
            some => Err(format!("{some} of {count}")),
        });
        let [writer, engine] = processes.map(cpu_seconds);
        (count - first, wall, writer - before[0], engine - before[1])
    }

    /// Rows a second of bare inserts, and the engine's CPU seconds.
    fn insert(&self, entries: &[Entry]) -> (f64, f64) {
        let port = free_port();
        let clickhouse = start_clickhouse(&self.directory.path().join("two"), port);
        let mut schema = Command::new(binary("crmscope-collector"));
        let config = self.config("schema", "", 0, 0);
        schema.arg("--config").arg(config).arg("migrate").env(
            "CRMSCOPE_COLLECTOR__CLICKHOUSE__URL",
            format!("http://127.0.0.1:{port}"),
        );
        let output = schema.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let config = storage::Config {
            url: format!("http://127.0.0.1:{port}"),
            ..storage::Config::default()
        };
        let storage = Storage::new(&config, &mut Registry::default()).unwrap();
        let blocks = blocks(entries);
        let (started, before) = (Instant::now(), cpu_seconds(clickhouse.id()));
        self.runtime.block_on(async {
            let partitions: Vec<_> = blocks
                .into_iter()
                .map(|blocks| {
                    let storage = storage.clone();
                    tokio::spawn(async move {
                        for insert in blocks.iter().flatten() {
                            storage.insert(insert).await.unwrap();
                        }
                    })
                })
                .collect();
            for partition in partitions {
                partition.await.unwrap();
            }
        });
        let rows = entries.len() as f64 * ROWS as f64;
        let rate = rows / started.elapsed().as_secs_f64();
        (rate, cpu_seconds(clickhouse.id()) - before)
    }
}

/// The inserts of every block, by partition.
fn blocks(entries: &[Entry]) -> Vec<Vec<Vec<Insert>>> {
    let mut by_partition: BTreeMap<i32, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        let partition = partition_of(&entry.identity.agent_id, PARTITIONS);
        by_partition
            .entry(partition)
            .or_default()
            .push(entry.clone());
    }
    let per_block = writer::Config::default().block_max_rows / usize::try_from(ROWS).unwrap();
    by_partition
        .into_iter()
        .map(|(number, entries)| {
            let partition = Arc::new(LogPartition::new("crmscope.metrics.v1", number, "bench"));
            let mut begin = 0;
            entries
                .chunks(per_block)
                .map(|entries| {
                    let offsets: Vec<i64> = (begin..).take(entries.len()).collect();
                    let origin = Origin::Log {
                        partition: Arc::clone(&partition),
                        begin: begin.unsigned_abs(),
                        end: begin.unsigned_abs() + entries.len() as u64,
                    };
                    begin += i64::try_from(entries.len()).unwrap();
                    let beside = Beside {
                        offsets: &offsets,
                        unreadable: &[],
                    };
                    build_with(&origin, entries, beside)
                })
                .collect()
        })
        .collect()
}

fn start_clickhouse(data: &std::path::Path, port: u16) -> Process {
    let library = crmscope_local::engine::ensure().unwrap();
    let mut command = Command::new(binary("crmscope-clickhouse"));
    command
        .arg("--data-dir")
        .arg(data)
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .arg("--library")
        .arg(library);
    let process = Process::start("clickhouse", &mut command, &data.with_extension("log"));
    wait_for("ClickHouse to answer", || match http_get(port, "/ping") {
        Ok((200, _)) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    process
}

/// Counts what the broker has.
#[derive(Clone, Default)]
struct Delivered(Arc<AtomicUsize>);

impl ClientContext for Delivered {}

impl ProducerContext for Delivered {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok());
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
