//! Availability of a host whose processes meet known faults: each is told as what it was. So is a page that
//! is away meanwhile.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crmscope_tests::fleet::proxy::{Proxy, Weather};
use crmscope_tests::process::binary;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Stack, now_ms};
use serde_json::Value;

use super::collector;
use super::path::{Path, run, write_config};

const AGENT: &str = "crm-db-01";
/// Probe a page, the second over a way that is cut, and meet no fault themselves.
const PLACES: [&str; 2] = ["crm-web-01", "crm-web-02"];

/// Heartbeats that are stored.
fn beats(stack: &Stack) -> u64 {
    let sql = format!("SELECT count() FROM heartbeats WHERE agent_id = '{AGENT}'");
    stack.number(&sql)
}

/// Waits until some more are stored, so that what was before is behind.
fn settle(stack: &Stack) {
    let before = beats(stack);
    // However long storing takes: both times are of this machine's clock.
    let sql = format!(
        "SELECT count() FROM heartbeats WHERE agent_id = '{AGENT}' \
         AND toUnixTimestamp64Milli(received_at) > {} AND received_at < ts + toIntervalMillisecond(1500)",
        now_ms()
    );
    stack.wait_number("beats that come in time", &sql, |fresh| {
        fresh > 0 && beats(stack) >= before + 4
    });
}

/// How long a fault lasts is its schedule, not a wait for something.
fn last(seconds: u64) {
    std::thread::sleep(Duration::from_secs(seconds));
}

fn availability(stack: &Stack, arguments: &[&str]) -> (i32, String) {
    let arguments = [&["availability"], arguments].concat();
    collector(&stack.path("collector.toml"), &arguments)
}

/// How long the intervals of a reason are together, seconds.
fn lasted(report: &Value, reason: &str) -> f64 {
    let intervals = report["intervals"].as_array().unwrap();
    let of = intervals
        .iter()
        .filter(|interval| interval["reason"] == reason);
    of.map(|interval| interval["to_ms"].as_f64().unwrap() - interval["from_ms"].as_f64().unwrap())
        .sum::<f64>()
        / 1000.0
}

/// Of a second boot: what the kernel tells the agent.
const BOOT_ID: &str = "6f9c0a52-9f0e-4d0b-8f5e-3d1c2b7a4e91\n";

/// An HTTP server of one page.
struct Page {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Page {
    fn start(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let _ = stream.and_then(|mut stream| {
                    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
                    let _ = stream.read(&mut [0; 1024])?;
                    stream.write_all(
                        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
                    )
                });
            }
        });
        Self { port, stop, thread }
    }

    /// Nobody listens any more, since the moment that is returned.
    fn stop(self) -> Instant {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
        self.thread.join().unwrap();
        Instant::now()
    }
}

fn probe(port: u16) -> String {
    format!(
        "[sources.probes]\ninterval_ms = 1000\ndeadline_ms = 900\n\
         targets = [{{ name = \"page\", service = \"crm\", kind = \"http\", url = \"http://127.0.0.1:{port}/\" }}]\n"
    )
}

/// The page was away for so long, and for so long not to be reached from one of two places.
fn page_was_away(stack: &Stack, away: Duration, cut: Duration) {
    let (code, said) = availability(
        stack,
        &["--by", "service", "--from", "10m", "--json", "--intervals"],
    );
    assert_eq!(code, 0, "{said}");
    let report: Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(report["service"], "crm", "{report:#}");
    let figure = |part: &str, key: &str| report[part][key].as_f64().unwrap() / 1000.0;
    // An interval is a second, and a run holds for two; a busy machine asks later.
    let (away, cut) = (away.as_secs_f64(), cut.as_secs_f64());
    for (part, down) in [("answered", away), ("everywhere", away + cut)] {
        let (least, unknown) = (figure(part, "down_ms"), figure(part, "unknown_ms"));
        assert!(least < down + 4.0, "{part}: down for {down} s: {report:#}");
        assert!(
            least + unknown > down - 4.0,
            "{part}: down for {down} s: {report:#}"
        );
        assert!(least > 5.0, "{part}: {report:#}");
    }
}

