//! Lines a CPU-second for each format of access log, beside a bare scan for newlines of the same
//! file, and beside GoAccess for nginx combined where it is installed.
//!
//! `cargo bench -p crmscope-agent --bench formats [-- LINES]`. Every figure is of CPU time (user
//! and system) from opening the file to rows, the median of five runs in turn.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a measurement, not a product"
)]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crmscope_agent::sources::requests::{Config, From, LogConfig, RequestsSource};
use crmscope_agent::sources::{Moment, Rows, Source, SourceStatistics};
use crmscope_proto::payload::Contents;
use rustix::time::{ClockId, clock_gettime};

const LINES: usize = 200_000;
const RUNS: usize = 5;

/// 23 Nov 2026, 02:00 UTC, when the first line was written.
const BEGIN_S: i64 = 1_795_399_200;

/// A request as every format tells it.
struct Request {
    second: i64,
    client: String,
    method: &'static str,
    path: String,
    status: u16,
    bytes: u32,
    latency_ms: u32,
}

fn requests(lines: usize) -> Vec<Request> {
    let mut random = fastrand::Rng::with_seed(1);
    let kinds = ["account", "contact", "lead", "case", "report"];
    (0..lines)
        .map(|number| {
            let kind = kinds[random.usize(0..kinds.len())];
            Request {
                second: i64::try_from(number / 200).unwrap(),
                client: format!("10.0.{}.{}", random.u8(..), random.u8(..)),
                method: ["GET", "GET", "GET", "POST"][random.usize(0..4)],
                path: match random.u32(0..4) {
                    0 => format!("/api/v2/{kind}/{}", random.u32(..)),
                    1 => format!("/{kind}/{}/edit?return=%2Fhome", random.u32(..)),
                    2 => format!("/{kind}/list?page={}", random.u32(0..50)),
                    _ => format!("/static/{kind}.min.js"),
                },
                status: [200, 200, 200, 200, 302, 404, 500][random.usize(0..7)],
                bytes: random.u32(0..100_000),
                latency_ms: random.u32(0..2000),
            }
        })
        .collect()
}

const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36";

fn combined(request: &Request) -> String {
    let Request {
        client,
        method,
        path,
        status,
        bytes,
        second,
        ..
    } = request;
    format!(
        "{client} - - [23/Nov/2026:02:{:02}:{:02} +0000] \"{method} {path} HTTP/1.1\" {status} {bytes} \"https://crm.example.com/\" \"{AGENT}\"",
        second / 60 % 60,
        second % 60,
    )
}

/// Name, `format` in the configuration, `pattern` where it needs one, header, and a line.
type Shape = (
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
    fn(&Request) -> String,
);

