//! What coding a batch costs, per sample or request row, and how many bytes it takes.
//!
//! Every time reported is that of one sample (or row), not of the batch. `encode` and `decode` go
//! between rows and the bytes of a `Payload`; `seal` and `open` add zstd and the checks of the
//! envelope. Compare ratios within one run: the machine decides the rest.
#![allow(missing_docs, reason = "criterion's macros generate functions")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench prints its figures and fails by panicking"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use crmscope_proto::catalog::Behaviour;
use crmscope_proto::payload::Contents;
use crmscope_proto::requests::RequestRow;
use crmscope_proto::series::SeriesTable;
use crmscope_proto::v1::{Batch, Payload};
use crmscope_proto::{SeriesKind, Sketch, open, seal};
use prost::Message;

const START_MS: i64 = 1_790_000_000_000;

/// A fixed sequence of pseudo-random numbers (SplitMix64): every run codes the same values.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A step of a walk that stays near its middle.
    fn walk(&mut self, level: u64, unit: u64, steps: u64) -> u64 {
        (level + self.below(2 * steps + 1) * unit).saturating_sub(steps * unit)
    }
}

/// A figure as hosts have it, from what its name says; `level` is the one before.
fn figure(name: &str, behaviour: Behaviour, level: &mut u64, numbers: &mut Numbers) -> u64 {
    match behaviour {
        // Steps of a clock tick.
        Behaviour::Increment => match name {
            "cpu_user_us" | "cpu_system_us" => numbers.below(30) * 10_000,
            "cpu_idle_us" => 1_500_000 + numbers.below(40) * 10_000,
            "cpu_iowait_us" | "cpu_softirq_us" => numbers.below(8) / 7 * 10_000,
            "context_switches" | "interrupts" | "page_faults" => 2000 + numbers.below(3000),
            "read_bytes" | "write_bytes" => numbers.below(64) * 4096,
            "receive_bytes" | "transmit_bytes" => 20_000 + numbers.below(400_000),
            "receive_packets" | "transmit_packets" | "duration_us" => 100 + numbers.below(600),
            "reads" | "writes" | "items" | "forks" => numbers.below(50),
            "runs" => 1,
            _ if name.ends_with("_time_us") || name.starts_with("pressure") => {
                numbers.below(4) / 3 * numbers.below(20_000)
            }
            _ => 0,
        },
        Behaviour::Gauge => {
            *level = match name {
                "uptime_ms" => *level + 1000,
                "cpu_count" => 2,
                "cgroup_cpu_max_us" => 200_000,
                "tasks_running" | "in_progress" => numbers.below(4),
                "tasks_blocked" | "read_only" | "swap_free_bytes" | "swap_total_bytes" => 0,
                "tasks" | "processes" => numbers.walk((*level).clamp(300, 400), 1, 2),
                "load1_x100" => numbers.walk((*level).clamp(20, 400), 1, 4),
                "load5_x100" | "load15_x100" => numbers.walk((*level).clamp(20, 400), 1, 1),
                "file_descriptors_used" => numbers.walk((*level).clamp(2000, 9000), 32, 3),
                "mem_total_bytes"
                | "size_bytes"
                | "inodes"
                | "file_descriptors_max"
                | "cgroup_memory_max_bytes" => (*level).max(16_777_216_000),
                // Memory and file systems move in pages.
                _ => numbers.walk((*level).max(4_294_967_296), 4096, 300),
            };
            *level
        }
    }
}

fn table(kind: SeriesKind, labels: &[&str], rows: usize, numbers: &mut Numbers) -> SeriesTable {
    let labels = labels.iter().map(|&label| label.to_owned());
    let mut table = SeriesTable::new(kind, labels.collect());
    let mut levels = vec![0; kind.metrics().len()];
    let mut time_ms = START_MS;
    for _ in 0..rows {
        let interval_ms = 999 + numbers.below(3);
        time_ms += interval_ms.cast_signed();
        let values: Vec<_> = kind
            .metrics()
            .iter()
            .zip(&mut levels)
            .map(|(metric, level)| Some(figure(metric.name, metric.behaviour, level, numbers)))
            .collect();
        let interval_ms = u32::try_from(interval_ms).unwrap();
        table.push(time_ms, interval_ms, &values).unwrap();
    }
    table
}

/// Rows of the host as a whole only.
fn host(rows: usize) -> Contents {
    Contents {
        series: vec![table(SeriesKind::Host, &[], rows, &mut Numbers(1))],
        ..Contents::default()
    }
}

