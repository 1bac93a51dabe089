//! Availability in words. Pure.

use std::fmt::Write as _;

use super::report::{Outage, Report, reason_name, state_name};
use super::{Parts, Times};
use crate::presence::evidence::Asked;

/// The line above the hosts.
#[must_use]
pub fn head(asked: &Asked) -> String {
    let utc = |seconds: u64| time(i64::try_from(seconds).unwrap_or(i64::MAX / 1000) * 1000);
    format!(
        "{} to {} UTC; two figures where something is unknown: if it was down, and if it was up\n\
         {:<32} {:>19} {:>19} {:>19} {:>19} {:>8}\n",
        utc(asked.from),
        utc(asked.to),
        "agent",
        "total",
        "server",
        "network",
        "agent",
        "outages"
    )
}

/// A host's line, and its outages; every interval where asked for. Where there was maintenance, a second
/// line has the figures of all the time.
#[must_use]
pub fn text(report: &Report, intervals: bool) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<32} {} {:>8}",
        report.agent_id,
        parts(&report.counted()),
        report.outages.len()
    );
    if report.maintenance_ms > 0 {
        let name = format!("  with {} maintenance", span(report.maintenance_ms));
        let _ = writeln!(text, "{name:<32} {}", parts(&report.raw));
    }
    for outage in &report.outages {
        let _ = writeln!(text, "{}", outage_line(outage));
    }
    for interval in report.intervals.iter().filter(|_| intervals) {
        let _ = writeln!(
            text,
            "  {} to {}  server {:<7}  network {:<7}  agent {:<7}  {}{}",
            time(interval.from_ms),
            time(interval.to_ms),
            state_name(interval.server),
            state_name(interval.network),
            state_name(interval.agent),
            reason_name(interval.reason),
            if report.is_in_maintenance(interval) {
                ", maintenance"
            } else {
                ""
            }
        );
    }
    text
}

pub(super) fn parts(parts: &Parts) -> String {
    format!(
        "{:>19} {:>19} {:>19} {:>19}",
        percent(parts.total),
        percent(parts.server),
        percent(parts.network),
        percent(parts.agent)
    )
}

fn outage_line(outage: &Outage) -> String {
    let mut line = format!(
        "  {} down {} to {}, {}",
        outage.part,
        time(outage.from_ms),
        time(outage.to_ms),
        span(outage.down_ms)
    );
    if outage.down_ms < outage.to_ms - outage.from_ms {
        line.push_str(" without maintenance");
    }
    let _ = write!(line, ": {}", outage.reason);
    line
}

/// A band in per cent. Rounded down, so that 100 % is never said of less.
pub(in crate::presence) fn percent(times: Times) -> String {
    let Some([low, high]) = times.band() else {
        return "-".to_owned();
    };
    let (low, high) = ((low * 1e5).floor() / 1e3, (high * 1e5).floor() / 1e3);
    if times.unknown_ms == 0 {
        format!("{low:.3} %")
    } else {
        format!("{low:.3} to {high:.3} %")
    }
}

/// How long, in the largest units that say it.
pub(crate) fn span(length_ms: i64) -> String {
    let seconds = length_ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// `YYYY-MM-DD hh:mm:ss` of Unix ms, UTC.
pub(crate) fn time(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000);
    let Ok(time) = tz::UtcDateTime::from_timespec(seconds, 0) else {
        return format!("{seconds} s");
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.month_day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}
