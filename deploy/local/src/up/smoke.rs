//! The smoke test: every table that this host can fill holds rows, and the roll-ups exist.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use tokio::time::Instant;

use super::place::Place;
use super::{Arguments, http, say};

/// Tables every host fills.
const ALWAYS: &[&str] = &[
    "agents",
    "filesystem_raw",
    "heartbeats",
    "host_raw",
    "host_1m",
    "interface_raw",
    "lane_states",
    "ledger",
    "presence_1m",
    "source_raw",
    "transport_raw",
];

/// See the module.
pub(super) struct Smoke {
    port: u16,
    expected: Vec<String>,
}

impl Smoke {
    /// Finds out what this host can fill.
    pub(super) fn new(arguments: &Arguments, place: &Place) -> Self {
        let mut expected: Vec<String> = ALWAYS.iter().map(|&table| table.to_owned()).collect();
        if has_disk() {
            expected.push("disk_raw".to_owned());
        }
        // Named logs are read from their start, so lines that are there must arrive.
        if !arguments.watch_log.is_empty()
            && place.watched.iter().any(|pattern| holds_lines(pattern))
        {
            expected.extend(["requests_raw".to_owned(), "requests_1m".to_owned()]);
        }
        expected.sort();
        Self {
            port: arguments.clickhouse_port,
            expected,
        }
    }

    /// Waits, then prints the summary. Returns whether everything arrived.
    pub(super) async fn run(&self, deadline: Duration) -> anyhow::Result<bool> {
        let end = Instant::now() + deadline;
        let spinner = indicatif::ProgressBar::new(self.expected.len() as u64).with_style(
            indicatif::ProgressStyle::with_template(
                "  waiting for rows {bar:30} {pos}/{len} tables {msg}",
            )?,
        );
        loop {
            let rows = self.rows().await?;
            let missing: Vec<_> = self
                .expected
                .iter()
                .filter(|table| count(&rows, table) == 0)
                .cloned()
                .collect();
            spinner.set_position((self.expected.len() - missing.len()) as u64);
            spinner.set_message(
                missing
                    .first()
                    .map(|table| format!("(next: {table})"))
                    .unwrap_or_default(),
            );
            if missing.is_empty() || Instant::now() > end {
                spinner.finish_and_clear();
                say(&self.summary(&rows));
                if !missing.is_empty() {
                    say(&format!(
                        "FAILED: no rows after {} s in: {}",
                        deadline.as_secs(),
                        missing.join(", ")
                    ));
                }
                return Ok(missing.is_empty());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Rows of every table of the database, by name.
    async fn rows(&self) -> anyhow::Result<Vec<(String, u64)>> {
        let sql = "SELECT name, coalesce(total_rows, 0) FROM system.tables \
                   WHERE database = 'crmscope' AND engine LIKE '%MergeTree' ORDER BY name";
        let answer = http::query(self.port, sql).await?;
        Ok(answer
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(table, rows)| (table.to_owned(), rows.parse().unwrap_or(0)))
            .collect())
    }

    fn summary(&self, rows: &[(String, u64)]) -> String {
        let mut text = String::from("What arrived\n");
        for (table, rows) in rows
            .iter()
            .filter(|(table, rows)| *rows > 0 || self.expected.contains(table))
        {
            let mark = match (*rows, self.expected.contains(table)) {
                (0, _) => "MISSING",
                (_, true) => "ok",
                (_, false) => "",
            };
            let _ = writeln!(text, "  {table:<24} {rows:>10} rows  {mark}");
        }
        text
    }
}

fn count(rows: &[(String, u64)], table: &str) -> u64 {
    rows.iter()
        .find(|(name, _)| name == table)
        .map_or(0, |(_, rows)| *rows)
}

/// Whether the kernel lists a whole disk of a kind the agent reports.
fn has_disk() -> bool {
    let kinds = ["sd", "vd", "xvd", "hd", "nvme", "mmcblk", "dm-", "md"];
    fs::read_to_string("/proc/diskstats")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .any(|name| kinds.iter().any(|kind| name.starts_with(kind)))
}

/// Whether some file that the pattern names holds anything; patterns with wildcards are judged by
/// their directory.
fn holds_lines(pattern: &str) -> bool {
    let path = std::path::Path::new(pattern);
    let (Some(directory), Some(name)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        return false;
    };
    let (head, tail) = name.split_once('*').unwrap_or((name, ""));
    fs::read_dir(directory).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            let found = entry.file_name().to_string_lossy().into_owned();
            let fits = if name.contains('*') {
                found.starts_with(head) && found.ends_with(tail)
            } else {
                found == name
            };
            fits && entry
                .metadata()
                .is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
        })
    })
}
