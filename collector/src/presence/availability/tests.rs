use proptest::prelude::*;

use super::text::{percent, span};
use super::*;
use crate::presence::timeline::{Interval, Reason};

fn interval(from_s: i64, to_s: i64, states: [State; 3], reason: Reason) -> Interval {
    Interval {
        from_ms: from_s * 1000,
        to_ms: to_s * 1000,
        server: states[0],
        network: states[1],
        agent: states[2],
        reason,
    }
}

use State::{Down, Unknown, Up};

#[test]
fn twenty_seconds_in_an_hour_are_99_44_per_cent() {
    let report = report(
        "a",
        vec![
            interval(0, 600, [Up; 3], Reason::Beats),
            interval(600, 620, [Up, Down, Up], Reason::Delayed),
            interval(620, 3_600, [Up; 3], Reason::Beats),
        ],
        &[],
    );
    assert_eq!(percent(report.total), "99.444 %");
    assert_eq!(percent(report.server), "100.000 %");
    assert_eq!(percent(report.network), "99.444 %");
    assert_eq!(report.outages.len(), 1);
    assert_eq!(
        (report.outages[0].part, report.outages[0].reason),
        ("network", "delayed")
    );
}

#[test]
fn five_hours_without_a_monitor_are_neither_up_nor_down() {
    let hour = 3_600;
    let report = report(
        "a",
        vec![
            interval(0, 19 * hour, [Up; 3], Reason::Beats),
            interval(19 * hour, 24 * hour, [Up, Unknown, Up], Reason::Unwatched),
        ],
        &[],
    );
    assert_eq!(percent(report.total), "79.166 to 100.000 %");
    assert_eq!(percent(report.server), "100.000 %");
    assert!(report.outages.is_empty());
}

#[test]
fn the_total_is_no_product() {
    // Half of the time the server is down, and in the other half the network: never usable.
    let report = report(
        "a",
        vec![
            interval(0, 50, [Down, Up, Down], Reason::Crashed),
            interval(50, 100, [Up, Down, Up], Reason::Delayed),
        ],
        &[],
    );
    assert_eq!(percent(report.total), "0.000 %");
    assert_eq!(report.outages.len(), 1);
    let json = serde_json::to_value(report.with(true)).unwrap();
    assert_eq!(json["mttr_ms"], 100_000);
    assert_eq!(json["mtbf_ms"], 0);
    assert_eq!(json["intervals"][1]["network"], "down");
    assert_eq!(json["total"]["low"], 0.0);
}

#[test]
fn a_moment_less_than_all_is_not_100_per_cent() {
    let almost = Times {
        up_ms: 100_000_000,
        down_ms: 1,
        unknown_ms: 0,
    };
    assert_eq!(percent(almost), "99.999 %");
    assert_eq!(percent(Times::default()), "-");
}

#[test]
fn times_are_those_of_the_calendar() {
    for (unix_ms, told) in [
        (0, "1970-01-01 00:00:00"),
        (951_782_399_999, "2000-02-28 23:59:59"),
        (951_782_400_000, "2000-02-29 00:00:00"),
        (1_709_251_199_000, "2024-02-29 23:59:59"),
        (-1, "1969-12-31 23:59:59"),
    ] {
        assert_eq!(time(unix_ms), told);
    }
    assert_eq!(
        [span(59_999), span(61_000), span(7_260_000)],
        ["59 s", "1 min 1 s", "2 h 1 min"]
    );
}

const HOUR_S: i64 = 3_600;

fn hours(from: i64, to: i64) -> std::ops::Range<i64> {
    from * HOUR_S * 1000..to * HOUR_S * 1000
}