/// All that an agent gathers each second: host, two disks, a file system, two interfaces, two sources.
fn machine(rows: usize) -> Contents {
    let mut numbers = Numbers(2);
    let mut table = |kind, labels: &[&str]| table(kind, labels, rows, &mut numbers);
    Contents {
        series: vec![
            table(SeriesKind::Host, &[]),
            table(SeriesKind::Disk, &["nvme0n1"]),
            table(SeriesKind::Disk, &["nvme1n1"]),
            table(SeriesKind::Filesystem, &["/", "nvme0n1p2", "ext4"]),
            table(SeriesKind::Interface, &["eth0"]),
            table(SeriesKind::Interface, &["lo"]),
            table(SeriesKind::Source, &["host"]),
            table(SeriesKind::Source, &["requests"]),
        ],
        ..Contents::default()
    }
}

/// Request rows of one bucket, each with a sketch of 12 buckets.
fn requests(rows: usize) -> Contents {
    let mut numbers = Numbers(3);
    let rows = (0..rows).map(|row| {
        let mut index = 300 + i16::try_from(numbers.below(100)).unwrap();
        let buckets: Vec<_> = (0..12)
            .map(|_| {
                index += 1 + i16::try_from(numbers.below(6)).unwrap();
                (index, 1 + numbers.below(200))
            })
            .collect();
        let count: u64 = buckets.iter().map(|(_, count)| count).sum();
        RequestRow {
            bucket_start_ms: START_MS,
            service: "crm-web".to_owned(),
            route: format!("/api/v2/entity{}/{{id}}", row / 4),
            method: if row % 4 < 2 { "GET" } else { "POST" }.to_owned(),
            status_class: if row % 2 == 0 { 2 } else { 4 },
            requests: count,
            response_bytes: count * (500 + numbers.below(20_000)),
            latency: Sketch::from_parts(buckets, count * 1900, 4000 + numbers.below(90_000)),
            upstream: Sketch::default(),
        }
    });
    Contents {
        requests: rows.collect(),
        ..Contents::default()
    }
}

/// Figures of all tables; request rows count as one each.
fn samples(contents: &Contents) -> usize {
    let figures = |table: &SeriesTable| {
        table
            .columns()
            .iter()
            .flatten()
            .map(Vec::len)
            .sum::<usize>()
    };
    contents.series.iter().map(figures).sum::<usize>() + contents.requests.len()
}

fn envelope() -> Batch {
    Batch {
        agent_id: "crm-web-01".to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: 1,
        sequence: 7,
        created_ms: START_MS,
        ..Batch::default()
    }
}

/// The time of one sample: that of all rounds divided by the samples of a batch.
fn per_sample<T>(rounds: u64, samples: usize, mut work: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        black_box(work());
    }
    start.elapsed().div_f64(samples as f64)
}

fn wire(criterion: &mut Criterion) {
    let layouts = [
        ("host", host(2)),
        ("host", host(21)),
        ("machine", machine(1)),
        ("machine", machine(10)),
        ("requests", requests(10)),
        ("requests", requests(200)),
    ];
    println!("bytes per sample (a request row is one)");
    for (name, contents) in &layouts {
        let samples = samples(contents);
        let batch = seal(contents, envelope()).unwrap();
        assert_eq!(open(&batch).unwrap(), *contents);
        let each = |bytes: usize| bytes as f64 / samples as f64;
        println!(
            "{name:>9} n = {samples:<5} payload {:6.2}  zstd {:6.2}  with envelope {:6.2}",
            each(batch.payload_bytes as usize),
            each(batch.payload.len()),
            each(batch.encoded_len()),
        );
    }
    for (name, contents) in &layouts {
        let samples = samples(contents);
        let batch = seal(contents, envelope()).unwrap();
        let raw = contents.encode().encode_to_vec();
        let mut group = criterion.benchmark_group(*name);
        let mut bench = |what: &str, work: &dyn Fn()| {
            group.bench_function(BenchmarkId::new(what, samples), |bencher| {
                bencher.iter_custom(|rounds| per_sample(rounds, samples, work));
            });
        };
        bench("encode", &|| {
            black_box(black_box(contents).encode().encode_to_vec());
        });
        bench("seal", &|| {
            black_box(seal(black_box(contents), envelope()).unwrap());
        });
        bench("decode", &|| {
            let payload = Payload::decode(black_box(raw.as_slice())).unwrap();
            black_box(Contents::decode(payload).unwrap());
        });
        bench("open", &|| {
            black_box(open(black_box(&batch)).unwrap());
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1000))
        .sample_size(30);
    targets = wire
}
criterion_main!(benches);
