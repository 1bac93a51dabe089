//! Random runs, held against the rules looked up moment by moment, and against a random truth.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::hours::cut;
use super::super::timeline::{Evidence, HOLD_MAX_MS, Run, Track, timeline};
use super::super::{Interval, clip, report};
use super::{HOUR, MINUTE, of};
use crate::presence::timeline::State::{self, Down, Unknown, Up};

/// Runs of some places and targets within two days, in minutes, with intervals up to an hour.
fn tracks() -> impl Strategy<Value = Vec<Track>> {
    let run = (0i64..2_880, any::<bool>(), 1i64..90).prop_map(|(at, up, interval)| Run {
        at_ms: at * MINUTE,
        up,
        interval_ms: interval * MINUTE,
    });
    let track = (0..3, 0..3, prop::collection::vec(run, 0..25));
    let track = track.prop_map(|(place, target, runs)| Track {
        agent_id: format!("agent-{place}"),
        target: format!("target-{target}"),
        runs,
    });
    prop::collection::vec(track, 0..8)
}

/// What a moment is by the rules, looked up run by run.
fn oracle(tracks: &[Track], at_ms: i64) -> Option<[State; 2]> {
    let mut by_target: BTreeMap<&str, BTreeMap<&str, Vec<Run>>> = BTreeMap::new();
    for track in tracks {
        let places = by_target.entry(&track.target).or_default();
        let before = track.runs.iter().filter(|run| run.at_ms <= at_ms);
        places.entry(&track.agent_id).or_default().extend(before);
    }
    // Of the same moment the worse counts, and of the same the shorter.
    for runs in by_target.values_mut().flat_map(BTreeMap::values_mut) {
        let all = runs.clone();
        let is_worst = |run: &Run| {
            let same = all.iter().filter(|other| other.at_ms == run.at_ms);
            same.min_by_key(|run| (run.up, run.interval_ms)) == Some(run)
        };
        runs.retain(is_worst);
    }
    let held = |run: &Run| (2 * run.interval_ms).min(2 * HOUR);
    let all = || by_target.values().flat_map(BTreeMap::values).flatten();
    let mut states = Vec::new();
    for places in by_target.values() {
        let mut runs = places.values().flatten();
        if !runs.any(|run| at_ms < run.at_ms + held(run).max(HOUR)) {
            continue;
        }
        let known = places.values().filter_map(|runs| {
            let newest = runs.iter().map(|run| run.at_ms).max()?;
            let run = runs.iter().find(|run| run.at_ms == newest)?;
            (at_ms < run.at_ms + held(run)).then_some(run.up)
        });
        let known: Vec<bool> = known.collect();
        states.push(match (known.contains(&true), known.contains(&false)) {
            (true, true) => [Up, Down],
            (true, false) => [Up, Up],
            (false, true) => [Down, Down],
            (false, false) => [Unknown, Unknown],
        });
    }
    if states.is_empty() {
        let is_expected = all().any(|run| at_ms < run.at_ms + 24 * HOUR);
        return is_expected.then_some([Unknown, Unknown]);
    }
    Some([0, 1].map(|view| {
        let has = |state| states.iter().any(|states| states[view] == state);
        match (has(Down), has(Unknown)) {
            (true, _) => Down,
            (false, true) => Unknown,
            (false, false) => Up,
        }
    }))
}

fn at(intervals: &[Interval], at_ms: i64) -> Option<[State; 2]> {
    let within = |one: &&Interval| (one.from_ms..one.to_ms).contains(&at_ms);
    let mut found = intervals.iter().filter(within);
    let first = found.next().map(|one| [one.answered, one.everywhere]);
    assert!(found.next().is_none(), "two intervals at {at_ms}");
    first
}