#[test]
fn maintenance_is_left_out_above_and_below_and_both_figures_are_shown() {
    let intervals = vec![
        interval(0, 2 * HOUR_S, [Up; 3], Reason::Beats),
        interval(
            2 * HOUR_S,
            4 * HOUR_S,
            [Down, Unknown, Down],
            Reason::Crashed,
        ),
        interval(4 * HOUR_S, 10 * HOUR_S, [Up; 3], Reason::Beats),
    ];
    let whole = report("a", intervals.clone(), &[]);
    let part = report("a", intervals.clone(), &[hours(3, 5)]);
    assert_eq!(percent(whole.total), "80.000 %");
    assert_eq!(percent(part.total), "87.500 %");
    assert_eq!(
        (whole.maintenance_ms, part.maintenance_ms),
        (0, 2 * HOUR_S * 1000)
    );
    assert_eq!(part.raw, whole.counted());
    assert_eq!(part.outages[0].to_ms, 3 * HOUR_S * 1000);
    let json = serde_json::to_value(part.with(true)).unwrap();
    assert_eq!(json["mttr_ms"], HOUR_S * 1000);
    assert_eq!(json["mtbf_ms"], 7 * HOUR_S * 1000);
    assert_eq!(json["raw"]["total"]["down_ms"], 2 * HOUR_S * 1000);
    assert_eq!(json["raw"]["total"]["low"], 0.8);
    let flags: Vec<bool> = json["intervals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|interval| interval["in_maintenance"].as_bool().unwrap())
        .collect();
    assert_eq!(flags, [false, false, true, true, false]);
    let said = text(&part, true);
    assert!(
        said.contains("\n  with 2 h 0 min maintenance") && said.contains("80.000 %"),
        "{said}"
    );
    assert!(said.contains("crashed, maintenance\n"), "{said}");
    assert!(!text(&whole, false).contains("maintenance"));

    // Nothing of it counts, and all of it is maintenance.
    let inside = report("a", intervals.clone(), &[hours(1, 5)]);
    assert!(inside.outages.is_empty() && inside.total.down_ms == 0);
    let all = report("a", intervals, &[hours(-5, 50)]);
    assert_eq!(percent(all.total), "-");
    assert_eq!(all.maintenance_ms, 10 * HOUR_S * 1000);
}

#[test]
fn maintenance_in_the_midst_of_an_outage_does_not_divide_it() {
    let down = vec![
        interval(0, 9 * HOUR_S, [Down; 3], Reason::Crashed),
        interval(9 * HOUR_S, 10 * HOUR_S, [Up; 3], Reason::Beats),
    ];
    let report = report(
        "a",
        down,
        &[hours(0, 1), hours(2, 3), hours(4, 5), hours(8, 9)],
    );
    let [outage] = report.outages.as_slice() else {
        panic!("{:?}", report.outages);
    };
    assert_eq!(
        [outage.from_ms, outage.to_ms, outage.down_ms].map(|ms| ms / 1000 / HOUR_S),
        [1, 8, 5]
    );
    assert!(text(&report, false).contains("5 h 0 min without maintenance: crashed"));
}

proptest! {
    #[test]
    fn every_ms_is_counted_or_maintenance_and_raw_figures_know_no_windows(
        lengths in prop::collection::vec((1i64..50, 0usize..3, 0usize..3), 1..30),
        edges in prop::collection::btree_set(-20i64..800, 0..20),
    ) {
        let states = [Up, Down, Unknown];
        let mut at = 0;
        let intervals: Vec<Interval> = lengths.iter().map(|&(length, server, network)| {
            at += length;
            interval(at - length, at, [states[server], states[network], Up], Reason::Beats)
        }).collect();
        let edges: Vec<i64> = edges.into_iter().collect();
        let windows: Vec<_> = edges.chunks_exact(2).map(|edge| edge[0] * 1000..edge[1] * 1000).collect();
        let whole = report("a", intervals.clone(), &[]);
        let part = report("a", intervals, &windows);
        for times in [part.server, part.network, part.agent, part.total] {
            let sum = times.up_ms + times.down_ms + times.unknown_ms;
            prop_assert_eq!(sum + part.maintenance_ms, at * 1000);
        }
        prop_assert_eq!(part.raw, whole.counted());
        prop_assert_eq!(part.outages.iter().map(|outage| outage.down_ms).sum::<i64>(), part.total.down_ms);
        prop_assert!(part.outages.len() <= whole.outages.len());
        prop_assert!(part.intervals.windows(2).all(|pair| pair[0].to_ms == pair[1].from_ms));
    }
}
