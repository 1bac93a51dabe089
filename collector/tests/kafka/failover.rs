//! Three brokers: each dies under load, and what agents have acks for is stored, once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crmscope_local::kafka::Cluster;
use crmscope_proto::Lane;
use crmscope_proto::v1::collector_message::Kind as Answer;

use crate::common::agent::connect;
use crate::common::exact::is_exact;
use crate::common::rows::{batch, contents};
use crate::common::{Collector, Engine, PATIENCE};

const AGENTS: usize = 4;
/// Batches that an agent sends before it waits for acks.
const AHEAD: u64 = 20;
/// Pause between two batches of an agent: the faults are tested here, not the throughput.
const PACE: Duration = Duration::from_millis(20);

fn config(cluster: &Cluster) -> String {
    let brokers: Vec<String> = cluster.bootstrap().split(',').map(str::to_owned).collect();
    let partitions = Lane::BY_URGENCY.map(|lane| format!("kafka.partitions.{} = 3\n", lane.name()));
    format!(
        "writer.flush_interval_ms = 50\nkafka.brokers = {brokers:?}\n\
         kafka.client.\"session.timeout.ms\" = 6000\nkafka.client.\"heartbeat.interval.ms\" = 500\n{}",
        partitions.concat()
    )
}

/// Sends batch after batch until told to stop, and from the last ack on after a broken stream.
async fn agent(
    name: String,
    collectors: [SocketAddr; 2],
    stop: Arc<AtomicBool>,
    acked: Arc<AtomicU64>,
) -> u64 {
    let mut settled = 0;
    for turn in 0.. {
        let Ok(mut stream) = connect(collectors[turn % 2], &name).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let mut sent = settled;
        loop {
            let stopping = stop.load(Ordering::Relaxed);
            if stopping && sent == settled {
                return settled;
            }
            if !stopping && sent < settled + AHEAD {
                let next = contents(Lane::Metrics, sent + 1, sent + 2);
                let next = batch(&name, Lane::Metrics, sent + 1, &next);
                if stream.send(&next).await.is_err() {
                    break;
                }
                sent += 1;
                tokio::time::sleep(PACE).await;
                continue;
            }
            match stream.next().await {
                Ok(Answer::Ack(ack)) if ack.lane() == Lane::Metrics => {
                    assert!(ack.sequence <= sent, "{ack:?} of {sent}");
                    acked.fetch_add(ack.sequence.saturating_sub(settled), Ordering::Relaxed);
                    settled = settled.max(ack.sequence);
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
    }
    unreachable!("turns do not end")
}

/// Waits for so many acks more than there are now.
async fn more_acks(acked: &AtomicU64, more: u64, collectors: [&Collector; 2]) {
    let before = acked.load(Ordering::Relaxed);
    let started = Instant::now();
    while acked.load(Ordering::Relaxed) < before + more {
        assert!(
            started.elapsed() < PATIENCE,
            "{} of {before} + {more} acks\n{}\n--\n{}",
            acked.load(Ordering::Relaxed),
            collectors[0].log(),
            collectors[1].log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_three_brokers_dies_and_what_was_acknowledged_is_stored_once() {
    if !crmscope_local::kafka::gate().unwrap() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let cluster = tokio::task::block_in_place(|| Cluster::start(directory.path(), 3)).unwrap();
    let engine = Engine::start();
    let config = config(&cluster);
    let one = Collector::start_with(&engine, &config);
    // Just after their start brokers may be too busy to answer in time.
    let started = Instant::now();
    loop {
        let (code, text) = one.command(&["topics", "apply"]);
        if code == Some(0) {
            break;
        }
        println!("{text}");
        assert!(started.elapsed() < PATIENCE, "{text}");
    }
    let two = Collector::start_with(&engine, &config);
    let (stop, acked) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let agents: Vec<_> = (0..AGENTS)
        .map(|number| {
            let name = format!("host-{number}");
            let (stop, acked) = (Arc::clone(&stop), Arc::clone(&acked));
            tokio::spawn(agent(name, [one.ingest, two.ingest], stop, acked))
        })
        .collect();
    more_acks(&acked, 100, [&one, &two]).await;
    for (number, broker) in cluster.brokers().iter().enumerate() {
        println!("broker {number} is killed");
        broker.kill();
        more_acks(&acked, 100, [&one, &two]).await;
        tokio::task::block_in_place(|| broker.start()).unwrap();
        more_acks(&acked, 100, [&one, &two]).await;
    }
    stop.store(true, Ordering::Relaxed);
    let mut batches = 0;
    for agent in agents {
        batches += agent.await.unwrap();
    }
    println!("{batches} batches");
    is_exact(&engine, &one, batches).await;
}
