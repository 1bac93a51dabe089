//! What one tick of the host and file system sources costs, against the least it can cost.
//!
//! Three readers of the same files at the same cadences (processes and file systems at every
//! tenth tick):
//! - `bare` keeps handles, reads each file with one `pread` and adds up the bytes: the kernel's
//!   own price;
//! - `hand` also picks the numbers out, with the shortest code that does;
//! - `agent` is [`HostSource`] and [`FilesystemSource`] with their rows.
//!
//! `cargo bench -p crmscope-agent --bench host` compares tight loops, where everything is in the
//! cache. What an agent costs shows only at its own pace:
//! `cargo bench -p crmscope-agent --bench host -- at-1hz [rounds] [ticks]` runs the readers in turn,
//! `ticks` seconds each, and prints CPU time per tick (all threads, waking up included).

// A benchmark tells its result, and has no one to hand an error to.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::Criterion;
use crmscope_agent::sources::filesystem::{self, FilesystemSource};
use crmscope_agent::sources::host::{self, HostSource};
use crmscope_agent::sources::{Moment, Rows, Source, SourceStatistics};
use crmscope_proto::payload::Contents;
use rustix::time::{ClockId, clock_gettime};

/// Ticks of the rare readings, as in the agent's defaults; also those of one batch.
const RARE_TICKS: u64 = 10;

trait Reader {
    fn tick(&mut self, number: u64);
}

/// The files of a tick, and of a tenth tick.
struct Files {
    files: Vec<File>,
    mountinfo: File,
    mounts: Vec<String>,
    buffer: Vec<u8>,
}

impl Files {
    fn open() -> Self {
        let names = [
            "/proc/stat",
            "/proc/meminfo",
            "/proc/loadavg",
            "/proc/uptime",
            "/proc/vmstat",
            "/proc/sys/fs/file-nr",
            "/proc/pressure/cpu",
            "/proc/pressure/memory",
            "/proc/pressure/io",
            "/proc/diskstats",
            "/proc/net/dev",
        ];
        let membership = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let group = |key: &str, mount: &str, file: &str| {
            let line = membership.lines().find(|line| line.contains(key))?;
            let group = line.rsplit(':').next()?;
            File::open(format!("/sys/fs/cgroup{mount}{group}/{file}")).ok()
        };
        let usage = group(":memory:", "/memory", "memory.usage_in_bytes")
            .or_else(|| group("0::", "", "memory.current"));
        // The mounts that the agent measures.
        let mut contents = Contents::default();
        let statistics = SourceStatistics::default();
        let mut rows = Rows::new(&mut contents, &statistics);
        let mut source = FilesystemSource::new(&filesystem::Config::default());
        source.collect(Moment::now(), &mut rows).unwrap();
        Self {
            files: names
                .iter()
                .filter_map(|name| File::open(name).ok())
                .chain(usage)
                .collect(),
            mountinfo: File::open("/proc/self/mountinfo").unwrap(),
            mounts: contents
                .series
                .iter()
                .map(|table| table.labels()[0].clone())
                .collect(),
            buffer: vec![0; 64 * 1024],
        }
    }

    fn read(&mut self, number: u64, mut take: impl FnMut(usize, &[u8])) {
        for (position, file) in self.files.iter().enumerate() {
            let read = file.read_at(&mut self.buffer, 0).unwrap();
            take(position, &self.buffer[..read]);
        }
        if number.is_multiple_of(RARE_TICKS) {
            let read = self.mountinfo.read_at(&mut self.buffer, 0).unwrap();
            take(usize::MAX, &self.buffer[..read]);
            for mount in &self.mounts {
                black_box(rustix::fs::statvfs(Path::new(mount)).unwrap().f_bfree);
            }
            black_box(std::fs::read_dir("/proc").unwrap().count());
        }
    }
}

struct Bare(Files);

impl Reader for Bare {
    fn tick(&mut self, number: u64) {
        let mut sum = 0u64;
        self.0.read(number, |_, text| {
            sum += text.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        });
        black_box(sum);
    }
}

struct Hand(Files);

