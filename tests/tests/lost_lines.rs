//! Lost lines of a real agent's access log: each under its reason, at every level of ClickHouse.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code outside of test functions"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Command;

use crmscope_tests::{Stack, now_ms};

/// The figures by level; all rows are of one day and of one source.
const FIGURES: &str = "toUInt64(sum(dropped)), toUInt64(ifNull(sum(lost_too_long_lines), 0)), \
    toUInt64(ifNull(sum(lost_untimely_lines), 0)), toUInt64(ifNull(sum(lost_truncated_files), 0)), \
    toUInt64(ifNull(sum(lost_unfinished_lines), 0)), toUInt64(ifNull(sum(lost_known_bytes), 0))";

#[test]
fn lost_lines_stand_under_their_reasons_up_to_days() {
    let stack = Stack::start();
    let log = stack.path("access.log");
    fs::write(&log, "").unwrap();
    let sources =
        format!("[sources.requests]\nlogs = [{{ path = {log:?}, format = \"nginx\" }}]\n");
    let mut agent = stack.start_agent("web-01", &sources);
    let append = |text: &str| {
        let mut file = File::options().append(true).open(&log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let line =
        |time: &str| format!("192.0.2.1 - - [{time}] \"GET / HTTP/1.1\" 200 1 \"-\" \"-\" 0.001\n");
    let now = Command::new("date")
        .args(["-u", "+%d/%b/%Y:%H:%M:%S +0000"])
        .output()
        .unwrap();
    let now = line(String::from_utf8(now.stdout).unwrap().trim());
    let late = line("01/Jan/2020:00:00:00 +0000");
    let long = "x".repeat(1_100_000) + "\n";
    stack.wait_number(
        "the log is followed",
        "SELECT toUInt64(sum(runs)) FROM source_raw WHERE source = 'requests'",
        |runs| runs > 0,
    );
    append(&(now.clone() + &late + &late + &long));
    stack.wait_number(
        "all but the open end",
        "SELECT toUInt64(sum(dropped)) FROM source_1d WHERE source = 'requests'",
        |dropped| dropped == 3,
    );
    append("half");
    // Until a run that began after it has ended.
    let seen = format!(
        "SELECT toUInt64(sum(runs)) FROM source_raw WHERE source = 'requests' \
         AND toUnixTimestamp64Milli(ts) - interval_ms > {}",
        now_ms()
    );
    stack.wait_number("the open end", &seen, |runs| runs > 1);
    // Emptied in place: the open end is gone.
    fs::write(&log, "").unwrap();
    stack.wait_number(
        "the truncation",
        "SELECT toUInt64(ifNull(sum(lost_truncated_files), 0)) FROM source_1d WHERE source = 'requests'",
        |files| files == 1,
    );
    append(&now);
    stack.wait_number(
        "both requests",
        "SELECT toUInt64(sum(requests)) FROM requests_1d",
        |requests| requests == 2,
    );
    assert!(agent.terminate().success());
    let bytes = (2 * late.len() + long.len() + "half".len()) as u64;
    for level in ["raw", "1m", "1h", "1d"] {
        let query = format!("SELECT {FIGURES} FROM source_{level} WHERE source = 'requests'");
        let rows = stack
            .query::<(u64, u64, u64, u64, u64, u64)>(&query)
            .unwrap();
        assert_eq!(rows, [(4, 1, 2, 1, 0, bytes)], "{level}");
        // A source that reads no log has no such figures, not zeros.
        let query = format!(
            "SELECT toUInt64(count()) FROM source_{level} WHERE source = 'host' AND isNotNull(lost_known_bytes)"
        );
        assert_eq!(stack.query::<u64>(&query).unwrap(), [0], "{level}");
    }
}