const SHAPES: &[Shape] = &[
    ("nginx combined", "nginx", None, "", combined),
    ("nginx with times", "nginx", None, "", |request| {
        let time = format!(
            "{}.{:03}",
            request.latency_ms / 1000,
            request.latency_ms % 1000
        );
        format!("{} {time} {time}", combined(request))
    }),
    ("apache combined", "apache", None, "", combined),
    ("apache with %D", "apache", None, "", |request| {
        format!("{} {}", combined(request), request.latency_ms * 1000)
    }),
    ("apache vhost_combined", "apache", None, "", |request| {
        format!("crm.example.com:443 {}", combined(request))
    }),
    (
        "custom",
        "custom",
        Some(
            "$remote_addr [$time_local] \"$request\" $status $body_bytes_sent $request_time \"$http_user_agent\"",
        ),
        "",
        |request| {
            let Request {
                client,
                method,
                path,
                status,
                bytes,
                second,
                latency_ms,
            } = request;
            format!(
                "{client} [23/Nov/2026:02:{:02}:{:02} +0000] \"{method} {path} HTTP/1.1\" {status} {bytes} {}.{:03} \"{AGENT}\"",
                second / 60 % 60,
                second % 60,
                latency_ms / 1000,
                latency_ms % 1000,
            )
        },
    ),
    ("haproxy", "haproxy", None, "", |request| {
        let Request {
            client,
            method,
            path,
            status,
            bytes,
            second,
            latency_ms,
        } = request;
        format!(
            "Nov 23 02:{0:02}:{1:02} lb haproxy[14389]: {client}:33317 [23/Nov/2026:02:{0:02}:{1:02}.655] crm app/web1 10/0/30/{latency_ms}/{2} {status} {bytes} - - ---- 1/1/1/1/0 0/0 \"{method} {path} HTTP/1.1\"",
            second / 60 % 60,
            second % 60,
            latency_ms + 40,
        )
    }),
    ("caddy", "caddy", None, "", |request| {
        let Request {
            client,
            method,
            path,
            status,
            bytes,
            second,
            latency_ms,
        } = request;
        format!(
            "{{\"level\":\"info\",\"ts\":{}.123,\"logger\":\"http.log.access\",\"msg\":\"handled request\",\"request\":{{\"remote_ip\":\"{client}\",\"remote_port\":\"34066\",\"proto\":\"HTTP/1.1\",\"method\":\"{method}\",\"host\":\"crm.example.com\",\"uri\":\"{path}\",\"headers\":{{\"User-Agent\":[\"{AGENT}\"]}}}},\"user_id\":\"\",\"duration\":{}.{:03},\"size\":{bytes},\"status\":{status},\"resp_headers\":{{\"Server\":[\"Caddy\"]}}}}",
            BEGIN_S + second,
            latency_ms / 1000,
            latency_ms % 1000,
        )
    }),
    ("envoy", "envoy", None, "", |request| {
        let Request {
            client,
            method,
            path,
            status,
            bytes,
            second,
            latency_ms,
        } = request;
        format!(
            "[2026-11-23T02:{:02}:{:02}.123Z] \"{method} {path} HTTP/1.1\" {status} - 0 {bytes} {latency_ms} {latency_ms} \"{client}\" \"{AGENT}\" \"cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2\" \"crm.example.com\" \"10.0.2.1:80\"",
            second / 60 % 60,
            second % 60,
        )
    }),
    ("traefik", "traefik", None, "", |request| {
        format!(
            "{} {} \"crm@docker\" \"http://10.0.2.1:80\" {}ms",
            combined(request),
            request.second,
            request.latency_ms
        )
    }),
    (
        "iis",
        "iis",
        None,
        "#Software: Microsoft Internet Information Services 10.0\n#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status sc-bytes time-taken\n",
        |request| {
            let Request {
                client,
                method,
                path,
                status,
                bytes,
                second,
                latency_ms,
            } = request;
            let (stem, query) = path.split_once('?').unwrap_or((path, "-"));
            format!(
                "2026-11-23 02:{:02}:{:02} 10.0.2.1 {method} {stem} {query} 443 - {client} {} - {status} 0 0 {bytes} {latency_ms}",
                second / 60 % 60,
                second % 60,
                AGENT.replace(' ', "+"),
            )
        },
    ),
    ("odoo", "odoo", None, "", |request| {
        let Request {
            client,
            method,
            path,
            status,
            second,
            latency_ms,
            ..
        } = request;
        format!(
            "2026-11-23 02:{0:02}:{1:02},123 4711 INFO crm werkzeug: {client} - - [23/Nov/2026 02:{0:02}:{1:02}] \"{method} {path} HTTP/1.1\" {status} - 12 0.010 {2}.{3:03}",
            second / 60 % 60,
            second % 60,
            latency_ms / 1000,
            latency_ms % 1000,
        )
    }),
    ("json", "json", None, "", |request| {
        let Request {
            client,
            method,
            path,
            status,
            bytes,
            second,
            latency_ms,
        } = request;
        format!(
            "{{\"time\":\"2026-11-23T02:{:02}:{:02}Z\",\"method\":\"{method}\",\"target\":\"{path}\",\"status\":{status},\"bytes\":{bytes},\"latency\":{}.{:03},\"client\":\"{client}\",\"agent\":\"{AGENT}\"}}",
            second / 60 % 60,
            second % 60,
            latency_ms / 1000,
            latency_ms % 1000,
        )
    }),
];

