//! The overview as lines of text, for scripts and terminals that cannot be drawn on.

use std::fmt::Write as _;

use super::draw::{strip_letters, tag};
use crate::alerts::one_line;
use crate::overview::{Host, Overview, age, clock};

/// Hosts that are printed; the worst are among them.
const HOSTS_MAX: usize = 50;
/// Incidents and findings that are printed, each.
const LINES_MAX: usize = 10;
/// Longest line, bytes.
const LINE_MAX_BYTES: usize = 300;

/// All of it, the verdict first.
pub(super) fn text(overview: &Overview) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        let _ = writeln!(text, "{}", indented(&line, LINE_MAX_BYTES));
    };
    line(format!(
        "{}: {}",
        overview.verdict.level.name(),
        overview.verdict.text
    ));
    if overview.is_answered {
        line(counts(overview));
    }
    line(format!(
        "pipeline {}: {}",
        overview.pipeline.level.name(),
        overview.pipeline.text
    ));
    for host in overview.hosts.list.iter().take(HOSTS_MAX) {
        line(of_host(host));
    }
    more(
        &mut line,
        overview.hosts.total,
        HOSTS_MAX.min(overview.hosts.list.len()),
        "hosts",
    );
    let now_ms = overview.asked_ms;
    for incident in overview.incidents.iter().take(LINES_MAX) {
        let over = match incident.ended_ms {
            Some(ended_ms) => format!("over at {}", clock(ended_ms, now_ms)),
            None => incident.level.name().to_owned(),
        };
        line(format!(
            "incident {} ({over}) since {}: {}",
            incident.kind,
            clock(incident.began_ms, now_ms),
            incident.text
        ));
        if incident.ended_ms.is_none() {
            line(format!("  next: {}", incident.next_step));
        }
    }
    more(&mut line, overview.incidents_total, LINES_MAX, "incidents");
    for finding in overview.findings.iter().take(LINES_MAX) {
        line(format!(
            "finding {} ({}) at {}: {}",
            finding.title,
            finding.level,
            clock(finding.last_ms, now_ms),
            finding.text
        ));
        if finding.ended_ms.is_none() {
            line(format!("  next: {}", finding.next_step));
        }
    }
    more(&mut line, overview.findings_total, LINES_MAX, "findings");
    if overview.is_answered && overview.hosts.total == 0 {
        // The command is several lines.
        let _ = write!(
            text,
            "on the host to watch:\n{}\n",
            overview.add_agent_command
        );
    }
    text
}

/// One line that keeps the spaces it begins with.
pub(super) fn indented(text: &str, max_bytes: usize) -> String {
    let shown = text.trim_start_matches(' ');
    let indent = (text.len() - shown.len()).min(max_bytes);
    format!("{:indent$}{}", "", one_line(shown, max_bytes - indent))
}

fn more(line: &mut impl FnMut(String), total: usize, shown: usize, what: &str) {
    if total > shown {
        line(format!("and {} more {what}", total - shown));
    }
}

/// How many hosts are how.
pub(super) fn counts(overview: &Overview) -> String {
    let hosts = &overview.hosts;
    let mut text = format!(
        "{} hosts: {} live, {} stale, {} offline, {} never seen, {} in maintenance",
        hosts.total, hosts.live, hosts.stale, hosts.offline, hosts.never, hosts.maintenance
    );
    if let Some(seconds) = hosts.data_age_seconds_max {
        let _ = write!(text, "; data up to {} old", age(seconds));
    }
    text
}

fn of_host(host: &Host) -> String {
    let percent = |ratio: Option<f64>| match ratio {
        Some(ratio) => format!("{:.0}%", ratio * 100.0),
        None => "?".to_owned(),
    };
    format!(
        "{:<4} {:<24} {:<11} {} cpu {} mem {} {}",
        tag(host.level),
        one_line(&host.agent_id, 64),
        host.state.name(),
        strip_letters(&host.strip, 30),
        percent(host.cpu_busy_ratio),
        percent(host.memory_used_ratio),
        host.text,
    )
}
