//! What the whole agent costs a host, beside a bare reader and beside what others run.
//!
//! `cargo bench -p crmscope-tests --bench agent_process [-- SECONDS]`. All of them run at once on
//! one machine, each gathers every second, and CPU and memory are the kernel's account of each
//! process with its children over the same seconds. Peers that are not installed are left out and
//! named; on Debian: `apt-get install collectd-core prometheus-node-exporter netdata-core`.
//!
//! - `bare` reads the files of the agent's host sources, once a second, and does nothing with them.
//! - `agent` has every source on, batches every 5 s to a real collector, and follows an access log
//!   that gains 50 lines a second.
//! - `collectd` gathers the host's figures and sends them by UDP; `node_exporter` is scraped every
//!   second; `netdata` gathers every second with its own plugins for /proc. Each is reduced to what
//!   the agent's host sources gather, and none follows a log.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not a product"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack, http_get, wait_for};

const SECONDS: u64 = 60;

/// Time for every program to open its files and settle, s.
const WARM_UP_SECONDS: u64 = 15;

const BARE: &str = "bare-reader";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == BARE) {
        bare_reader();
    }
    let seconds = arguments
        .iter()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(SECONDS);
    let stack = Stack::start();
    let port = free_port();
    let mut watched = vec![("bare", start_bare(&stack)), ("agent", start_agent(&stack))];
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    let peers = [
        ("collectd", start_collectd(&stack, &sink)),
        ("node_exporter", start_node_exporter(&stack, port)),
        ("netdata", start_netdata(&stack)),
    ];
    let scraped = peers[1].1.is_some();
    for (name, peer) in peers {
        match peer {
            Some(process) => watched.push((name, process)),
            None => println!("{name} is not installed and left out"),
        }
    }
    let mut log = File::options()
        .append(true)
        .open(stack.path("access.log"))
        .unwrap();
    let mut scrapes = 0u32;
    let mut pass = |seconds: u64| {
        let mut due = Instant::now();
        for _ in 0..seconds {
            due += Duration::from_secs(1);
            log.write_all(lines().as_bytes()).unwrap();
            if scraped {
                scrapes +=
                    u32::from(http_get(port, "/metrics").is_ok_and(|(status, _)| status == 200));
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    };
    pass(WARM_UP_SECONDS);
    let before: Vec<f64> = watched
        .iter()
        .map(|(_, process)| usage(process.id()).cpu_us)
        .collect();
    let start = Instant::now();
    pass(seconds);
    let elapsed = start.elapsed().as_secs_f64();
    let after: Vec<Usage> = watched
        .iter()
        .map(|(_, process)| usage(process.id()))
        .collect();
    let requests = stack.number("SELECT sum(requests) FROM requests_raw");
    let rows = stack.number("SELECT count() FROM host_raw");
    println!("{elapsed:.1} s, {requests} requests and {rows} host rows stored, {scrapes} scrapes");
    println!(
        "{:<14} {:>12} {:>8} {:>13} {:>12} {:>8}",
        "", "CPU µs a s", "x bare", "resident MiB", "private MiB", "threads"
    );
    let bare = after[0].cpu_us - before[0];
    for (((name, _), before), after) in watched.iter().zip(&before).zip(&after) {
        let cpu_us = after.cpu_us - before;
        println!(
            "{name:<14} {:>12.0} {:>8.2} {:>13.1} {:>12.1} {:>8}",
            cpu_us / elapsed,
            cpu_us / bare,
            after.resident_bytes / 1_048_576.0,
            after.private_bytes / 1_048_576.0,
            after.threads
        );
    }
}

/// Access log lines of one second.
fn lines() -> String {
    // RFC 3339 in UTC is the JSON escape's form; nginx's own needs month names.
    let now = Command::new("date")
        .args(["-u", "+%d/%b/%Y:%H:%M:%S +0000"])
        .output()
        .unwrap();
    let now = String::from_utf8(now.stdout).unwrap();
    (0..50)
        .map(|number| {
            format!(
                "192.0.2.7 - - [{}] \"GET /account/{number} HTTP/1.1\" 200 {number} \"-\" \"bench\" 0.0{number:02}\n",
                now.trim()
            )
        })
        .collect()
}

/// Reads what the host sources read, keeping the handles, until it is killed.
fn bare_reader() -> ! {
    let mut files: Vec<File> = [
        "stat",
        "meminfo",
        "loadavg",
        "uptime",
        "vmstat",
        "sys/fs/file-nr",
        "pressure/cpu",
        "pressure/memory",
        "pressure/io",
        "diskstats",
        "net/dev",
    ]
    .iter()
    .filter_map(|name| File::open(Path::new("/proc").join(name)).ok())
    .collect();
    files.extend(File::open("/proc/self/statm"));
    let mut buffer = vec![0; 64 * 1024];
    let mut due = Instant::now();
    for tick in 0u64.. {
        for file in &files {
            let read = file.read_at(&mut buffer, 0).unwrap_or(0);
            std::hint::black_box(&buffer[..read]);
        }
        if tick.is_multiple_of(10) {
            std::hint::black_box(fs::read_dir("/proc").map(Iterator::count).unwrap_or(0));
        }
        due += Duration::from_secs(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    unreachable!("ticks do not end")
}

fn start_bare(stack: &Stack) -> Process {
    Process::start(
        BARE,
        Command::new(std::env::current_exe().unwrap()).arg(BARE),
        &stack.path("bare.log"),
    )
}

fn start_agent(stack: &Stack) -> Process {
    let log = stack.path("access.log");
    File::create(&log).unwrap();
    let config = stack.agent_config("bench", "");
    // The stack's own batch interval is for tests; an agent's default is 5 s.
    let text = fs::read_to_string(&config)
        .unwrap()
        .replace("batch_ms = 1000\nheartbeat_ms = 1000\n", "");
    let logs = format!("[[sources.requests.logs]]\npath = {log:?}\nservice = \"crm\"\n");
    fs::write(&config, text + &logs).unwrap();
    let agent = stack.start_configured_agent("bench", &config);
    stack.wait_number("host rows", "SELECT count() FROM host_raw", |rows| rows > 0);
    agent
}

/// A program where Debian puts it.
fn installed(path: &str) -> Option<PathBuf> {
    Some(PathBuf::from(path)).filter(|path| path.is_file())
}

fn start_collectd(stack: &Stack, sink: &UdpSocket) -> Option<Process> {
    let program = installed("/usr/sbin/collectd")?;
    let config = stack.path("collectd.conf");
    let mut text = format!(
        "BaseDir {:?}\nPIDFile {:?}\nInterval 1\nFQDNLookup false\nHostname \"bench\"\n",
        stack.directory.path(),
        stack.path("collectd.pid")
    );
    for plugin in [
        "cpu",
        "memory",
        "swap",
        "load",
        "disk",
        "interface",
        "df",
        "vmem",
        "uptime",
        "contextswitch",
        "irq",
        "network",
    ] {
        text += &format!("LoadPlugin {plugin}\n");
    }
    text += &format!(
        "<Plugin network>\nServer \"127.0.0.1\" \"{}\"\n</Plugin>\n",
        sink.local_addr().unwrap().port()
    );
    fs::write(&config, text).unwrap();
    Some(Process::start(
        "collectd",
        Command::new(program).arg("-f").arg("-C").arg(&config),
        &stack.path("collectd.log"),
    ))
}

fn start_node_exporter(stack: &Stack, port: u16) -> Option<Process> {
    let program = installed("/usr/bin/prometheus-node-exporter")?;
    let mut command = Command::new(program);
    command.arg("--collector.disable-defaults");
    for collector in [
        "cpu",
        "meminfo",
        "loadavg",
        "vmstat",
        "filefd",
        "diskstats",
        "netdev",
        "filesystem",
        "pressure",
        "stat",
    ] {
        command.arg(format!("--collector.{collector}"));
    }
    command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
    let process = Process::start(
        "node_exporter",
        &mut command,
        &stack.path("node_exporter.log"),
    );
    wait_for("node_exporter to answer", || http_get(port, "/metrics"));
    Some(process)
}

fn start_netdata(stack: &Stack) -> Option<Process> {
    let program = installed("/usr/sbin/netdata")?;
    let folder = |name: &str| {
        let path = stack.path(&format!("netdata-{name}"));
        fs::create_dir_all(&path).unwrap();
        path
    };
    let port = free_port();
    let config = stack.path("netdata.conf");
    fs::write(
        &config,
        format!(
            "[global]\nrun as user = root\n\
             [directories]\nlib = {:?}\ncache = {:?}\nlog = {:?}\nconfig = {:?}\n\
             [db]\nmode = ram\nupdate every = 1\n[ml]\nenabled = no\n[health]\nenabled = no\n\
             [web]\nbind to = 127.0.0.1:{port}\n[statsd]\nenabled = no\n\
             [plugins]\napps = no\nebpf = no\ncgroups = no\ntc = no\nidlejitter = no\n\
             python.d = no\ncharts.d = no\ngo.d = no\nnode.d = no\nfping = no\nperf = no\nslabinfo = no\nioping = no\nnfacct = no\n",
            folder("lib"), folder("cache"), folder("log"), folder("config")
        )
        .replace('"', ""),
    )
    .unwrap();
    let process = Process::start(
        "netdata",
        Command::new(program).arg("-D").arg("-c").arg(&config),
        &stack.path("netdata.log"),
    );
    wait_for("netdata to answer", || http_get(port, "/api/v1/info"));
    Some(process.gently())
}

struct Usage {
    cpu_us: f64,
    resident_bytes: f64,
    private_bytes: f64,
    threads: usize,
}

/// A process with all below it. CPU by the scheduler's nanoseconds: ticks of 10 ms are too coarse.
fn usage(id: u32) -> Usage {
    let process = Path::new("/proc").join(id.to_string());
    let rollup = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    let bytes = |keys: &[&str]| -> f64 {
        rollup
            .lines()
            .filter(|line| keys.iter().any(|key| line.starts_with(key)))
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok())
            .sum::<f64>()
            * 1024.0
    };
    let mut total = Usage {
        cpu_us: 0.0,
        resident_bytes: bytes(&["Rss:"]),
        private_bytes: bytes(&["Private_Clean:", "Private_Dirty:"]),
        threads: 0,
    };
    for task in fs::read_dir(process.join("task"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let times = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let on_cpu_ns: f64 = times
            .split(' ')
            .next()
            .and_then(|time| time.parse().ok())
            .unwrap_or(0.0);
        total.cpu_us += on_cpu_ns / 1000.0;
        total.threads += 1;
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children
            .split_whitespace()
            .filter_map(|child| child.parse().ok())
        {
            let child = usage(child);
            total.cpu_us += child.cpu_us;
            total.resident_bytes += child.resident_bytes;
            total.private_bytes += child.private_bytes;
            total.threads += child.threads;
        }
    }
    total
}
