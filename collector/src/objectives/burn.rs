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
mod tests {
    use super::*;

    fn objective() -> Objective {
        Objective {
            name: "pages".to_owned(),
            service: "crm".to_owned(),
            target: 0.999,
            ..Objective::default()
        }
    }

    /// Every window with 100,000 requests, so many of them bad.
    fn windows(bad: [u64; 7]) -> Windows {
        let window = |bad| Window { all: 100_000, bad };
        Windows {
            each: bad.map(window),
            idle_ms: 0,
        }
    }

    fn kinds(windows: &Windows, open: &[Kind]) -> Vec<Kind> {
        faults(&objective(), windows, open)
            .into_iter()
            .map(|(kind, _)| kind)
            .collect()
    }

    #[test]
    fn both_windows_of_a_pair_have_to_burn() {
        // 14.4 times 0.1 % of 100,000 is 1,440.
        let fast = [1_441, 0, 1_441, 0, 0, 0, 0];
        assert_eq!(kinds(&windows(fast), &[]), [Kind::BudgetBurnsFast]);
        assert!(kinds(&windows([1_441, 0, 1_440, 0, 0, 0, 0]), &[]).is_empty());
        assert!(kinds(&windows([1_440, 0, 1_441, 0, 0, 0, 0]), &[]).is_empty());
        assert_eq!(
            kinds(&windows([0, 601, 0, 0, 601, 0, 0]), &[]),
            [Kind::BudgetBurnsFast]
        );
        assert_eq!(
            kinds(&windows([0, 0, 0, 301, 0, 301, 0]), &[]),
            [Kind::BudgetBurnsSlowly]
        );
        assert_eq!(
            kinds(&windows([0, 0, 0, 0, 101, 0, 101]), &[]),
            [Kind::BudgetBurnsSlowly]
        );
        let both = [5_000; 7];
        assert_eq!(
            kinds(&windows(both), &[]),
            [Kind::BudgetBurnsFast, Kind::BudgetBurnsSlowly]
        );
        // What burns goes on until the shorter window is quiet.
        let dying = windows([1_441, 0, 1_000, 0, 0, 0, 0]);
        assert_eq!(
            kinds(&dying, &[Kind::BudgetBurnsFast]),
            [Kind::BudgetBurnsFast]
        );
        let told = &faults(&objective(), &windows(fast), &[])[0].1;
        assert_eq!(
            told,
            "pages: its error budget of 30 days burns 14.4 times as fast as it may: 1441 of 100000 requests in 60 minutes and 1441 of 100000 requests in 5 minutes were bad."
        );
    }

    #[test]
    fn few_requests_have_no_rate_and_none_is_a_fault() {
        let mut few = windows([50; 7]);
        few.each[2] = Window { all: 59, bad: 59 };
        assert_eq!(kinds(&few, &[]), [Kind::LowTraffic]);
        few.each[2].all = 100;
        assert_eq!(kinds(&few, &[Kind::LowTraffic]), [Kind::LowTraffic]);
        few.each[2] = Window { all: 120, bad: 0 };
        assert_eq!(kinds(&few, &[Kind::LowTraffic]), []);
        few.each[2] = Window::default();
        let open = [Kind::BudgetBurnsFast];
        assert_eq!(kinds(&few, &open), [Kind::NoTraffic, Kind::BudgetBurnsFast]);
        assert_eq!(kinds(&few, &[]), [Kind::NoTraffic]);
    }

    /// Of availability: every window known whole, and so many ms of it down.
    fn times(down_ms: [u64; 7]) -> Windows {
        let mut each = [Window::default(); 7];
        for ((window, minutes), bad) in each.iter_mut().zip(WINDOWS_MINUTES).zip(down_ms) {
            let all = u64::from(minutes) * 60_000;
            *window = Window { all, bad };
        }
        Windows { each, idle_ms: 0 }
    }

    fn told(windows: &Windows, open: &[Kind]) -> Vec<(Kind, String)> {
        let objective = Objective {
            kind: Measure::Availability,
            ..objective()
        };
        faults(&objective, windows, open)
    }

    #[test]
    fn time_that_is_down_burns_and_time_that_is_not_known_is_a_fault() {
        // Down for a minute: 16.7 times of an hour's thousandth, and all of five minutes' share.
        let down = times([60_000; 7]);
        let said = told(&down, &[]);
        assert_eq!(said[0].0, Kind::BudgetBurnsFast);
        assert_eq!(
            said[0].1,
            "pages: its error budget of 30 days burns 16.7 times as fast as it may: down for 1 min 0 s of 1 h 0 min that are known of 60 minutes and down for 1 min 0 s of 5 min 0 s that are known of 5 minutes."
        );
        assert!(told(&times([0; 7]), &[]).is_empty());

        let mut few = times([0; 7]);
        few.each[2].all = 14 * 60_000;
        let said = told(&few, &[]);
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].0, Kind::LittleKnown);
        assert!(
            said[0]
                .1
                .starts_with("pages: only 14 min 0 s of the last hour are known of service crm,")
        );
        few.each[2].all = 29 * 60_000;
        assert_eq!(told(&few, &[Kind::LittleKnown]).len(), 1);
        assert!(told(&few, &[]).is_empty());
        few.each[2].all = 0;
        let said = told(&few, &[Kind::BudgetBurnsFast]);
        assert_eq!(
            [said[0].0, said[1].0],
            [Kind::NotProbed, Kind::BudgetBurnsFast]
        );
    }

    #[test]
    fn maintenance_asks_for_less_and_just_after_it_nothing_is_told() {
        let mut few = times([0; 7]);
        few.idle_ms = 30 * 60_000;
        few.each[2].all = 8 * 60_000;
        assert!(told(&few, &[]).is_empty());
        few.each[2].all = 7 * 60_000;
        assert_eq!(told(&few, &[])[0].0, Kind::LittleKnown);
        few.idle_ms = 58 * 60_000;
        few.each[2].all = 0;
        assert!(told(&few, &[]).is_empty());
        let open = [Kind::NotProbed, Kind::BudgetBurnsSlowly];
        let kept: Vec<Kind> = told(&few, &open)
            .into_iter()
            .map(|(kind, _)| kind)
            .collect();
        assert_eq!(kept, open);
    }
}
