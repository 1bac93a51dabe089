//! What the spool makes of its disk: append and replay in MB/s, beside plain files of the same sizes
//! and the same syncs in the same run.
//!
//! ```text
//! cargo bench -p crmscope-agent --bench spool -- [DIRECTORY] [SECONDS]
//! ```
//!
//! DIRECTORY is on the disk to be measured (a temporary one by default), SECONDS the time for each
//! figure (5 by default). What is read was dropped from the page cache before, without the time for
//! that. `seal` is what making batches of rows costs alone, on one thread, which an append does too.
//! `append` is by one source and by two at once, as an agent has several; `plain` by one thread and
//! by two, each with files of its own. `ratio` compares both by one, and both at their best.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement ends at its first error and prints its figures"
)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crmscope_agent::outbox::Outbox;
use crmscope_agent::spool::{Config, Origin};
use crmscope_proto::payload::Contents;
use crmscope_proto::v1::{Batch, Heartbeat};
use crmscope_proto::{Id, Lane};
use prost::Message as _;

/// Rows of a batch: one of a few kilobytes as agents send them, one near the largest.
const ROWS: [usize; 2] = [100, 10_000];

/// A segment of the spool is about so long.
const FILE_BYTES: u64 = 1024 * 1024;

/// How long a disk may refuse before a measurement ends.
const PATIENCE: Duration = Duration::from_secs(60);

/// Turns that a figure is taken in.
const ROUNDS: u32 = 10;

#[derive(Default)]
struct Figure {
    bytes: u64,
    elapsed: Duration,
}

impl Figure {
    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.elapsed += other.elapsed;
    }

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
        "lane      rows  batch bytes     seal   append  by two    plain  by two  ratio  best    replay    plain  ratio"
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
    let [one, two] = ["one", "two"].map(|name| open(&root.path().join(name)));
    append(&one, lane, &contents, 1, Duration::ZERO);
    let batch_bytes = usize::try_from(one.usage().appended_bytes).unwrap();
    // Security is synced batch by batch, the others about every second.
    let sync_interval = if lane == Lane::Security {
        Duration::ZERO
    } else {
        Duration::from_millis(Config::default().sync_interval_ms)
    };
    let [first, second] = ["first", "second"].map(|name| {
        let directory = root.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        directory
    });
    let plain = |root: &Path, time| plain_writes(root, batch_bytes, sync_interval, time);
    // In turns, so that what else the machine does meets all of them.
    let [mut appended, mut appended_two, mut write, mut write_two] = <[Figure; 4]>::default();
    for _ in 0..ROUNDS {
        let time = time / ROUNDS;
        appended.add(&append(&one, lane, &contents, 1, time));
        write.add(&plain(&first, time));
        appended_two.add(&append(&two, lane, &contents, 2, time));
        write_two.add(&std::thread::scope(|scope| {
            let other = scope.spawn(|| plain(&second, time));
            let mut both = plain(&first, time);
            both.bytes += other.join().unwrap().bytes;
            both
        }));
    }
    let [mut replay, mut read] = <[Figure; 2]>::default();
    while replay.elapsed < time {
        replay.add(&replays(&one, &root.path().join("one"), lane));
        read.add(&plain_reads(&first));
    }
    let [sealing, append, append_two, write, write_two, replay, read] = [
        sealing,
        appended,
        appended_two,
        write,
        write_two,
        replay,
        read,
    ]
    .map(|figure| figure.megabytes_per_s());
    println!(
        "{:8} {rows:5} {batch_bytes:12} {sealing:8.1} {append:8.1} {append_two:7.1} {write:8.1} {write_two:7.1} {:6.2} {:5.2} {replay:9.1} {read:8.1} {:6.2}",
        lane.name(),
        append / write,
        append.max(append_two) / write.max(write_two),
        replay / read,
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
        let batch = crmscope_proto::seal(contents, envelope.clone()).unwrap();
        figure.bytes += batch.encode_to_vec().len() as u64;
    }
    figure.elapsed = start.elapsed();
    figure
}

fn open(root: &Path) -> Outbox {
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
    Outbox::open(root, config, origin).unwrap()
}

/// Appends as an agent does: a disk that does not answer in time is asked again, which is in the figure and
/// is said. A busy one may take the two seconds that the spool waits.
fn insist(outbox: &Outbox, lane: Lane, contents: &Contents) {
    let end = Instant::now() + PATIENCE;
    while let Err(error) = outbox.append(lane, contents, None) {
        println!("append refused, asked again: {error}");
        assert!(Instant::now() < end, "the disk takes nothing: {error}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Appends by so many threads at once, each at least one; all is durable at the end.
fn append(
    outbox: &Outbox,
    lane: Lane,
    contents: &Contents,
    sources: usize,
    time: Duration,
) -> Figure {
    let before = outbox.usage().appended_bytes;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..sources {
            scope.spawn(|| {
                loop {
                    insist(outbox, lane, contents);
                    outbox.sync_due(Instant::now());
                    if start.elapsed() >= time {
                        break;
                    }
                }
            });
        }
    });
    outbox.sync_due(Instant::now() + Duration::from_secs(3600));
    Figure {
        bytes: outbox.usage().appended_bytes - before,
        elapsed: start.elapsed(),
    }
}

fn replays(outbox: &Outbox, root: &Path, lane: Lane) -> Figure {
    outbox.rewind();
    drop_from_cache(root);
    let start = Instant::now();
    let (mut bytes, mut after) = (0, 0);
    loop {
        let records = match outbox.read(lane, after, 64, 4 * 1024 * 1024) {
            Ok(records) => records,
            Err(error) => {
                println!("read refused, asked again: {error}");
                assert!(
                    start.elapsed() < PATIENCE,
                    "the disk gives nothing: {error}"
                );
                continue;
            }
        };
        let Some(last) = records.last() else { break };
        after = last.sequence;
        let lengths = records.iter().map(|record| record.batch.len() as u64);
        bytes += lengths.sum::<u64>();
    }
    Figure {
        bytes,
        elapsed: start.elapsed(),
    }
}

/// The same without anything around it: files of a segment's length, with names that are durable.
fn plain_writes(
    root: &Path,
    batch_bytes: usize,
    sync_interval: Duration,
    time: Duration,
) -> Figure {
    let mut batch = vec![0; batch_bytes];
    fastrand::Rng::with_seed(2).fill(&mut batch);
    let directory = File::open(root).unwrap();
    let mut bytes = 0;
    let files = std::fs::read_dir(root).unwrap().count();
    let start = Instant::now();
    let mut synced = start;
    for number in files.. {
        let mut file = File::create(root.join(number.to_string())).unwrap();
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
        directory.sync_all().unwrap();
        bytes += length;
        if start.elapsed() >= time {
            break;
        }
    }
    Figure {
        bytes,
        elapsed: start.elapsed(),
    }
}

fn plain_reads(root: &Path) -> Figure {
    drop_from_cache(root);
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    let start = Instant::now();
    for entry in std::fs::read_dir(root).unwrap() {
        let mut file = File::open(entry.unwrap().path()).unwrap();
        loop {
            let length = file.read(&mut buffer).unwrap();
            if length == 0 {
                break;
            }
            bytes += length as u64;
        }
    }
    Figure {
        bytes,
        elapsed: start.elapsed(),
    }
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
