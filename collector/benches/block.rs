//! What the collector adds to what decoding and encoding must cost.
//!
//! One flush of 100 agents with 10 host rows each, at 1 Hz. `bare` decompresses and decodes the
//! same batches with prost and encodes them again; `collector` judges them (decode and every
//! check) and builds all inserts of the block. The aim is `collector` ≤ 3 × `bare` in one run.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use crmscope_collector::judge::judge;
use crmscope_collector::writer::{block, journal};
use crmscope_proto::catalog::{Behaviour, HostMetric};
use crmscope_proto::payload::{Contents, seal};
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::{Batch, Payload};
use crmscope_proto::{Lane, SeriesKind};
use prost::Message as _;

const AGENTS: u64 = 100;
const ROWS: u64 = 10;
const NOW: i64 = 1_790_000_000_000;

/// Increments that jump and gauges that creep, as /proc has them.
fn host_batch(agent: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(agent);
    let mut table = SeriesTable::new(SeriesKind::Host, Vec::new());
    let mut gauges = [0u64; HostMetric::COUNT];
    gauges.fill_with(|| random.u64(1 << 20..1 << 34));
    for row in 0..ROWS {
        let values: Vec<Option<u64>> = HostMetric::METRICS
            .iter()
            .zip(&mut gauges)
            .map(|(metric, gauge)| match metric.behaviour {
                Behaviour::Increment => Some(random.u64(0..50_000)),
                Behaviour::Gauge => {
                    *gauge += random.u64(0..4096);
                    Some(*gauge)
                }
            })
            .collect();
        let time_ms = NOW - 10_000 + i64::try_from(row).unwrap_or(0) * 1000;
        table.push(time_ms, 1000, &values).expect("a whole row");
    }
    let contents = Contents {
        series: vec![table],
        ..Contents::default()
    };
    let envelope = Batch {
        agent_id: format!("crm-host-{agent:03}"),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: Lane::Metrics.into(),
        sequence: 1,
        created_ms: NOW,
        ..Batch::default()
    };
    seal(&contents, envelope)
        .expect("a small batch")
        .encode_to_vec()
}

fn decode(bytes: &[u8]) -> Batch {
    Batch::decode(bytes::Bytes::copy_from_slice(bytes)).expect("a batch")
}

fn payload(batch: &Batch) -> Payload {
    let raw = zstd::bulk::decompress(&batch.payload, batch.payload_bytes as usize);
    Payload::decode(raw.expect("a payload").as_slice()).expect("a payload")
}

fn flush(c: &mut Criterion) {
    let batches: Vec<Vec<u8>> = (0..AGENTS).map(host_batch).collect();
    let mut group = c.benchmark_group("flush_of_100_agents");
    group.throughput(Throughput::Elements(AGENTS * ROWS));
    group.bench_function("bare", |b| {
        b.iter(|| {
            for bytes in &batches {
                let payload = payload(&decode(bytes));
                black_box(payload.encode_to_vec());
            }
        });
    });
    // The same without zstd: the strictest reading of "decode and encode".
    let raw: Vec<Vec<u8>> = batches
        .iter()
        .map(|bytes| payload(&decode(bytes)).encode_to_vec())
        .collect();
    group.bench_function("bare_without_zstd", |b| {
        b.iter(|| {
            for bytes in &raw {
                let payload = Payload::decode(bytes.as_slice()).expect("a payload");
                black_box(payload.encode_to_vec());
            }
        });
    });
    group.bench_function("collector", |b| {
        b.iter(|| {
            let entries: Vec<_> = batches
                .iter()
                .map(|bytes| judge(&decode(bytes), NOW).expect("an envelope"))
                .collect();
            black_box(journal::insert(7, &entries));
            black_box(block::build(7, &entries));
        });
    });
    group.bench_function("of_which_judging", |b| {
        b.iter(|| {
            for bytes in &batches {
                black_box(judge(&decode(bytes), NOW).expect("an envelope"));
            }
        });
    });
    let entries: Vec<_> = batches
        .iter()
        .map(|bytes| judge(&decode(bytes), NOW).expect("an envelope"))
        .collect();
    group.bench_function("of_which_building", |b| {
        b.iter(|| {
            black_box(journal::insert(7, &entries));
            black_box(block::build(7, &entries));
        });
    });
    group.finish();
}

criterion_group!(benches, flush);
criterion_main!(benches);
