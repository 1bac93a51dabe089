//! How fast an error budget is used up, and whether that is worth saying.
//!
//! After "The Site Reliability Workbook" (Google, 2018), chapter 5, multi-window, multi-burn-rate
//! alerts: a rate of 1 uses the budget of 30 days in 30 days. A pair fires while both its windows burn
//! faster than its factor, and what burns is over when no shorter window of its pairs does. Where there are
//! too few requests, or too little time is known, a rate means nothing: that is a fault of its own. Pure.

use super::config::{Measure, Objective};
use crate::alerts::Kind;
use crate::presence::availability::span;

/// Windows, minutes.
pub(super) const WINDOWS_MINUTES: [u32; 7] = [5, 30, 60, 120, 360, 1_440, 4_320];

/// Two windows that have to burn at once.
struct Pair {
    factor: f64,
    long: usize,
    short: usize,
    kind: Kind,
}

/// The pairs, most urgent first; windows are positions in [`WINDOWS_MINUTES`].
const PAIRS: [Pair; 4] = [
    Pair {
        factor: 14.4,
        long: 2,
        short: 0,
        kind: Kind::BudgetBurnsFast,
    },
    Pair {
        factor: 6.0,
        long: 4,
        short: 1,
        kind: Kind::BudgetBurnsFast,
    },
    Pair {
        factor: 3.0,
        long: 5,
        short: 3,
        kind: Kind::BudgetBurnsSlowly,
    },
    Pair {
        factor: 1.0,
        long: 6,
        short: 4,
        kind: Kind::BudgetBurnsSlowly,
    },
];

/// Requests of a window, or time that is known of it, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) all: u64,
    pub(super) bad: u64,
}

/// What is known of each window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Windows {
    pub(super) each: [Window; WINDOWS_MINUTES.len()],
    /// Time of the last hour that is maintenance, and in no window, ms.
    pub(super) idle_ms: u64,
}

/// An hour, ms.
const HOUR_MS: u64 = 3_600_000;

/// What is wrong with an objective now, each with what is known in a sentence.
pub(super) fn faults(
    objective: &Objective,
    windows: &Windows,
    open: &[Kind],
) -> Vec<(Kind, String)> {
    let name = objective.name.escape_debug();
    let hour = windows.each[2].all;
    // What is open ends only once it has doubled, so that it does not come and go.
    let is_open = |kind| open.contains(&kind);
    let [none, little] = quiet_kinds(objective.kind);
    let counted_ms = HOUR_MS.saturating_sub(windows.idle_ms);
    let whole = objective.quiet();
    let quiet = whole.saturating_mul(counted_ms) / HOUR_MS;
    let is_quiet = is_open(little) || is_open(none);
    // Just after maintenance nothing can be told yet: whatever is open stays so.
    if counted_ms < HOUR_MS / 4 && hour < whole {
        let told = |kind: &Kind| (*kind, format!("{name}: its service was in maintenance."));
        return open.iter().map(told).collect();
    }
    if hour == 0 || hour < quiet.saturating_mul(if is_quiet { 2 } else { 1 }) {
        let kind = if hour == 0 { none } else { little };
        let told = format!("{name}: {}", quiet_words(objective, hour));
        return still_burning(objective, open, (kind, told));
    }
    let mut faults: Vec<(Kind, String)> = Vec::new();
    for pair in &PAIRS {
        let burns = |window: usize| rate(objective, windows.each[window]) > pair.factor;
        let fires = burns(pair.short) && (burns(pair.long) || is_open(pair.kind));
        if fires && faults.iter().all(|(kind, _)| *kind != pair.kind) {
            let [long, short] = [pair.long, pair.short].map(|window| {
                let minutes = WINDOWS_MINUTES[window];
                bad_words(objective.kind, windows.each[window], minutes)
            });
            let rate = rate(objective, windows.each[pair.long]);
            let end = match objective.kind {
                Measure::Requests => " were bad",
                Measure::Availability => "",
            };
            let told = format!(
                "{name}: its error budget of 30 days burns {rate:.1} times as fast as it may: {long} and {short}{end}."
            );
            faults.push((pair.kind, told));
        }
    }
    faults
}

/// What it is called where nothing is known, and where too little is.
const fn quiet_kinds(measure: Measure) -> [Kind; 2] {
    match measure {
        Measure::Requests => [Kind::NoTraffic, Kind::LowTraffic],
        Measure::Availability => [Kind::NotProbed, Kind::LittleKnown],
    }
}

fn quiet_words(objective: &Objective, hour: u64) -> String {
    let service = objective.service.escape_debug();
    match (objective.kind, hour) {
        (Measure::Requests, 0) => format!(
            "no request of service {service} was counted within an hour, so nothing can be said of it."
        ),
        (Measure::Requests, _) => {
            format!("only {hour} requests were counted within an hour, too few for a rate.")
        }
        (Measure::Availability, 0) => format!(
            "nothing is known of service {service} within an hour: no agent probes all of it, or no run of one arrived."
        ),
        (Measure::Availability, _) => format!(
            "only {} of the last hour are known of service {service}, too little for a rate: a target is not asked, or its runs do not arrive.",
            length(hour)
        ),
    }
}

/// What was bad of a window.
fn bad_words(measure: Measure, Window { all, bad }: Window, minutes: u32) -> String {
    match measure {
        Measure::Requests => format!("{bad} of {all} requests in {minutes} minutes"),
        Measure::Availability => format!(
            "down for {} of {} that are known of {minutes} minutes",
            length(bad),
            length(all)
        ),
    }
}

fn length(ms: u64) -> String {
    span(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// With too little known nothing is known to be better: what burns is not over.
fn still_burning(
    objective: &Objective,
    open: &[Kind],
    quiet: (Kind, String),
) -> Vec<(Kind, String)> {
    let burning = [Kind::BudgetBurnsFast, Kind::BudgetBurnsSlowly];
    let told = format!(
        "{}: its error budget burnt too fast when there was still {}.",
        objective.name.escape_debug(),
        match objective.kind {
            Measure::Requests => "traffic",
            Measure::Availability => "enough known",
        }
    );
    let burns = burning.into_iter().filter(|kind| open.contains(kind));
    let burns = burns.map(|kind| (kind, told.clone()));
    std::iter::once(quiet).chain(burns).collect()
}

/// How many times as fast as it may the budget is used up.
#[allow(clippy::cast_precision_loss, reason = "counts of requests, or ms")]
pub(super) fn rate(objective: &Objective, window: Window) -> f64 {
    if window.all == 0 {
        return 0.0;
    }
    window.bad as f64 / window.all as f64 / (1.0 - objective.target)
}

#[cfg(test)]
#[path = "burn_tests.rs"]
mod tests;
