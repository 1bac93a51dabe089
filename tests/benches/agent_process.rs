//! What the whole agent costs a host, beside a bare reader and beside what others run.
//!
//! `cargo bench -p crmscope-tests --bench agent_process [-- SECONDS] [NAME=PROGRAM …]`. Each
//! NAME=PROGRAM is another build of the agent, run beside the rest; `agent=PROGRAM` takes the place
//! of the one built here. All of them run at once on one machine, each gathers every second, and CPU
//! and memory are the kernel's account of each process with its children over the same seconds.
//! Peers that are not installed are left out and named; on Debian:
//! `apt-get install collectd-core prometheus-node-exporter netdata-core`.
//!
//! - `bare` reads the files of the agent's host sources, once a second, and does nothing with them.
//! - `agent` has every source on, batches every 5 s to a real collector, watches two groups of
//!   processes, and follows an access log that gains 50 lines a second.
//! - Each of the others is reduced to what the agent's sources gather, and has that as far as its
//!   Debian package can. `collectd` sends by UDP, and has `tail` count the same access log by class
//!   of status, sum its bytes and average its times (no routes, no methods, no quantiles).
//!   `node_exporter` is scraped every second and knows no logs and no single processes; it is not
//!   asked for states of TCP, which it would count anew at each scrape. `netdata`
//!   gathers every second with its plugin for /proc, and the ones for processes and control groups
//!   where they are installed; its log plugin is not in Debian. None reads the journal.
//!
//! Memory is told three ways. Resident counts every page a process has mapped, also those of a
//! program file or a library that others map too, so libraries count in full for each process.
//! Proportional (Pss) divides such a page by the number of processes that map it: the fair figure
//! for files that are shared. Private is what would be free if the process ended. A program with
//! children stands with them; a line below it has the process by itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a measurement, not a product"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crmscope_tests::process::binary;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack, http_get, wait_for};

const SECONDS: u64 = 60;

/// Time for every program to open its files and settle, s: also until the agent's reader of a quiet
/// journal is ended.
const WARM_UP_SECONDS: u64 = 60;

const BARE: &str = "bare-reader";

