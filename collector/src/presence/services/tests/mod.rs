mod properties;

use std::ops::Range;

use super::hours::claims;
use super::targets::{Failed, FailedBy, FailedTarget};
use super::timeline::{Evidence, HOLD_MAX_MS, Run, SERVICE_EXPECTED_MS, Track, timeline};
use super::{report, text};
use crate::presence::availability::{Step, steps};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// Runs half a minute apart, good but where `failed` has them.
fn track(place: &str, target: &str, asked: Range<i64>, failed: &[Range<i64>]) -> Track {
    let at = (0..).map(|number| asked.start + number * 30_000);
    let at = at.take_while(|at_ms| *at_ms < asked.end);
    let runs = at.map(|at_ms| Run {
        at_ms,
        up: !failed.iter().any(|range| range.contains(&at_ms)),
        interval_ms: 30_000,
    });
    Track {
        agent_id: place.to_owned(),
        target: target.to_owned(),
        runs: runs.collect(),
    }
}

fn of(tracks: Vec<Track>) -> Evidence {
    Evidence {
        tracks,
        last_ms: None,
    }
}

fn told(evidence: &Evidence, asked: Range<i64>) -> String {
    claims(&timeline(evidence, &asked, i64::MAX))
}

#[test]
fn twenty_seconds_in_an_hour_are_99_44_per_cent() {
    let run = |at_s: i64, up| Run {
        at_ms: at_s * 1000,
        up,
        interval_ms: 20_000,
    };
    let runs = (0..180).map(|number| run(number * 20, number != 90));
    let track = Track {
        agent_id: "a".to_owned(),
        target: "page".to_owned(),
        runs: runs.collect(),
    };
    let intervals = timeline(&of(vec![track]), &(0..HOUR), HOUR);
    let report = report("crm", &intervals, &[]);
    let page = FailedTarget {
        target: "page".to_owned(),
        failed_runs: 1,
        agents: 1,
    };
    let of_outage = Failed {
        named: vec![page],
        others: 2,
    };
    let failed = FailedBy::from([((1_800_000, 1_820_000), of_outage)]);
    let said = text::line(&report, None) + &text::outages(&report, &failed, true);
    assert!(
        said.contains("crm") && said.contains(" 99.444 % "),
        "{said}"
    );
    assert!(
        said.contains(
            "  down 1970-01-01 00:30:00 to 1970-01-01 00:30:20, 20 s: page (1 failed run of 1 agent), 2 more\n"
        ),
        "{said}"
    );
    let json = serde_json::to_value(report.document(&(0..HOUR), &failed, true)).unwrap();
    assert_eq!(json["answered"]["mttr_ms"], 20_000);
    assert_eq!(json["answered"]["mtbf_ms"], 3_580_000);
    let outage = &json["everywhere"]["outages"][0];
    assert_eq!(outage["down_ms"], 20_000);
    assert_eq!(outage["failed_targets"][0]["target"], "page");
    assert_eq!(outage["other_failed_targets"], 2);
    assert_eq!(json["intervals"].as_array().unwrap().len(), 3);
}

#[test]
fn days_of_the_change_have_23_and_25_hours() {
    let zone = tz::TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    // Midnight of Berlin on 2026-03-29 and on 2026-10-25, Unix s.
    for (midnight_s, hours) in [(1_774_738_800, 23), (1_792_879_200, 25)] {
        let day = midnight_s * 1000..midnight_s * 1000 + hours * HOUR;
        let asked = day.start - HOUR..day.end + HOUR;
        let bad = day.start + 5 * HOUR..day.start + 6 * HOUR;
        let runs = track("a", "page", asked.clone(), std::slice::from_ref(&bad));
        let intervals = timeline(&of(vec![runs]), &asked, asked.end);
        let days = steps(Step::Day, &zone, &asked).unwrap();
        assert_eq!(days.get(1), Some(&day));
        let of_day = report("crm", &super::clip(intervals, &day), &[]);
        let times = of_day.answered.times;
        assert_eq!((times.up_ms, times.down_ms), ((hours - 1) * HOUR, HOUR));
    }
}

#[test]
fn a_monitor_that_is_away_for_five_hours_is_neither_up_nor_down() {
    let day = 24 * HOUR;
    let away = vec![
        track("a", "page", 0..10 * HOUR, &[]),
        track("a", "page", 15 * HOUR..day, &[]),
    ];
    let intervals = timeline(&of(away), &(0..day), day);
    // The last run holds for a minute from its start, so half a minute longer than the next would come.
    let held = 30_000;
    let want = format!(
        "up/up {}, unknown/unknown {}, up/up {}",
        10 * HOUR + held,
        5 * HOUR - held,
        9 * HOUR
    );
    assert_eq!(claims(&intervals), want);
}

