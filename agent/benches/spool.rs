//! What the spool makes of its disk: append and replay in MB/s, beside plain files of the same sizes
//! and the same syncs in the same run.
//!
//! ```text
//! cargo bench -p crmscope-agent --bench spool -- [DIRECTORY] [SECONDS]
//! ```
//!
//! DIRECTORY is on the disk to be measured (a temporary one by default), SECONDS the time for each
//! figure (5 by default). Replay reads what the append left, so out of the page cache where that is
//! large enough; the plain read has the same advantage.
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
use crmscope_proto::v1::Heartbeat;
use crmscope_proto::{Id, Lane};

/// Rows of a batch: one of a few kilobytes as agents send them, one near the largest.
const ROWS: [usize; 2] = [100, 10_000];

/// A segment of the spool is about so long.
const FILE_BYTES: u64 = 1024 * 1024;

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
    println!("lane      rows  batch bytes   append   plain  ratio    replay    plain  ratio");
    for lane in [Lane::Security, Lane::Metrics] {
        for rows in ROWS {
            measure(&directory, lane, rows, time);
        }
    }
}

fn measure(directory: &Path, lane: Lane, rows: usize, time: Duration) {
    let root = tempfile::tempdir_in(directory).unwrap();
    let contents = contents(rows);
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
        "{:8} {rows:5} {batch_bytes:12} {:8.1} {:7.1} {:6.2} {:9.1} {:8.1} {:6.2}",
        lane.name(),
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
    let start = Instant::now();
    let (mut after, mut bytes) = (0, 0);
    while start.elapsed() < time {
        let records = spool.read(lane, after, 64, 4 * 1024 * 1024).unwrap();
        let Some(last) = records.last() else {
            spool.rewind();
            after = 0;
            continue;
        };
        after = last.sequence;
        bytes += records
            .iter()
            .map(|record| record.batch.len() as u64)
            .sum::<u64>();
    }
    let replay = Figure {
        bytes,
        elapsed: start.elapsed(),
    };
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
    let start = Instant::now();
    let (mut bytes, mut buffer) = (0, vec![0; 1 << 20]);
    for file in (0..files).cycle() {
        if start.elapsed() >= time {
            break;
        }
        let mut file = File::open(root.join(file.to_string())).unwrap();
        loop {
            let read = file.read(&mut buffer).unwrap();
            if read == 0 {
                break;
            }
            bytes += read as u64;
        }
    }
    let read = Figure {
        bytes,
        elapsed: start.elapsed(),
    };
    (write, read)
}
