//! A budget that is passed: a real agent under load sheds in the declared order, says so in rows,
//! counts every request and event all the same, and takes it back when the load is over.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crmscope_tests::process::binary;
use crmscope_tests::{Stack, http, now_ms, wait_for};

/// The declared order, as the tables name it.
const ORDER: [&str; 6] = [
    "exemplars",
    "clients",
    "details",
    "devices",
    "host",
    "routes",
];

/// Lines written at once, at first.
const LINES: u64 = 10_000;

fn date(format: &str) -> String {
    let output = Command::new("date").args(["-u", format]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Logs that grow.
struct Load {
    access: PathBuf,
    auth: PathBuf,
    lines: u64,
    events: u64,
}

impl Load {
    fn new(stack: &Stack) -> Self {
        let load = Self {
            access: stack.path("access.log"),
            auth: stack.path("auth.log"),
            lines: 0,
            events: 0,
        };
        fs::write(&load.access, "").unwrap();
        fs::write(&load.auth, "").unwrap();
        load
    }

    fn sources(&self) -> String {
        format!(
            "[sources.requests]\nfrom = \"start\"\ninterval_ms = 200\nlogs = [{{ path = {:?}, service = \"crm\" }}]\n\
             [sources.security]\njournal = false\ninterval_ms = 200\nauth_logs = [{:?}]\n\
             [sources.filesystem]\ninterval_ms = 1000\n",
            self.access, self.auth
        )
    }

    /// A burst of requests on many routes, and a failed login.
    fn write(&mut self, lines: u64) {
        let time = date("+%d/%b/%Y:%H:%M:%S +0000");
        let mut text = String::new();
        for _ in 0..lines {
            // Spread over all routes and latencies, without order: it is not to compress too well.
            let mixed = self.lines.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
            let letters = |number: u64| char::from(b'a' + u8::try_from(number % 26).unwrap());
            let _ = writeln!(
                text,
                "192.0.2.1 - - [{time}] \"GET /app/{}{} HTTP/1.1\" 200 100 \"-\" \"-\" 0.{:03}",
                letters(mixed),
                letters(mixed / 26),
                mixed / 676 % 1_000
            );
            self.lines += 1;
        }
        append(&self.access, &text);
        let time = date("+%Y-%m-%dT%H:%M:%S.000000+00:00");
        let event = format!(
            "{time} app sshd[42]: Failed password for invalid user eve from 203.0.113.9 port {} ssh2\n",
            4_000 + self.events
        );
        append(&self.auth, &event);
        self.events += 1;
    }
}

fn append(path: &PathBuf, text: &str) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Waits until the security log was opened, of which only what comes later counts.
fn watches_logs(stack: &Stack) {
    let runs = "SELECT toUInt64(sum(runs)) FROM source_raw WHERE source = 'security'";
    stack.wait_number("the security log to be watched", runs, |runs| runs > 0);
}

#[test]
fn under_load_an_agent_sheds_in_order_loses_no_count_and_comes_back() {
    let stack = Stack::start();
    let mut load = Load::new(&stack);
    let budget = "[budget]\ncpu_max_percent = 15\nmemory_max_bytes = 1073741824\nhold_ms = 2000\ncalm_ms = 4000\n";
    let mut agent = stack.start_agent("app-01", &format!("{}{budget}", load.sources()));
    let begin_ms = now_ms();
    watches_logs(&stack);

    // Load until the last subject is shed and ClickHouse says so.
    wait_for("the routes to be shed", || {
        // More each time, so that it is enough for any machine.
        load.write(LINES + 100 * load.events);
        let shed = "SELECT toUInt64(sum(shed_ms)) FROM shedding_raw WHERE subject = 'routes'";
        match stack.query::<u64>(shed)?.first() {
            Some(&shed_ms) if shed_ms > 2_000 => Ok(()),
            other => Err(format!("{other:?} ms after {} lines", load.lines)),
        }
    });
    let begun = |subject: &str| {
        stack.number(&format!(
            "SELECT toUInt64(toUnixTimestamp64Milli(min(ts))) FROM shedding_raw WHERE subject = '{subject}'"
        ))
    };
    let begun = ORDER.map(begun);
    // Two may begin at once, where the overshoot is large.
    assert!(begun.is_sorted() && begun[0] < begun[5], "{begun:?}");
    let cause = "SELECT arrayStringConcat(arraySort(groupUniqArray(cause)), ' ') FROM shedding_raw";
    let causes: Vec<String> = stack.query(cause).unwrap();
    assert_eq!(causes, ["cpu"]);

    // The load is over: step by step it all comes back, and the last row of each subject says so.
    let last = |subject: &str| {
        format!("SELECT toUInt64(argMax(level, ts)) FROM shedding_raw WHERE subject = '{subject}'")
    };
    for (level, subject) in (0u32..6).zip(ORDER).rev() {
        stack.wait_number(subject, &last(subject), |last| last == u64::from(level));
    }
    // Nothing was rounded away: each subject was shed for longer than the next, and less than we looked.
    let shed_ms = |subject: &str| {
        stack.number(&format!(
            "SELECT toUInt64(sum(shed_ms)) FROM shedding_1m WHERE subject = '{subject}'"
        ))
    };
    let times = ORDER.map(shed_ms);
    println!("shed for {times:?} ms since {begun:?}");
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    assert!(
        times[0] <= u64::try_from(now_ms() - begin_ms).unwrap(),
        "{times:?}"
    );

    // Every request and every event, whatever was shed.
    let requests = "SELECT toUInt64(sum(requests)) FROM requests_1d";
    stack.wait_number("every request", requests, |count| count == load.lines);
    let events = "SELECT toUInt64(sum(events)) FROM security_1d";
    stack.wait_number("every event", events, |count| count == load.events);
    let other = "SELECT toUInt64(sum(requests)) FROM requests_raw WHERE route = 'OTHER'";
    let other = stack.number(other);
    assert!(other > 0 && other < load.lines, "{other} of {}", load.lines);

    // Now that it is calm, routes are told apart again and the host is read every second.
    load.write(LINES);
    let routes = "SELECT toUInt64(sum(requests)) FROM requests_raw WHERE route != 'OTHER'";
    let apart = load.lines - other;
    stack.wait_number("routes again", routes, |count| count == apart);
    let rare = "SELECT count() FROM host_raw WHERE interval_ms >= 9000";
    assert!(stack.number(rare) > 0, "host rows of ten seconds");
    let log = agent.log();
    for said in ["near a ceiling of the budget", "more is measured again"] {
        assert!(log.contains(said), "{said}: {log}");
    }
    assert!(agent.terminate().success());

    // The documented query tells the episodes.
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/clickhouse/queries/shedding.sql"
    );
    let sql = fs::read_to_string(path).unwrap();
    let second = now_ms() / 1_000;
    let path = format!(
        "/?database=crmscope&param_agent=app-01&param_from={}&param_to={}",
        second - 3_600,
        second + 3_600
    );
    let (status, answer) = http(stack.clickhouse_port, "POST", &path, &sql).unwrap();
    println!("{answer}");
    assert_eq!(status, 200, "{answer}");
    let episodes: Vec<Vec<&str>> = answer
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    for subject in ORDER {
        let mut found = episodes.iter().filter(|episode| episode[1] == subject);
        assert!(
            found.any(|episode| episode[2] == "cpu"),
            "{subject}: {answer}"
        );
    }
    let (code, proof) = stack.ledger(&["--json"]);
    assert_eq!(code, 0, "{proof}");
}

/// A ceiling of the network holds also when a backlog is sent, and what is urgent overtakes it.
#[test]
fn a_backlog_is_sent_at_the_network_ceiling_and_security_overtakes_it() {
    const CEILING_BYTES_PER_S: u64 = 4_096;
    let mut stack = Stack::start();
    let mut load = Load::new(&stack);
    // Nothing is shed within its hold: the backlog is to be whole.
    let budget = format!(
        "[budget]\nhold_ms = 600000\ncalm_ms = 600000\ncpu_max_percent = 100000\nmemory_max_bytes = 1073741824\nnetwork_max_bytes_per_s = {CEILING_BYTES_PER_S}\n"
    );
    let mut agent = stack.start_agent("app-01", &format!("{}{budget}", load.sources()));
    watches_logs(&stack);
    stack.collector.take().unwrap().kill();
    let outage_ms = now_ms();
    let lane_bytes = |lane: &str| -> u64 {
        let directory = stack.path("app-01.state").join("spool").join(lane);
        let files = fs::read_dir(directory).into_iter().flatten().flatten();
        let segments = files.filter(|file| file.path().extension() == Some("segment".as_ref()));
        let sizes = segments
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len());
        sizes.sum()
    };
    // Twenty-four seconds' worth waits.
    wait_for("a backlog", || {
        load.write(500);
        match lane_bytes("requests") {
            bytes if bytes > 24 * CEILING_BYTES_PER_S => Ok(()),
            bytes => Err(format!("{bytes} bytes")),
        }
    });
    stack.start_collector();
    stack.wait_ready();
    let requests = "SELECT toUInt64(sum(requests)) FROM requests_1d";
    stack.wait_number("every request", requests, |count| count == load.lines);
    let events = "SELECT toUInt64(sum(events)) FROM security_1d";
    stack.wait_number("every event", events, |count| count == load.events);
    assert!(agent.terminate().success());

    // All that arrived after the outage, against the time from the first to the last of it.
    let arrived = format!("received_at >= fromUnixTimestamp64Milli({outage_ms})");
    let took = format!(
        "SELECT toUInt64(sum(bytes)), toUInt64(max(bytes)), toUInt64(dateDiff('millisecond', min(received_at), max(received_at))) \
                FROM ledger WHERE disposition = 'stored' AND {arrived}"
    );
    let (bytes, largest, took_ms) = stack.query::<(u64, u64, u64)>(&took).unwrap()[0];
    println!("{bytes} bytes in {took_ms} ms, the largest batch {largest}");
    // Two seconds' worth may be saved up and a batch of each kind owed; the first may come late.
    let owed = bytes.saturating_sub(2 * CEILING_BYTES_PER_S + 2 * largest);
    assert!(
        (took_ms + 2_000) * CEILING_BYTES_PER_S >= owed * 1_000,
        "{bytes} bytes in {took_ms} ms"
    );
    let newest = |lane: &str| {
        stack.number(&format!(
            "SELECT toUInt64(toUnixTimestamp64Milli(max(received_at))) FROM ledger \
             WHERE lane = '{lane}' AND {arrived} AND created_at <= (SELECT min(received_at) FROM ledger WHERE {arrived})"
        ))
    };
    let (security, requests) = (newest("security"), newest("requests"));
    assert!(
        security < requests,
        "security at {security}, requests at {requests}"
    );
}

#[test]
fn the_command_prints_ceilings_and_order_and_names_mistakes() {
    let directory = tempfile::tempdir().unwrap();
    let run = |text: &str| {
        let path = directory.path().join("agent.toml");
        fs::write(&path, text).unwrap();
        let mut command = Command::new(binary("crmscope-agent"));
        command
            .arg("--config")
            .arg(path)
            .arg("budget")
            .output()
            .unwrap()
    };
    let output = run("[budget]\ncpu_max_percent = 7\n");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains("7 % of one core"),
        "{said}"
    );
    let at = |name: &str| {
        said.find(&format!(" {name} "))
            .unwrap_or_else(|| panic!("{said}"))
    };
    assert!(ORDER.map(at).is_sorted(), "{said}");

    for (text, mistake) in [
        (
            "[budget]\nmemory_max_bytes = 5\n",
            "budget.memory_max_bytes is 5",
        ),
        (
            "[budget]\ndisk_max_bytes = 100000000\n",
            "spool.*_max_bytes add up to",
        ),
        ("[budget]\ncpu_percent = 5\n", "budget.cpu_max_percent"),
    ] {
        let output = run(text);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(mistake), "{said}");
    }
}
