//! Each process killed in turn, three times, under load: nothing is lost and nothing counts twice.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crmscope_proto::SeriesKind;
use crmscope_tests::{Stack, seed, wait_for};

/// Writes access log lines until told to stop, and counts them.
struct Writer {
    lines: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    fn start(path: std::path::PathBuf) -> Self {
        let lines = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (counted, stopped) = (Arc::clone(&lines), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let mut log = File::create(path).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                let mut burst = String::new();
                for _ in 0..20 {
                    let number = counted.fetch_add(1, Ordering::Relaxed);
                    let time = timestamp();
                    let (route, status) = (
                        number % 7,
                        [200, 200, 404, 500][usize::try_from(number % 4).unwrap()],
                    );
                    let millis = number % 900;
                    burst.push_str(&format!(
                        "10.0.0.9 - - [{time}] \"GET /r{route}/x HTTP/1.1\" {status} {number} \"-\" \"-\" 0.{millis:03}\n"
                    ));
                }
                log.write_all(burst.as_bytes()).unwrap();
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Self {
            lines,
            stop,
            thread: Some(thread),
        }
    }

    fn count(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    fn finish(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.count()
    }
}

/// The present time as nginx writes it, in UTC.
fn timestamp() -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "+%d/%b/%Y:%H:%M:%S +0000"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn killing_any_process_under_load_loses_nothing_and_doubles_nothing() {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut stack = Stack::start();
    let log = stack.path("access.log");
    let writer = Writer::start(log.clone());
    let sources = format!(
        "[sources.requests]\nfrom = \"start\"\nlogs = [{{ path = {log:?}, service = \"crm\" }}]\n"
    );
    let config = stack.agent_config("app-01", &sources);
    let mut agent = stack.start_configured_agent("app-01", &config);
    let mut bystander = stack.start_agent("db-01", "[sources.requests]\nenabled = false\n");

    let mut victims: Vec<&str> = ["agent", "collector", "clickhouse"].repeat(3);
    random.shuffle(&mut victims);
    println!("kills: {victims:?}");
    for victim in victims {
        // Under way: something new was stored since the last kill, and a little chance on top.
        let before = stack
            .query::<u64>("SELECT toUInt64(sum(requests)) FROM requests_raw")
            .map_or(0, |rows| rows[0]);
        wait_for("new requests to be stored", || {
            let now = stack.query::<u64>("SELECT toUInt64(sum(requests)) FROM requests_raw")?[0];
            if now > before {
                Ok(())
            } else {
                Err(format!("{now} stored, {} written", writer.count()))
            }
        });
        std::thread::sleep(Duration::from_millis(random.u64(0..1500)));
        match victim {
            "agent" => {
                agent.kill();
                agent = stack.start_configured_agent("app-01", &config);
            }
            "collector" => {
                stack.collector.as_mut().unwrap().kill();
                stack.start_collector();
            }
            _ => {
                stack.clickhouse.as_mut().unwrap().kill();
                stack.start_clickhouse();
            }
        }
    }
    let written = writer.finish();
    for table in ["requests_raw", "requests_1m", "requests_1h", "requests_1d"] {
        let sql = format!("SELECT toUInt64(sum(requests)) FROM {table}");
        stack.wait_number(
            &format!("{table} to hold the {written} requests"),
            &sql,
            |stored| stored >= written,
        );
        assert_eq!(stack.number(&sql), written, "{table}");
    }
    for table in [
        "request_clients_raw",
        "request_clients_1m",
        "request_clients_1h",
    ] {
        let sql = format!("SELECT toUInt64(sum(requests)) FROM {table}");
        let what = format!("{table} to hold the {written} requests");
        stack.wait_number(&what, &sql, |stored| stored >= written);
        assert_eq!(stack.number(&sql), written, "{table}");
    }
    let failed = "SELECT toUInt64(sum(eligible)) FROM request_sampling WHERE kind = 'failed'";
    stack.wait_number("the account of failed requests", failed, |count| {
        count >= written / 4
    });
    assert_eq!(stack.number(failed), written / 4, "every fourth line");
    let kept = "SELECT toUInt64(sum(kept)) FROM request_sampling";
    let exemplars = stack.number("SELECT count() FROM request_exemplars");
    assert_eq!(stack.number(kept), exemplars, "examples that were kept");
    let bytes = "SELECT toUInt64(sum(response_bytes)) FROM requests_1d";
    assert_eq!(
        stack.number(bytes),
        written * (written - 1) / 2,
        "the sum of every line's own number"
    );

    assert!(agent.terminate().success());
    assert!(bystander.terminate().success());
    let (code, proof) = stack.ledger(&["--json"]);
    assert_eq!(code, 0, "{proof}");
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    check_counts(&stack);
    println!("{proof}");
}

/// What the ledger says was stored is what the tables hold, and roll-ups are what raw rows add up to.
fn check_counts(stack: &Stack) {
    let tables: Vec<_> = SeriesKind::ALL
        .iter()
        .map(|kind| format!("SELECT count() AS n FROM {}", kind.table()))
        .collect();
    let metrics = format!(
        "SELECT toUInt64(sum(n)) FROM ({})",
        tables.join(" UNION ALL ")
    );
    for (lane, rows) in [
        (
            "requests",
            "SELECT toUInt64(sum(n)) FROM (SELECT count() AS n FROM requests_raw UNION ALL SELECT count() FROM request_clients_raw \
             UNION ALL SELECT count() FROM request_exemplars UNION ALL SELECT count() FROM request_sampling)",
        ),
        ("presence", "SELECT count() FROM heartbeats"),
        ("metrics", metrics.as_str()),
    ] {
        let items = format!(
            "SELECT toUInt64(sum(items)) FROM ledger WHERE lane = '{lane}' AND disposition = 'stored'"
        );
        assert_eq!(
            stack.number(&items),
            stack.number(rows),
            "items of lane {lane} against rows"
        );
    }
    for (raw, rolled) in [
        ("SELECT toUInt64(sum(cpu_idle_us)) FROM host_raw", "host_1m"),
        ("SELECT toUInt64(sum(cpu_idle_us)) FROM host_raw", "host_1h"),
        ("SELECT toUInt64(sum(cpu_idle_us)) FROM host_raw", "host_1d"),
    ] {
        let rolled = format!("SELECT toUInt64(sum(cpu_idle_us)) FROM {rolled}");
        assert_eq!(stack.number(raw), stack.number(&rolled), "{rolled}");
    }
    for agent in ["app-01", "db-01"] {
        let ticks = format!(
            "SELECT toUInt64(count() - uniqExact(ts)) FROM host_raw WHERE agent_id = '{agent}'"
        );
        assert_eq!(
            stack.number(&ticks),
            0,
            "host rows of {agent} that stand twice"
        );
    }
    let twice = "SELECT count() FROM (SELECT 1 FROM ledger WHERE disposition = 'stored' \
                 GROUP BY agent_id, spool_id, lane, first_sequence HAVING count() > 1)";
    assert_eq!(stack.number(twice), 0, "batches stored twice");
}