/// Everything from opening the file to rows.
fn count(path: &Path, format: &str, pattern: Option<&str>) -> u64 {
    let mut log = serde_json::json!({ "path": path, "service": "crm", "format": format });
    if let Some(pattern) = pattern {
        log["pattern"] = pattern.into();
    }
    let log: LogConfig = serde_json::from_value(log).unwrap();
    let config = Config {
        from: From::Start,
        logs: vec![log],
        ..Config::default()
    };
    let mut source = RequestsSource::new(&config);
    let statistics = SourceStatistics::default();
    let mut requests = 0;
    let moment = Moment {
        wall_ms: (BEGIN_S + 3600) * 1000,
        monotonic: Instant::now(),
    };
    loop {
        let mut contents = Contents::default();
        let mut rows = Rows::new(&mut contents, &statistics);
        source.collect(moment, &mut rows).unwrap();
        source.drain(moment, &mut rows);
        let read: u64 = contents.requests.iter().map(|row| row.requests).sum();
        requests += read;
        if read == 0 {
            return requests;
        }
    }
}

fn scan(path: &Path) -> u64 {
    let bytes = fs::read(path).unwrap();
    memchr::memchr_iter(b'\n', black_box(&bytes)).count() as u64
}

/// CPU time of what `work` does in this process, s.
fn cpu_seconds(work: impl FnOnce()) -> f64 {
    let now = || Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default();
    let before = now();
    work();
    (now() - before).as_secs_f64()
}

/// CPU time that GoAccess takes for the file, s; `None` when it is not installed.
fn goaccess(path: &Path) -> Option<f64> {
    let program = PathBuf::from("/usr/bin/goaccess");
    if !program.is_file() {
        return None;
    }
    // Ended children's time, in the kernel's ticks of 10 ms: fields 16 and 17 of proc_pid_stat(5).
    let children = || -> f64 {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        (fields[13].parse::<f64>().unwrap() + fields[14].parse::<f64>().unwrap()) / 100.0
    };
    let before = children();
    let report = path.with_extension("json");
    let done = Command::new(program)
        .args([
            "--no-global-config",
            "--no-progress",
            "--log-format=COMBINED",
        ])
        .arg(path)
        .arg("-o")
        .arg(&report)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(done.success(), "goaccess failed");
    Some(children() - before)
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn main() {
    let lines = std::env::args()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(LINES);
    let requests = requests(lines);
    let folder = tempfile::tempdir().unwrap();
    let rate = |seconds: f64| lines as f64 / seconds / 1e6;
    println!("{lines} lines; M lines a CPU-second, and times a bare scan of the same file");
    for (name, format, pattern, header, line) in SHAPES {
        let path = folder
            .path()
            .join(format!("{}.log", name.replace([' ', '%'], "_")));
        let mut text = (*header).to_owned();
        for request in &requests {
            let _ = writeln!(text, "{}", line(request));
        }
        fs::write(&path, text).unwrap();
        assert_eq!(count(&path, format, *pattern), lines as u64, "{name}");
        let (mut scans, mut counts, mut peers) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..RUNS {
            scans.push(cpu_seconds(|| {
                black_box(scan(&path));
            }));
            counts.push(cpu_seconds(|| {
                black_box(count(&path, format, *pattern));
            }));
            if *name == "nginx combined" {
                peers.extend(goaccess(&path));
            }
        }
        let (scanned, counted) = (median(scans), median(counts));
        print!(
            "{name:<22} {:>6.2} M, {:>5.1} x a scan ({:.1} M)",
            rate(counted),
            counted / scanned,
            rate(scanned)
        );
        match peers.is_empty() {
            true => println!(),
            false => {
                let peer = median(peers);
                println!("; goaccess {:.3} M, {:.1} x", rate(peer), peer / counted);
            }
        }
        fs::remove_file(&path).unwrap();
    }
}
