//! What the spool makes of its disk: append and replay in MB/s, beside plain files of the same sizes
//! and the same syncs in the same run.
//!
//! ```text
//! cargo bench -p crmscope-agent --bench spool -- [DIRECTORY] [SECONDS]
//! ```
//!
//! DIRECTORY is on the disk to be measured (a temporary one by default), SECONDS the time for each
//! figure (5 by default). What is read was dropped from the page cache before, without the time for
//! that. `seal` is what making batches of rows costs alone, which an append does too.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement ends at its first error and prints its figures"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crmscope_agent::spool::{Config, Origin, Spool};
use crmscope_proto::payload::Contents;
use crmscope_proto::v1::{Batch, Heartbeat};
use crmscope_proto::{Id, Lane};
use prost::Message as _;

/// Rows of a batch: one of a few kilobytes as agents send them, one near the largest.
const ROWS: [usize; 2] = [100, 10_000];

/// A segment of the spool is about so long.
const FILE_BYTES: u64 = 1024 * 1024;

#[derive(Default)]
struct Figure {
    bytes: u64,
    elapsed: Duration,
}

impl Figure {
    #[allow(clippy::cast_precision_loss, reason = "bytes of a few seconds")]
    fn megabytes_per_s(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.elapsed.as_secs_f64()
    }
}

fn main() {
    // Cargo adds --bench.
    let mut arguments = std::env::args().skip(1).filter(|word| word != "--bench");
    let temporary = tempfile::tempdir().unwrap();
    let directory = arguments
        .next()
        .map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let seconds = arguments
        .next()
        .map_or(5, |seconds| seconds.parse().unwrap());
    let time = Duration::from_secs(seconds);
    println!(
        "MB/s on {}, {seconds} s for each figure",
        directory.display()
    );
    println!(
        "lane      rows  batch bytes     seal   append   plain  ratio    replay    plain  ratio"
    );
    for lane in [Lane::Security, Lane::Metrics] {
        for rows in ROWS {
            measure(&directory, lane, rows, time);
        }
    }
}

fn measure(directory: &Path, lane: Lane, rows: usize, time: Duration) {
    let root = tempfile::tempdir_in(directory).unwrap();
    let contents = contents(rows);
    let sealing = sealing(lane, &contents, time);
    let (append, replay, batch_bytes) = spool(root.path(), lane, &contents, time);
    // Security is synced batch by batch, the others about every second.
    let sync_interval = if lane == Lane::Security {
        Duration::ZERO
    } else {
        Duration::from_millis(Config::default().sync_interval_ms)
    };
    let (write, read) = plain(root.path(), batch_bytes, sync_interval, time);
    let ratio = |ours: &Figure, limit: &Figure| ours.megabytes_per_s() / limit.megabytes_per_s();
    println!(
        "{:8} {rows:5} {batch_bytes:12} {:8.1} {:8.1} {:7.1} {:6.2} {:9.1} {:8.1} {:6.2}",
        lane.name(),
        sealing.megabytes_per_s(),
        append.megabytes_per_s(),
        write.megabytes_per_s(),
        ratio(&append, &write),
        replay.megabytes_per_s(),
        read.megabytes_per_s(),
        ratio(&replay, &read),
    );
}

/// Rows that do not compress: sealing is part of an append, and its share is not to be flattered.
fn contents(rows: usize) -> Contents {
    let mut random = fastrand::Rng::with_seed(1);
    let heartbeat = |_| Heartbeat {
        beat: random.u64(..),
        uptime_ms: random.u64(..),
        agent_cpu_us: random.u64(..),
        agent_resident_bytes: random.u64(..),
        ..Heartbeat::default()
    };
    Contents {
        heartbeats: (0..rows).map(heartbeat).collect(),
        ..Contents::default()
    }
}

