//! Availability of services in words. Pure.

use std::fmt::Write as _;
use std::ops::Range;

use super::report::{Part, Report};
use super::targets::{self, FailedBy};
use crate::presence::availability::{Down, percent, span, state_name, time};
use crate::presence::timeline::State;

/// The line above the services.
pub(super) fn head(asked: &Range<i64>) -> String {
    format!(
        "{} to {} UTC; two figures where something is unknown: if it was down, and if it was up\n\
         {:<32} {:>19} {:>19} {:>8} {:>12} {:>12}\n",
        time(asked.start),
        time(asked.end),
        "service",
        "answered",
        "everywhere",
        "outages",
        "mean outage",
        "between"
    )
}

/// A service's line under a name. Where there was maintenance, a second line has the figures of all the time.
pub(super) fn line(report: &Report, step: Option<&Range<i64>>) -> String {
    let service = report.service.escape_debug();
    let name = match step {
        None => service.to_string(),
        Some(step) => format!("{} {service}", time(step.start)),
    };
    let mean = |ms: Option<i64>| ms.map_or_else(|| "-".to_owned(), span);
    let [outage, between] = report.answered.means().map(mean);
    let mut text = format!(
        "{name:<32} {:>19} {:>19} {:>8} {outage:>12} {between:>12}\n",
        percent(report.answered.times),
        percent(report.everywhere.times),
        report.answered.downs.found.len(),
    );
    if report.maintenance_ms > 0 {
        let name = format!("  with {} maintenance", span(report.maintenance_ms));
        let _ = writeln!(
            text,
            "{name:<32} {:>19} {:>19}",
            percent(report.answered.raw),
            percent(report.everywhere.raw)
        );
    }
    text
}

/// Its outages, with the targets that failed in them; every interval where asked for.
pub(super) fn outages(report: &Report, failed: &FailedBy, intervals: bool) -> String {
    let mut text = String::new();
    for (words, part) in [
        ("down", &report.answered),
        ("down for some", &report.everywhere),
    ] {
        for down in own(part, &report.answered) {
            let of = failed.get(&(down.from_ms, down.to_ms));
            let _ = writeln!(text, "  {words} {}{}", down_words(down), targets::words(of));
        }
    }
    for (interval, in_maintenance) in report.intervals.iter().filter(|_| intervals) {
        let answered = match (interval.answered, interval.everywhere) {
            (State::Up, State::Down) => "up, down for some",
            (state, _) => state_name(state),
        };
        let _ = writeln!(
            text,
            "  {} to {}  {answered}{}",
            time(interval.from_ms),
            time(interval.to_ms),
            if *in_maintenance { ", maintenance" } else { "" }
        );
    }
    text
}

/// Outages of a part that are not the same in `answered`, unless it is that.
fn own<'a>(part: &'a Part, answered: &'a Part) -> impl Iterator<Item = &'a Down> {
    let is_other =
        move |down: &&Down| std::ptr::eq(part, answered) || !answered.downs.found.contains(down);
    part.downs.found.iter().filter(is_other)
}

fn down_words(down: &Down) -> String {
    let mut text = format!(
        "{} to {}, {}",
        time(down.from_ms),
        time(down.to_ms),
        span(down.down_ms)
    );
    if down.down_ms < down.to_ms - down.from_ms {
        text.push_str(" without maintenance");
    }
    text
}