#[test]
fn every_fault_is_told_as_what_it_was() {
    let (path, mut stack) = Path::lay(AGENT);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let page = free_port();
    let way = Proxy::start(&runtime, vec![page]);
    let served = Page::start(page);
    let [direct, over] = PLACES;
    let others = [(direct, page), (over, way.port())].map(|(agent_id, port)| {
        let endpoint = path.near_endpoint(&stack);
        write_config(&stack, agent_id, &endpoint, &probe(port));
        run(&stack, agent_id, Command::new(binary("crmscope-agent")))
    });
    let begun_ms = now_ms();

    let mut agent = path.start_agent(&stack, AGENT);
    settle(&stack);
    agent.freeze(true);
    last(8);
    agent.freeze(false);
    settle(&stack);
    agent.kill();
    last(8);
    agent = path.start_agent(&stack, AGENT);
    settle(&stack);
    path.cut(true);
    let away = served.stop();
    last(12);
    let (served, away_ms) = (Page::start(page), away.elapsed());
    path.cut(false);
    settle(&stack);
    stack.collector.as_mut().unwrap().freeze(true);
    way.set(Weather::Cut);
    let cut = Instant::now();
    last(15);
    way.set(Weather::Fair);
    let cut_ms = cut.elapsed();
    stack.collector.as_mut().unwrap().freeze(false);
    settle(&stack);
    assert!(agent.terminate().success());
    last(8);
    agent = path.start_agent(&stack, AGENT);
    settle(&stack);
    if let Path::Cable { cable, .. } = &path {
        // The power fails, and is back after 7 s; 3 s later the agent starts.
        agent.kill();
        last(10);
        let boot_id = stack.path("boot_id");
        std::fs::write(&boot_id, BOOT_ID).unwrap();
        let command = cable.command_of_boot(&binary("crmscope-agent"), &boot_id, 3);
        agent = run(&stack, AGENT, command);
        settle(&stack);
    }
    let ended_ms = now_ms();
    page_was_away(&stack, away_ms, cut_ms);
    served.stop();

    let asked = ["--agent", AGENT, "--from", "10m", "--json", "--intervals"];
    let (code, said) = availability(&stack, &asked);
    assert_eq!(code, 0, "{said}");
    let report: Value = serde_json::from_str(said.trim()).unwrap();
    assert_eq!(report["agent_id"], AGENT, "{report:#}");
    // Beats are a second apart, and so are a collector's looks at its clock: it stands still right after the
    // path is back, and what was before is told as what it was. A busy machine makes some later, and agents
    // wait before they try again.
    let mut faults = vec![
        ("stalled", 7.0, 16.0),
        ("agent_down", 7.0, 16.0),
        ("delayed", 10.0, 45.0),
        ("unwatched", 8.0, 90.0),
        ("agent_stopped", 7.0, 16.0),
    ];
    if let Path::Cable { .. } = path {
        faults.push(("crashed", 5.0, 14.0));
        // Until its first beat of this boot.
        faults.push(("booted", 2.0, 12.0));
    }
    for (reason, at_least, at_most) in faults {
        let lasted = lasted(&report, reason);
        assert!(
            (at_least..at_most).contains(&lasted),
            "{reason} lasted {lasted} s: {report:#}"
        );
    }
    let figure = |part: &str, key: &str| report[part][key].as_i64().unwrap();
    // The host was down when its power failed, and at no other time: its boot clock proves it.
    let down_ms = figure("server", "down_ms");
    let crashed_ms = (lasted(&report, "crashed") * 1000.0).round();
    assert!((down_ms as f64 - crashed_ms).abs() < 1.0, "{report:#}");
    // Nothing else of it is unknown than what is not stored yet: a busy machine takes some seconds.
    let newest = report["intervals"].as_array().unwrap().last().unwrap();
    let is_on_its_way = newest["reason"] == "silent";
    let on_its_way_ms = newest["to_ms"].as_i64().unwrap() - newest["from_ms"].as_i64().unwrap();
    let unknown_ms = i64::from(is_on_its_way) * on_its_way_ms;
    assert_eq!(figure("server", "unknown_ms"), unknown_ms, "{report:#}");
    let outages = report["outages"].as_array().unwrap();
    let of_server = outages.iter().filter(|outage| outage["part"] != "network");
    let boots = usize::from(matches!(path, Path::Cable { .. }));
    assert_eq!(of_server.count(), boots, "{report:#}");
    for part in ["server", "network", "agent", "total"] {
        let sum = figure(part, "up_ms") + figure(part, "down_ms") + figure(part, "unknown_ms");
        let asked = 600_000.min(ended_ms - begun_ms);
        assert!((sum - asked).abs() < 30_000, "{part}: {sum} of {asked}");
    }

    let (code, said) = availability(&stack, &["--agent", AGENT, "--from", "10m"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("network down "), "{said}");
    let (code, said) = availability(&stack, &["--agent", "nobody"]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("no heartbeat of agent \"nobody\" is kept"),
        "{said}"
    );
    let (code, said) = availability(&stack, &["--from", "2099-01-01 00:00"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("nothing is known of that time yet"), "{said}");
    agent.kill();
    drop(others);
}