impl Reader for Hand {
    fn tick(&mut self, number: u64) {
        let mut values = [0u64; 256];
        self.0.read(number, |position, text| {
            let mut next = values.iter_mut();
            let text = String::from_utf8_lossy(text);
            match position {
                // Files of which some lines are wanted.
                0 | 1 | 4 => {
                    for line in text.lines() {
                        let wanted = [
                            "cpu ",
                            "ctxt",
                            "intr",
                            "processes",
                            "procs_",
                            "MemTotal",
                            "MemFree",
                            "MemAvailable",
                            "Buffers",
                            "Cached",
                            "Swap",
                            "Dirty",
                            "Shmem:",
                            "Slab",
                            "Committed",
                            "pswp",
                            "pgfault",
                            "pgmajfault",
                            "oom_kill ",
                        ];
                        if wanted.iter().any(|key| line.starts_with(key)) {
                            for word in line.split_ascii_whitespace().skip(1).take(10) {
                                if let (Ok(number), Some(value)) = (word.parse(), next.next()) {
                                    *value = number;
                                }
                            }
                        }
                    }
                }
                usize::MAX => {}
                _ => {
                    for word in text.split_ascii_whitespace() {
                        if let (Ok(number), Some(value)) = (word.parse(), next.next()) {
                            *value = number;
                        }
                    }
                }
            }
            black_box(&mut values);
        });
    }
}

struct Agent {
    host: HostSource,
    filesystems: FilesystemSource,
    contents: Contents,
    statistics: SourceStatistics,
    /// The tight loop's time does not pass by itself; each tick is a second later.
    begin: Instant,
}

impl Agent {
    fn new() -> Self {
        Self {
            host: HostSource::new(&host::Config::default()),
            filesystems: FilesystemSource::new(&filesystem::Config::default()),
            contents: Contents::default(),
            statistics: SourceStatistics::default(),
            begin: Instant::now(),
        }
    }
}

impl Reader for Agent {
    fn tick(&mut self, number: u64) {
        let moment = Moment {
            monotonic: self.begin + Duration::from_secs(number),
            ..Moment::now()
        };
        let mut rows = Rows::new(&mut self.contents, &self.statistics);
        self.host.collect(moment, &mut rows).unwrap();
        if number.is_multiple_of(RARE_TICKS) {
            self.filesystems.collect(moment, &mut rows).unwrap();
            black_box(std::mem::take(&mut self.contents));
        }
    }
}

fn readers() -> [(&'static str, Box<dyn Reader>); 3] {
    [
        ("bare", Box::new(Bare(Files::open()))),
        ("hand", Box::new(Hand(Files::open()))),
        ("agent", Box::new(Agent::new())),
    ]
}

fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default().as_secs_f64() * 1e6
}

fn at_1hz(rounds: usize, ticks: u64) {
    let mut readers = readers();
    let mut costs = [const { Vec::new() }; 3];
    for round in 0..rounds {
        for ((name, reader), costs) in readers.iter_mut().zip(&mut costs) {
            let first = round as u64 * (ticks + 1);
            let mut due = Instant::now();
            let begin = costs.len();
            reader.tick(first);
            let mut before = cpu_us();
            for number in first + 1..=first + ticks {
                due += Duration::from_secs(1);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                reader.tick(number);
                let after = cpu_us();
                costs.push(after - before);
                before = after;
            }
            println!("round {round} {name:>5}: {}", summary(&costs[begin..]));
        }
    }
    let bare = median(&costs[0]);
    for ((name, _), costs) in readers.iter().zip(&costs) {
        println!(
            "{name:>5}: {}, {:.2} x bare (medians)",
            summary(costs),
            median(costs) / bare
        );
    }
}

fn summary(costs: &[f64]) -> String {
    let mean = costs.iter().sum::<f64>() / costs.len() as f64;
    format!(
        "CPU µs per tick: median {:.0}, mean {mean:.0} of {}",
        median(costs),
        costs.len()
    )
}

fn median(costs: &[f64]) -> f64 {
    let mut sorted = costs.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(mode) = arguments.iter().position(|argument| argument == "at-1hz") {
        let number = |offset: usize| arguments.get(mode + offset)?.parse().ok();
        at_1hz(
            number(1).unwrap_or(3).try_into().unwrap(),
            number(2).unwrap_or(30),
        );
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("host tick");
    for (name, mut reader) in readers() {
        let mut number = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                number += 1;
                reader.tick(number);
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