/// Programs of which each gatherer that can watches all processes, as the kernel names them.
const WATCHED: [&str; 2] = ["sshd", "collectd"];

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
    let mut agents = BTreeMap::from([("agent".to_owned(), binary("crmscope-agent"))]);
    for argument in &arguments {
        if let Some((name, program)) = argument.split_once('=') {
            agents.insert(name.to_owned(), PathBuf::from(program));
        }
    }
    File::create(stack.path("access.log")).unwrap();
    let mut watched = vec![("bare", start_bare(&stack))];
    for (name, program) in &agents {
        watched.push((name, start_agent(&stack, name, program)));
    }
    stack.wait_number(
        "host rows",
        "SELECT uniqExact(agent_id) FROM host_raw",
        |seen| seen == agents.len() as u64,
    );
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
        "{:<14} {:>10} {:>7} {:>12} {:>8} {:>11} {:>7}",
        "", "CPU µs a s", "x bare", "resident MiB", "Pss MiB", "private MiB", "threads"
    );
    let bare = after[0].cpu_us - before[0];
    for (((name, process), before), after) in watched.iter().zip(&before).zip(&after) {
        let cpu_us = after.cpu_us - before;
        println!(
            "{name:<14} {:>10.0} {:>7.2} {after}",
            cpu_us / elapsed,
            cpu_us / bare
        );
        let own = own_usage(process.id());
        if own.threads < after.threads {
            println!("{:<14} {:>10} {:>7} {own}", "  by itself", "", "");
        }
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

fn start_agent(stack: &Stack, name: &str, program: &Path) -> Process {
    let log = stack.path("access.log");
    let config = stack.agent_config(name, "");
    // The stack's own batch interval is for tests; an agent's default is 5 s.
    let text = fs::read_to_string(&config)
        .unwrap()
        .replace("batch_ms = 1000\nheartbeat_ms = 1000\n", "");
    let mut more = format!("[[sources.requests.logs]]\npath = {log:?}\nservice = \"crm\"\n");
    for program in WATCHED {
        let _ = writeln!(
            more,
            "[[sources.processes.watch]]\nname = {program:?}\ncomm = {program:?}"
        );
    }
    fs::write(&config, text + &more).unwrap();
    Process::start(
        name,
        Command::new(program).arg("--config").arg(&config),
        &stack.path(&format!("{name}.log")),
    )
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
        "vmem",
        "uptime",
        "contextswitch",
        "irq",
        "fhcount",
        "tail",
        "network",
    ] {
        let _ = writeln!(text, "LoadPlugin {plugin}");
    }
    // As often as the agent reads the same.
    for (plugin, seconds) in [
        ("df", 10),
        ("protocols", 10),
        ("tcpconns", 10),
        ("processes", 15),
        ("cgroups", 15),
        ("thermal", 30),
        ("sensors", 30),
    ] {
        let _ = writeln!(
            text,
            "<LoadPlugin {plugin}>\nInterval {seconds}\n</LoadPlugin>"
        );
    }
    text += "<Plugin tcpconns>\nListeningPorts false\nAllPortsSummary true\n</Plugin>\n";
    text += "<Plugin processes>\n";
    for program in WATCHED {
        let _ = writeln!(text, "Process {program:?}");
    }
    text += "</Plugin>\n";
    let _ = writeln!(
        text,
        "<Plugin tail>\n<File {:?}>\nInstance \"crm\"",
        stack.path("access.log")
    );
    let mut pick = |pattern: &str, how: &str, kind: &str, name: &str| {
        let _ = writeln!(
            text,
            "<Match>\nRegex {pattern:?}\nDSType {how:?}\nType {kind:?}\nInstance {name:?}\n</Match>"
        );
    };
    for class in 2..=5 {
        let status = format!("\" {class}[0-9][0-9] ");
        pick(&status, "CounterInc", "counter", &format!("{class}xx"));
    }
    pick("\" [0-9]+ ([0-9]+) \"", "DeriveAdd", "derive", "bytes");
    pick(" ([0-9.]+)$", "GaugeAverage", "gauge", "time");
    text += "</File>\n</Plugin>\n";
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
        "netstat",
        "sockstat",
        "hwmon",
        "thermal_zone",
        "timex",
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
             [plugin:apps]\nupdate every = 15\n[plugin:cgroups]\nupdate every = 15\n\
             [plugins]\napps = yes\nebpf = no\ncgroups = yes\ntc = no\nidlejitter = no\n\
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

#[derive(Default)]
struct Usage {
    cpu_us: f64,
    resident_bytes: f64,
    proportional_bytes: f64,
    private_bytes: f64,
    threads: usize,
}

impl std::fmt::Display for Usage {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mebibytes = |bytes: f64| bytes / 1_048_576.0;
        write!(
            out,
            "{:>12.1} {:>8.1} {:>11.1} {:>7}",
            mebibytes(self.resident_bytes),
            mebibytes(self.proportional_bytes),
            mebibytes(self.private_bytes),
            self.threads
        )
    }
}

/// A process with all below it.
fn usage(id: u32) -> Usage {
    let mut total = own_usage(id);
    let tasks = fs::read_dir(Path::new("/proc").join(id.to_string()).join("task"));
    for task in tasks.into_iter().flatten().flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|id| id.parse().ok()) {
            let child = usage(child);
            total.cpu_us += child.cpu_us;
            total.resident_bytes += child.resident_bytes;
            total.proportional_bytes += child.proportional_bytes;
            total.private_bytes += child.private_bytes;
            total.threads += child.threads;
        }
    }
    total
}

/// A process. CPU by the scheduler's nanoseconds: ticks of 10 ms are too coarse.
fn own_usage(id: u32) -> Usage {
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
    let mut own = Usage {
        resident_bytes: bytes(&["Rss:"]),
        proportional_bytes: bytes(&["Pss:"]),
        private_bytes: bytes(&["Private_Clean:", "Private_Dirty:"]),
        ..Usage::default()
    };
    let tasks = fs::read_dir(process.join("task"));
    for task in tasks.into_iter().flatten().flatten() {
        let times = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let on_cpu_ns: f64 = times
            .split(' ')
            .next()
            .and_then(|time| time.parse().ok())
            .unwrap_or(0.0);
        own.cpu_us += on_cpu_ns / 1000.0;
        own.threads += 1;
    }
    own
}
