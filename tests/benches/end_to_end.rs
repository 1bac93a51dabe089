//! What a sample costs from the wire to the table: collector and engine CPU, on the real binaries.
//!
//! `cargo bench -p crmscope-tests --bench end_to_end`. Agents are played by one task each, which
//! sends batches as the real one would after an outage: as fast as the window allows. CPU time is
//! the kernel's account of each process.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not a product"
)]

use std::fs;
use std::time::Instant;

use crmscope_proto::catalog::{Behaviour, SeriesKind};
use crmscope_proto::limits::PROTOCOL_VERSION;
use crmscope_proto::payload::Contents;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::agent_message::Kind as Up;
use crmscope_proto::v1::collector_message::Kind as Down;
use crmscope_proto::v1::uplink_client::UplinkClient;
use crmscope_proto::v1::{AgentMessage, Batch, Hello};
use crmscope_proto::{Lane, seal};
use crmscope_tests::Stack;
use crmscope_tests::stack::TOKEN;
use tokio_stream::wrappers::ReceiverStream;

const AGENTS: u64 = 50;
const BATCHES: u64 = 100;
const ROWS: i64 = 30;

fn main() {
    let stack = Stack::start();
    let batches: Vec<Vec<Batch>> = (0..AGENTS).map(batches).collect();
    let samples = AGENTS * BATCHES * ROWS.unsigned_abs() * SeriesKind::Host.metrics().len() as u64;
    let bytes: usize = batches
        .iter()
        .flatten()
        .map(|batch| batch.payload.len())
        .sum();
    let processes = [
        stack.collector.as_ref().unwrap().id(),
        stack.clickhouse.as_ref().unwrap().id(),
    ];
    let before = processes.map(cpu_seconds);
    let start = Instant::now();

    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let port = stack.uplink_port;
        let agents: Vec<_> = batches
            .into_iter()
            .map(|batches| tokio::spawn(send(port, batches)))
            .collect();
        for agent in agents {
            agent.await.unwrap();
        }
    });
    let wall = start.elapsed().as_secs_f64();
    let after = processes.map(cpu_seconds);

    let rows = stack.number("SELECT count() FROM host_raw");
    assert_eq!(
        rows,
        AGENTS * BATCHES * ROWS.unsigned_abs(),
        "every acknowledged row is stored once"
    );
    let (collector, engine) = (after[0] - before[0], after[1] - before[1]);
    println!(
        "samples {samples}, {:.2} bytes a sample on the wire, {wall:.1} s",
        bytes as f64 / samples as f64
    );
    for (name, seconds) in [
        ("collector", collector),
        ("engine", engine),
        ("both", collector + engine),
    ] {
        println!(
            "{name:<10} {seconds:>7.2} CPU-s {:>8.2} M samples a CPU-second",
            samples as f64 / seconds / 1e6
        );
    }
}

/// The batches of one agent: host rows of a calm machine, one a second.
fn batches(agent: u64) -> Vec<Batch> {
    let mut random = fastrand::Rng::with_seed(agent);
    let metrics = SeriesKind::Host.metrics();
    let mut levels: Vec<u64> = metrics
        .iter()
        .map(|_| random.u64(1_000_000..8_000_000_000))
        .collect();
    let now_ms = crmscope_tests::now_ms() - i64::try_from(BATCHES).unwrap() * ROWS * 1000;
    (0..BATCHES)
        .map(|number| {
            let mut table = SeriesTable::new(SeriesKind::Host, Vec::new());
            for row in 0..ROWS {
                let values: Vec<Option<u64>> = metrics
                    .iter()
                    .zip(&mut levels)
                    .map(|(metric, level)| match metric.behaviour {
                        Behaviour::Increment => Some(random.u64(0..100_000)),
                        Behaviour::Gauge => {
                            *level = level.saturating_add_signed(random.i64(-40_960..40_960));
                            Some(*level)
                        }
                    })
                    .collect();
                let time_ms = now_ms + (i64::try_from(number).unwrap() * ROWS + row) * 1000;
                table.push(time_ms, 1000, &values).unwrap();
            }
            let envelope = Batch {
                agent_id: format!("bench-{agent:03}"),
                boot_id: vec![1; 16],
                start_id: vec![2; 16],
                spool_id: vec![3; 16],
                lane: Lane::Metrics.into(),
                sequence: number + 1,
                created_ms: now_ms,
                ..Batch::default()
            };
            seal(
                &Contents {
                    series: vec![table],
                    ..Contents::default()
                },
                envelope,
            )
            .unwrap()
        })
        .collect()
}

async fn send(port: u16, batches: Vec<Batch>) {
    let (up, messages) = tokio::sync::mpsc::channel(256);
    let first = &batches[0];
    let hello = Hello {
        protocol_version: PROTOCOL_VERSION,
        agent_id: first.agent_id.clone(),
        boot_id: first.boot_id.clone(),
        start_id: first.start_id.clone(),
        spool_id: first.spool_id.clone(),
        agent_version: "bench".to_owned(),
        ..Hello::default()
    };
    up.send(AgentMessage {
        kind: Some(Up::Hello(hello)),
    })
    .await
    .unwrap();
    let mut request = tonic::Request::new(ReceiverStream::new(messages));
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    let channel =
        tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    let mut client = UplinkClient::new(channel.connect().await.unwrap());
    let mut down = client.connect(request).await.unwrap().into_inner();
    let Some(Down::Welcome(welcome)) = down.message().await.unwrap().unwrap().kind else {
        panic!("no welcome")
    };
    let (mut sent, mut acked, last) = (0, 0, batches.len() as u64);
    let mut batches = batches.into_iter();
    while acked < last {
        while sent < last && sent - acked < u64::from(welcome.window_batches) {
            up.send(AgentMessage {
                kind: Some(Up::Batch(batches.next().unwrap())),
            })
            .await
            .unwrap();
            sent += 1;
        }
        match down.message().await.unwrap().unwrap().kind {
            Some(Down::Ack(ack)) => acked = acked.max(ack.sequence),
            Some(Down::Reject(reject)) => panic!("{}", reject.reason),
            _ => {}
        }
    }
}

/// User and system time of a process, from the kernel's ticks of 10 ms.
fn cpu_seconds(id: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}