proptest! {
    #[test]
    fn every_moment_is_what_the_rules_say(tracks in tracks()) {
        let asked = -HOUR..100 * HOUR;
        let intervals = timeline(&of(tracks.clone()), &asked, i64::MAX);
        for minute in (-60..6_000).step_by(7) {
            let at_ms = minute * MINUTE + 1;
            prop_assert_eq!(at(&intervals, at_ms), oracle(&tracks, at_ms), "at {}", minute);
        }
        for pair in intervals.windows(2) {
            prop_assert!(pair[0].to_ms <= pair[1].from_ms);
        }
    }

    #[test]
    fn order_and_number_of_rows_and_cuts_change_nothing(
        tracks in tracks(),
        seed in any::<u64>(),
        from in 0i64..60,
    ) {
        let range = from * HOUR..(from + 3) * HOUR;
        let whole = timeline(&of(tracks.clone()), &(0..100 * HOUR), i64::MAX);
        let want = clip(whole, &range);
        // Every row of its own, some twice, in any order; only those that reach into the time, and the last before.
        let mut random = fastrand::Rng::with_seed(seed);
        let mut rows: Vec<Track> = Vec::new();
        let near = range.start - HOLD_MAX_MS..range.end;
        let mut last_ms = None;
        for track in &tracks {
            for run in &track.runs {
                if !near.contains(&run.at_ms) {
                    if run.at_ms < near.start {
                        last_ms = last_ms.max(Some(run.at_ms));
                    }
                    continue;
                }
                for _ in 0..random.usize(1..3) {
                    rows.push(Track { runs: vec![*run], ..track.clone() });
                }
            }
        }
        random.shuffle(&mut rows);
        let found = timeline(&Evidence { tracks: rows, last_ms }, &range, i64::MAX);
        prop_assert_eq!(&found, &want);
        // And hour by hour.
        let hours = cut(&found, &range, |_| 0);
        prop_assert_eq!(hours.len(), 3);
        let parts = hours.into_iter().flat_map(|hour| hour.intervals);
        prop_assert_eq!(clip(parts, &range), want);
    }

    #[test]
    fn the_truth_is_within_the_band_but_for_an_interval_at_each_edge(
        flips in prop::collection::btree_set(1i64..12 * 60, 0..12),
        interval_s in 5i64..120,
        phases in prop::collection::vec(0i64..120, 1..4),
        lost in prop::collection::vec(0.0f64..0.9, 1..4),
        seed in any::<u64>(),
    ) {
        let end = 12 * HOUR;
        let flips: Vec<i64> = flips.into_iter().map(|minute| minute * MINUTE).collect();
        let is_up = |at_ms: i64| flips.partition_point(|flip| *flip <= at_ms) % 2 == 0;
        let mut random = fastrand::Rng::with_seed(seed);
        let mut tracks = Vec::new();
        for (place, phase) in phases.iter().enumerate() {
            let lost = lost[place % lost.len()];
            let mut at_ms = (phase % interval_s) * 1000;
            let mut runs = Vec::new();
            while at_ms < end {
                if random.f64() >= lost {
                    runs.push(Run { at_ms, up: is_up(at_ms), interval_ms: interval_s * 1000 });
                }
                // A run is as late as its place is busy.
                at_ms += interval_s * 1000 + random.i64(0..500);
            }
            tracks.push(Track { agent_id: format!("a{place}"), target: "page".to_owned(), runs });
        }
        let asked = 0..end;
        let intervals = timeline(&of(tracks.clone()), &asked, end);
        let total = report("crm", &intervals, &[]).answered.times;
        let known_from = intervals.first().map_or(end, |first| first.from_ms);
        let edges: Vec<i64> = [known_from].into_iter().chain(flips.iter().copied().filter(|flip| *flip > known_from)).chain([end]).collect();
        let truth: i64 = edges.windows(2).map(|edge| if is_up(edge[0]) { edge[1] - edge[0] } else { 0 }).sum();
        // At an edge, what was known before holds for two intervals at most.
        let slack = i64::try_from(flips.len()).unwrap() * (2 * interval_s * 1000 + 500);
        prop_assert!(total.up_ms <= truth + slack, "{} {truth}", total.up_ms);
        prop_assert!(total.up_ms + total.unknown_ms + slack >= truth, "{total:?} {truth}");
        prop_assert_eq!(total.up_ms + total.down_ms + total.unknown_ms, end - known_from);
        if lost.iter().all(|lost| *lost == 0.0) {
            prop_assert_eq!(total.unknown_ms, 0);
        }
    }
}
