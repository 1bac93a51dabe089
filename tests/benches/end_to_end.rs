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

use std::time::Instant;

use crmscope_proto::catalog::SeriesKind;
use crmscope_proto::v1::Batch;
use crmscope_tests::Stack;
use crmscope_tests::load::{ROWS, cpu_seconds, host_batches, send_all};

const AGENTS: u64 = 50;
const BATCHES: u64 = 100;

fn main() {
    let stack = Stack::start();
    let batches: Vec<Vec<Batch>> = (0..AGENTS)
        .map(|agent| host_batches(agent, BATCHES))
        .collect();
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
            .map(|batches| tokio::spawn(send_all(port, batches)))
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