#[test]
fn places_and_targets_are_taken_together() {
    let half = 30 * MINUTE..HOUR;
    let failed = std::slice::from_ref(&half);
    let (first, second) = (30 * MINUTE, HOUR - 30 * MINUTE);
    // One place of two gets no answer: the service answered, but not everywhere.
    let good = || track("a", "page", 0..HOUR, &[]);
    let bad = || track("b", "page", 0..HOUR, failed);
    let one = of(vec![good(), bad()]);
    assert_eq!(
        told(&one, 0..HOUR),
        format!("up/up {first}, up/down {second}")
    );
    // One target of two is down everywhere.
    let other = track("b", "login", 0..HOUR, failed);
    let one = of(vec![good(), other]);
    assert_eq!(
        told(&one, 0..HOUR),
        format!("up/up {first}, down/down {second}")
    );
    // A place that knows nothing counts for neither, and a target of which nobody knows is unknown.
    let gone = || track("b", "page", 0..30 * MINUTE, &[]);
    assert_eq!(
        told(&of(vec![good(), gone()]), 0..HOUR),
        format!("up/up {HOUR}")
    );
    let gone = track("b", "login", 0..30 * MINUTE, &[]);
    let (known, unknown) = (30 * MINUTE + 30_000, 30 * MINUTE - 30_000);
    let one = of(vec![good(), gone]);
    assert_eq!(
        told(&one, 0..HOUR),
        format!("up/up {known}, unknown/unknown {unknown}")
    );
    // What is down is that, whatever is unknown.
    let all = 0..HOUR;
    let gone = track("b", "login", 0..30 * MINUTE, &[]);
    let one = of(vec![
        track("a", "page", 0..HOUR, std::slice::from_ref(&all)),
        gone,
    ]);
    assert_eq!(told(&one, 0..HOUR), format!("down/down {HOUR}"));
}

#[test]
fn a_target_that_is_taken_out_is_unknown_for_an_hour_and_a_service_for_a_day() {
    let taken = track("a", "old", 0..HOUR, &[]);
    let last_ms = HOUR - 30_000;
    let stays = track("a", "page", 0..5 * HOUR, &[]);
    let want = format!(
        "up/up {}, unknown/unknown {}, up/up {}",
        last_ms + MINUTE,
        HOUR - MINUTE,
        5 * HOUR - last_ms - HOUR
    );
    let all = of(vec![taken.clone(), stays]);
    assert_eq!(told(&all, 0..5 * HOUR), want);
    // The last of all targets.
    let want = format!(
        "up/up {}, unknown/unknown {}",
        last_ms + MINUTE,
        SERVICE_EXPECTED_MS - MINUTE
    );
    let intervals = timeline(&of(vec![taken]), &(-HOUR..100 * HOUR), 100 * HOUR);
    assert_eq!(claims(&intervals), want);
    assert_eq!(
        intervals[0].from_ms, 0,
        "before it was asked it is not counted"
    );
    // Also by its last run alone, which is how a later hour knows of it.
    let before = Evidence {
        last_ms: Some(last_ms),
        ..Evidence::default()
    };
    let later = 10 * HOUR..11 * HOUR;
    assert_eq!(told(&before, later), format!("unknown/unknown {HOUR}"));
    assert_eq!(told(&before, 26 * HOUR..30 * HOUR), "");
    assert_eq!(told(&Evidence::default(), 0..HOUR), "");
}

#[test]
fn a_run_holds_for_two_of_its_intervals_and_not_beyond_now() {
    let run = |interval_ms: i64| {
        let run = Run {
            at_ms: 0,
            up: false,
            interval_ms,
        };
        of(vec![Track {
            runs: vec![run],
            ..Track::default()
        }])
    };
    let asked = 0..6 * HOUR;
    let of_interval = |interval_ms| claims(&timeline(&run(interval_ms), &asked, 5 * HOUR));
    let want = |known: i64| format!("down/down {known}, unknown/unknown {}", 5 * HOUR - known);
    assert_eq!(of_interval(30_000), want(MINUTE));
    assert_eq!(of_interval(HOUR), want(2 * HOUR));
    // An interval that took in a gap.
    assert_eq!(of_interval(9 * HOUR), want(HOLD_MAX_MS));
    assert_eq!(of_interval(i64::MAX), want(HOLD_MAX_MS));
}

#[test]
fn maintenance_is_left_out_and_the_raw_figures_stay() {
    let half = 30 * MINUTE..HOUR;
    let bad = track("a", "page", 0..2 * HOUR, std::slice::from_ref(&half));
    let intervals = timeline(&of(vec![bad]), &(0..2 * HOUR), 2 * HOUR);
    let window = 40 * MINUTE..HOUR;
    let report = report("crm", &intervals, std::slice::from_ref(&window));
    assert_eq!(report.maintenance_ms, 20 * MINUTE);
    let json =
        serde_json::to_value(report.document(&(0..2 * HOUR), &FailedBy::new(), false)).unwrap();
    assert_eq!(json["answered"]["down_ms"], 10 * MINUTE);
    assert_eq!(json["answered"]["low"], 0.9);
    assert_eq!(json["raw"]["answered"]["down_ms"], 30 * MINUTE);
    assert_eq!(json["raw"]["everywhere"]["low"], 0.75);
    let said = text::line(&report, None);
    assert!(
        said.contains("90.000 %") && said.contains("\n  with 20 min 0 s maintenance"),
        "{said}"
    );
}
