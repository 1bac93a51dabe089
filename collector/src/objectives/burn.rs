//! How fast an error budget is used up, and whether that is worth saying.
//!
//! After "The Site Reliability Workbook" (Google, 2018), chapter 5, multi-window, multi-burn-rate
//! alerts: a rate of 1 uses the budget of 30 days in 30 days. A pair fires while both its windows burn
//! faster than its factor, and what burns is over when no shorter window of its pairs does. Where there are too few requests a
//! rate means nothing: low traffic and no traffic are faults of their own. Pure.

use super::config::Objective;
use crate::alerts::Kind;

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

/// Requests of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) requests: u64,
    pub(super) bad: u64,
}

/// Requests of each window.
pub(super) type Windows = [Window; WINDOWS_MINUTES.len()];

/// What is wrong with an objective now, each with what is known in a sentence.
pub(super) fn faults(
    objective: &Objective,
    windows: &Windows,
    open: &[Kind],
) -> Vec<(Kind, String)> {
    let name = objective.name.escape_debug();
    let hour = windows[2];
    // What is open ends only once it has doubled, so that it does not come and go.
    let is_open = |kind| open.contains(&kind);
    let quiet = match is_open(Kind::LowTraffic) || is_open(Kind::NoTraffic) {
        true => objective.quiet_requests.saturating_mul(2),
        false => objective.quiet_requests,
    };
    if hour.requests == 0 {
        let told = format!(
            "{name}: no request of service {} was counted within an hour, so nothing can be said of it.",
            objective.service.escape_debug()
        );
        return still_burning(objective, open, (Kind::NoTraffic, told));
    }
    if hour.requests < quiet {
        let told = format!(
            "{name}: only {} requests were counted within an hour, too few for a rate.",
            hour.requests
        );
        return still_burning(objective, open, (Kind::LowTraffic, told));
    }
    let mut faults: Vec<(Kind, String)> = Vec::new();
    for pair in &PAIRS {
        let burns = |window: usize| rate(objective, windows[window]) > pair.factor;
        let fires = burns(pair.short) && (burns(pair.long) || is_open(pair.kind));
        if fires && faults.iter().all(|(kind, _)| *kind != pair.kind) {
            let [long, short] = [pair.long, pair.short].map(|window| {
                let minutes = WINDOWS_MINUTES[window];
                let Window { requests, bad } = windows[window];
                format!("{bad} of {requests} requests in {minutes} minutes")
            });
            let rate = rate(objective, windows[pair.long]);
            let told = format!(
                "{name}: its error budget of 30 days burns {rate:.1} times as fast as it may: {long} and {short} were bad."
            );
            faults.push((pair.kind, told));
        }
    }
    faults
}

/// With too little traffic nothing is known to be better: what burns is not over.
fn still_burning(
    objective: &Objective,
    open: &[Kind],
    traffic: (Kind, String),
) -> Vec<(Kind, String)> {
    let burning = [Kind::BudgetBurnsFast, Kind::BudgetBurnsSlowly];
    let told = format!(
        "{}: its error budget burnt too fast when there were still requests.",
        objective.name.escape_debug()
    );
    let burns = burning.into_iter().filter(|kind| open.contains(kind));
    let burns = burns.map(|kind| (kind, told.clone()));
    std::iter::once(traffic).chain(burns).collect()
}

/// How many times as fast as it may the budget is used up.
#[allow(clippy::cast_precision_loss, reason = "counts of requests")]
pub(super) fn rate(objective: &Objective, window: Window) -> f64 {
    if window.requests == 0 {
        return 0.0;
    }
    window.bad as f64 / window.requests as f64 / (1.0 - objective.target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objective() -> Objective {
        Objective {
            name: "pages".to_owned(),
            service: "crm".to_owned(),
            target: 0.999,
            latency_ms: 0,
            quiet_requests: 60,
        }
    }

    /// Every window with 100,000 requests, so many of them bad.
    fn windows(bad: [u64; 7]) -> Windows {
        bad.map(|bad| Window {
            requests: 100_000,
            bad,
        })
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
        few[2] = Window {
            requests: 59,
            bad: 59,
        };
        assert_eq!(kinds(&few, &[]), [Kind::LowTraffic]);
        few[2].requests = 100;
        assert_eq!(kinds(&few, &[Kind::LowTraffic]), [Kind::LowTraffic]);
        few[2] = Window {
            requests: 120,
            bad: 0,
        };
        assert_eq!(kinds(&few, &[Kind::LowTraffic]), []);
        few[2] = Window::default();
        let open = [Kind::BudgetBurnsFast];
        assert_eq!(kinds(&few, &open), [Kind::NoTraffic, Kind::BudgetBurnsFast]);
        assert_eq!(kinds(&few, &[]), [Kind::NoTraffic]);
    }
}