/// Batches made of the rows, and nothing done with them.
fn sealing(lane: Lane, contents: &Contents, time: Duration) -> Figure {
    let envelope = Batch {
        agent_id: "crm-web-01".to_owned(),
        boot_id: Id([1; 16]).to_wire(),
        start_id: Id([2; 16]).to_wire(),
        spool_id: Id([3; 16]).to_wire(),
        lane: lane.into(),
        ..Batch::default()
    };
    let start = Instant::now();
    let mut figure = Figure::default();
    while start.elapsed() < time {
        let batch = crmscope_proto::seal(&contents.clone(), envelope.clone()).unwrap();
        figure.bytes += batch.encode_to_vec().len() as u64;
    }
    figure.elapsed = start.elapsed();
    figure
}

fn spool(root: &Path, lane: Lane, contents: &Contents, time: Duration) -> (Figure, Figure, usize) {
    let origin = Origin {
        agent_id: "crm-web-01".to_owned(),
        boot_id: Id([1; 16]),
        start_id: Id([2; 16]),
    };
    // Nothing is to be dropped while it is measured.
    let config = Config {
        metrics_max_bytes: u64::MAX / 8,
        security_max_bytes: u64::MAX / 8,
        ..Config::default()
    };
    let (mut spool, _) = Spool::open(&root.join("spool"), config).unwrap();
    let start = Instant::now();
    let mut batches = 0u64;
    while start.elapsed() < time {
        spool.append(&origin, lane, contents, None, 1_000).unwrap();
        spool.sync_due(Instant::now());
        batches += 1;
    }
    let append = Figure {
        bytes: spool.usage().appended_bytes,
        elapsed: start.elapsed(),
    };
    let batch_bytes = usize::try_from(append.bytes / batches).unwrap();
    let mut replay = Figure::default();
    while replay.elapsed < time {
        spool.rewind();
        drop_from_cache(&root.join("spool"));
        let start = Instant::now();
        let mut after = 0;
        loop {
            let records = spool.read(lane, after, 64, 4 * 1024 * 1024).unwrap();
            let Some(last) = records.last() else { break };
            after = last.sequence;
            let lengths = records.iter().map(|record| record.batch.len() as u64);
            replay.bytes += lengths.sum::<u64>();
        }
        replay.elapsed += start.elapsed();
    }
    (append, replay, batch_bytes)
}

/// The same without anything around it.
fn plain(
    root: &Path,
    batch_bytes: usize,
    sync_interval: Duration,
    time: Duration,
) -> (Figure, Figure) {
    let mut batch = vec![0; batch_bytes];
    fastrand::Rng::with_seed(2).fill(&mut batch);
    let (mut bytes, mut files) = (0, 0u64);
    let start = Instant::now();
    let mut synced = start;
    while start.elapsed() < time {
        let mut file = File::create(root.join(files.to_string())).unwrap();
        files += 1;
        let mut length = 0;
        while length < FILE_BYTES && start.elapsed() < time {
            file.write_all(&batch).unwrap();
            length += batch_bytes as u64;
            if synced.elapsed() >= sync_interval {
                file.sync_data().unwrap();
                synced = Instant::now();
            }
        }
        file.sync_data().unwrap();
        bytes += length;
    }
    let write = Figure {
        bytes,
        elapsed: start.elapsed(),
    };
    let mut read = Figure::default();
    let mut buffer = vec![0; 1 << 20];
    while read.elapsed < time {
        drop_from_cache(root);
        let start = Instant::now();
        for file in 0..files {
            let mut file = File::open(root.join(file.to_string())).unwrap();
            loop {
                let length = file.read(&mut buffer).unwrap();
                if length == 0 {
                    break;
                }
                read.bytes += length as u64;
            }
        }
        read.elapsed += start.elapsed();
    }
    (write, read)
}

/// So that the next read is the disk's.
fn drop_from_cache(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            drop_from_cache(&path);
            continue;
        }
        let file = File::open(path).unwrap();
        // Only what is written can be dropped.
        file.sync_data().unwrap();
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    }
}
