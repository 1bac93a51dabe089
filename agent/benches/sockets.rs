//! What the source of TCP and UDP costs on a host with many sockets, at 1 Hz.
//!
//! `cargo bench -p crmscope-agent --bench sockets [sockets] [ticks]` has children open so many sockets
//! (100,000) on loopback, both ends of each connection, and prints the CPU time of a reading: of the
//! whole source, and of reading /proc/net/tcp, which is what most agents do. First all are established,
//! then half of the connections are half closed, so that their sockets are in states which the kernel
//! writes out one by one.

// A benchmark tells its result, and has no one to hand an error to.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crmscope_agent::sources::transport::{self, TransportSource};
use crmscope_agent::sources::{Moment, Rows, Source, SourceStatistics};
use crmscope_proto::catalog::TransportMetric;
use crmscope_proto::payload::Contents;
use rustix::time::{ClockId, clock_gettime};

/// Sockets of a child: fewer than files that a process may have open on most hosts.
const CHILD_SOCKETS: usize = 10_000;

/// Tells a child what it is.
const HOLD: &str = "hold";

/// Opens both ends of connections, says so, closes half of them halfway when it is told to, says so,
/// and ends with its input.
fn hold(sockets: usize) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let pair = |_| {
        let near = TcpStream::connect(address).unwrap();
        (near, listener.accept().unwrap().0)
    };
    let held: Vec<(TcpStream, TcpStream)> = (0..sockets / 2).map(pair).collect();
    println!("open");
    let mut lines = std::io::stdin().lines();
    if lines.next().is_some() {
        for (near, _) in &held[..held.len() / 2] {
            near.shutdown(Shutdown::Write).unwrap();
        }
        println!("closing");
        black_box(lines.next());
    }
}

/// Children that hold sockets; they end with this process.
struct Holders(Vec<(Child, BufReader<ChildStdout>)>);

impl Holders {
    fn start(sockets: usize) -> Self {
        let program = std::env::current_exe().unwrap();
        let start = |first: usize| {
            let mut child = Command::new(&program)
                .arg(HOLD)
                .arg(CHILD_SOCKETS.min(sockets - first).to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let said = BufReader::new(child.stdout.take().unwrap());
            (child, said)
        };
        let mut holders = Self((0..sockets).step_by(CHILD_SOCKETS).map(start).collect());
        holders.wait();
        holders
    }

    fn wait(&mut self) {
        for (_, said) in &mut self.0 {
            assert!(
                said.read_line(&mut String::new()).unwrap() > 0,
                "a child ended"
            );
        }
    }

    fn close_half(&mut self) {
        for (child, _) in &mut self.0 {
            child.stdin.as_mut().unwrap().write_all(b"close\n").unwrap();
        }
        self.wait();
    }
}

fn cpu_us() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default().as_secs_f64() * 1e6
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let mut words = line.unwrap().split_whitespace();
    words.nth(1).unwrap().parse().unwrap()
}

fn measure(what: &str, ticks: usize, mut tick: impl FnMut()) {
    let mut costs = Vec::new();
    let mut due = Instant::now();
    for _ in 0..ticks {
        due += Duration::from_secs(1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let before = cpu_us();
        tick();
        costs.push(cpu_us() - before);
    }
    costs.sort_by(f64::total_cmp);
    println!(
        "{what}: CPU a reading: median {:.1} ms, most {:.1} ms; resident {} KiB",
        costs[costs.len() / 2] / 1000.0,
        costs[costs.len() - 1] / 1000.0,
        resident_kib()
    );
}

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let sockets = numbers.next().unwrap_or(100_000);
    let ticks = numbers.next().unwrap_or(10);
    if std::env::args().any(|argument| argument == HOLD) {
        hold(sockets);
        return;
    }
    let config = transport::Config::default();
    let mut source = TransportSource::new(&config);
    let (mut contents, statistics) = (Contents::default(), SourceStatistics::default());
    let mut read = || {
        let mut rows = Rows::new(&mut contents, &statistics);
        source.collect(Moment::now(), &mut rows).unwrap();
    };
    read();
    measure("no more sockets than there were", ticks, &mut read);
    let mut holders = Holders::start(sockets);
    measure(&format!("{sockets} sockets, established"), ticks, &mut read);
    let table = || {
        let text = std::fs::read("/proc/net/tcp").unwrap();
        black_box(text.split(|&byte| byte == b'\n').count());
    };
    measure("the same, /proc/net/tcp read whole", ticks.min(3), table);
    holders.close_half();
    measure(
        &format!("{sockets} sockets, half of them closing"),
        ticks,
        &mut read,
    );
    let table = contents.series.last().unwrap();
    for metric in [
        TransportMetric::TcpEstablished,
        TransportMetric::TcpFinWait2,
        TransportMetric::TcpCloseWait,
    ] {
        let column = table.columns()[metric as usize].as_ref().unwrap();
        println!("{metric:?}: {}", column.last().unwrap());
    }
    println!("a reading every {} ms by default", config.interval_ms);
}
