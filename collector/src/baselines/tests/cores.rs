//! Each formula beside figures that were worked out by hand.

use std::collections::BTreeSet;

use super::super::config::ConfigError;
use super::super::exports::{Exported, Usual, is_unusual};
use super::super::history::{Local, Past};
use super::super::hours::Histogram;
use super::super::judge::Reason;
use super::super::origins::Seen;
use super::super::sentence::sentence;
use super::super::volume::{deviation, median};
use super::*;

#[test]
fn deviations_are_those_of_median_and_mad() {
    for (samples, count, want) in [
        // Median 3, MAD 1: (10 - 3) / 1.4826 would be 4.72, but of counts of 3 the root is 1.73.
        (vec![1.0, 2.0, 3.0, 4.0, 5.0], 10.0, (3.0, 3.0f64.sqrt())),
        // MAD 0: never less than one.
        (vec![0.0; 9], 8.0, (0.0, 1.0)),
        (vec![100.0; 9], 160.0, (100.0, 10.0)),
        // One burst of the past moves nothing.
        (vec![0.0, 0.0, 0.0, 0.0, 5_000.0], 8.0, (0.0, 1.0)),
        (
            vec![0.0, 100.0, 200.0, 300.0, 400.0],
            800.0,
            (200.0, 148.26),
        ),
    ] {
        let far = deviation(count, &mut samples.clone(), 3).unwrap();
        let (middle, spread) = want;
        assert!((far.median - middle).abs() < 1e-9, "{samples:?}: {far:?}");
        assert!((far.spread - spread).abs() < 1e-9, "{samples:?}: {far:?}");
        assert!((far.deviations - (count - middle) / spread).abs() < 1e-9);
    }
    assert_eq!(deviation(5.0, &mut [], 0), None);
    assert_eq!((median(&[]), median(&[1.0, 2.0])), (None, Some(1.5)));
}

#[test]
fn a_burst_beside_the_same_hour_of_other_weeks() {
    let mut history = worker();
    let monday = at(42, 9);
    let with = |history: &History, events| {
        let mut history = history.clone();
        history
            .activity
            .push(activity(monday, "app_login", true, events, 0));
        judged(&history, monday)
    };
    assert_eq!(with(&history, 7), []);
    assert_eq!(with(&history, 8), [Detector::UnusualVolume]);
    // Successes are not failures; kinds that are not asked for are not looked at.
    history
        .activity
        .push(activity(monday, "sudo", false, 5_000, 0));
    assert_eq!(judged(&history, monday), []);
    // Every Monday at nine; at another hour it is unusual still.
    for week in 0..6 {
        history
            .activity
            .push(activity(at(week * 7, 9), "app_login", true, 9, 0));
    }
    assert_eq!(with(&history, 12), [Detector::UnusualVolume]);
    for week in 0..6 {
        history
            .activity
            .push(activity(at(week * 7, 8), "app_login", true, 9, 0));
    }
    assert_eq!(with(&history, 12), []);
    // Of a week nobody knows what is usual.
    let mut young = History::default();
    young
        .activity
        .push(activity(at(38, 9), "app_login", false, 1, 0));
    assert_eq!(with(&young, 500), []);
}

#[test]
fn exports_beside_the_largest_hour() {
    let settings = Config::default().export_volume;
    let usual = |largest, exports| Usual {
        largest: Exported {
            records: largest,
            exports,
        },
        total: Exported {
            records: largest,
            exports,
        },
    };
    for (before, hour, want) in [
        ((0, 0), (10_000, 1), false),
        ((0, 0), (10_001, 1), true),
        ((0, 0), (0, 20), false),
        ((0, 0), (0, 21), true),
        ((300, 3), (900, 9), false),
        ((300, 3), (999, 9), false),
        ((300, 3), (1_000, 9), true),
        ((5_000, 3), (15_000, 3), false),
        ((5_000, 3), (15_001, 3), true),
        ((300, 3), (300, 10), true),
    ] {
        let hour = Exported {
            records: hour.0,
            exports: hour.1,
        };
        assert_eq!(
            is_unusual(&settings, &usual(before.0, before.1), hour),
            want,
            "{before:?} {hour:?}"
        );
    }
    let mut history = worker();
    history
        .activity
        .push(activity(at(35, 10), "data_export", false, 3, 300));
    history
        .activity
        .push(activity(at(42, 10), "data_export", false, 42, 5_000));
    let found = judge(&Config::default(), &TimeZone::utc(), &history, at(42, 10));
    assert_eq!(
        sentence("x\u{1b}[2J", "UTC", &found[0]),
        "Unusual export volume: 42 exports with 5000 records by user x\\u{1b}[2J in the hour from 2026-11-16 10:00:00 UTC; this user's largest hour in 35 days is 3 exports with 300 records, and all together are 3 exports with 300 records."
    );
    // What failed took nothing out.
    history.activity.last_mut().unwrap().failed = true;
    assert_eq!(judged(&history, at(42, 10)), []);
}

#[test]
fn a_network_is_new_until_it_is_known_and_after_it_was_forgotten() {
    let mut history = worker();
    let (old, new) = ("192.0.2.0/24", "203.0.113.0/24");
    let with = |history: &History, network: &str, day, hour| {
        let mut history = history.clone();
        history
            .logins
            .push(login(at(day, hour), network, "crm password"));
        judged(&history, at(day, hour))
    };
    assert_eq!(with(&history, old, 42, 9), []);
    assert_eq!(with(&history, "", 42, 9), []);
    assert_eq!(with(&history, new, 42, 9), [Detector::NewNetwork]);
    // At night as well: nobody was told of one of them, of both somebody is.
    assert_eq!(
        with(&history, new, 42, 3),
        [
            Detector::NewNetwork,
            Detector::UnusualHour,
            Detector::UnusualLogin
        ]
    );
    assert_eq!(with(&history, old, 42, 3), [Detector::UnusualHour]);
    // Known a day later, and not earlier.
    history.logins.push(login(at(42, 9), new, "crm password"));
    assert_eq!(with(&history, new, 43, 8), [Detector::NewNetwork]);
    assert_eq!(with(&history, new, 43, 10), []);
    // A new user is no alarm at every login.
    let young = History {
        logins: (0..9).map(|day| login(at(day, 9), old, "")).collect(),
        ..History::default()
    };
    assert_eq!(with(&young, new, 10, 3), []);
    // Nor is one who always comes from somewhere else.
    let roaming = |day| login(at(day, 9), &format!("198.51.{day}.0/24"), "");
    let traveller = History {
        logins: (0..40).map(roaming).collect(),
        ..History::default()
    };
    assert_eq!(with(&traveller, new, 42, 9), []);
}

#[test]
fn weights_halve_and_novelty_is_good_turings() {
    let settings = Config::default().new_network;
    let seen = Seen::of(
        &settings,
        [
            ("a", 1, 60.0),
            ("b", 2, 61.0),
            ("c", 3, 30.0),
            ("c", 3, 29.0),
            ("c", 4, 0.0),
            ("", 5, 0.0),
        ]
        .into_iter(),
    );
    let weight = |name: &str| seen.origins[name].weight;
    assert!((weight("a") - 0.25).abs() < 1e-9);
    assert!(weight("b") < 0.25 && (weight("c") - 1.5).abs() < 1e-9);
    // Two of four days are of what was seen once.
    assert!((seen.novelty() - 0.5).abs() < 1e-9);
    assert!((Seen::default().novelty() - 1.0).abs() < 1e-9);
}

#[test]
fn hours_add_up_to_one_and_none_is_impossible() {
    assert!(
        (Histogram::default().probability(Local { day: 0, hour: 3 }) - 1.0 / 24.0).abs() < 1e-9
    );
    let hours: BTreeSet<Local> = (0..60)
        .flat_map(|day| [23, 0].map(|hour| Local { day, hour }))
        .collect();
    let histogram = Histogram::of(&hours);
    for day in [4, 9] {
        let all: f64 = (0..24)
            .map(|hour| histogram.probability(Local { day, hour }))
            .sum();
        assert!((all - 1.0).abs() < 1e-9, "{all}");
        let of = |hour| histogram.probability(Local { day, hour });
        // Across midnight.
        assert!(of(23) > 0.29 && of(0) > 0.29 && of(2) > 0.04 && of(12) > 0.0);
        assert!(of(12) < 0.005, "{}", of(12));
    }
}

#[test]
fn hours_are_those_of_the_clocks() {
    let zone = berlin();
    // 25 October 2026: at 01:00 UTC clocks go back from 3 to 2.
    let local = |day, hour| {
        let local = Local::of(&zone, at(day, hour));
        (local.weekday(), local.hour)
    };
    assert_eq!(local(0, 22), (1, 0));
    assert_eq!(
        (local(20, 0), local(20, 1), local(20, 2)),
        ((6, 2), (6, 2), (6, 3))
    );
    assert_eq!(Local::of(&zone, at(20, 1)).hour_of_week(), 6 * 24 + 2);
    // 28 March 2027: they go forward from 2 to 3.
    assert_eq!((local(174, 0), local(174, 1)), ((6, 1), (6, 3)));
    // Who logs in at nine by the clocks does so after the change too, and a night stays one.
    let summer = |day: i64| if day < 20 { 7 } else { 8 };
    let mut history = History {
        logins: (0..42)
            .map(|day| login(at(day, summer(day)), "192.0.2.0/24", ""))
            .collect(),
        ..History::default()
    };
    history.logins.push(login(at(42, 8), "192.0.2.0/24", ""));
    history.logins.push(login(at(43, 0), "192.0.2.0/24", ""));
    let judged = |hour_ms| detectors(&judge(&Config::default(), &zone, &history, hour_ms));
    assert_eq!(judged(at(42, 8)), []);
    assert_eq!(judged(at(43, 0)), [Detector::UnusualHour]);
}

#[test]
fn what_was_told_is_no_past_until_its_quarantine_is_over() {
    let mut history = worker();
    let (first, last) = (at(30, 2), at(30, 5) + 60_000);
    for hour in 2..=5 {
        history
            .activity
            .push(activity(at(30, hour), "data_export", false, 9, 40_000));
    }
    history
        .activity
        .push(activity(at(42, 9), "data_export", false, 9, 40_000));
    assert_eq!(judged(&history, at(42, 9)), []);
    history.told = vec![(first, last)];
    assert_eq!(judged(&history, at(42, 9)), [Detector::ExportVolume]);
    let past = |day| {
        let days = at(day, 2);
        Past::new(days, 42, 24, 14, &history.told)
    };
    assert!(!past(42).has(at(30, 2)) && !past(42).has(at(30, 5)));
    assert!(past(42).has(at(30, 1)) && past(42).has(at(30, 6)));
    assert!(!past(43).has(at(30, 2)) && past(44).has(at(30, 2)));
    // Up to a day before, and from six weeks before on.
    assert!(past(42).has(at(41, 1)) && !past(42).has(at(41, 2)));
    assert!(past(42).has(at(0, 2)) && !past(42).has(at(0, 1)));
}

#[test]
fn settings_that_cannot_be_are_named() {
    assert_eq!(Config::default().validate(), Ok(()));
    let mut config = Config::default();
    config.unusual_hour.level = "bad".to_owned();
    let told = config.validate().unwrap_err().to_string();
    assert!(
        told.contains("baselines.unusual_hour.level") && told.contains("off"),
        "{told}"
    );
    config = Config::default();
    config.new_network.novelty_max = f64::NAN;
    assert!(matches!(
        config.validate(),
        Err(ConfigError::Number {
            key: "new_network.novelty_max",
            ..
        })
    ));
    config = Config::default();
    config.export_volume.days = 90;
    assert!(
        config
            .validate()
            .unwrap_err()
            .to_string()
            .contains("2 to 42")
    );
    config = Config::default();
    config.zone = "../etc/passwd".to_owned();
    assert!(config.validate().is_err());
    config = Config::default();
    config.new_network.level = "off".to_owned();
    let mut history = worker();
    history
        .logins
        .push(login(at(42, 3), "203.0.113.0/24", "crm password"));
    let verdicts = judge(&config, &TimeZone::utc(), &history, at(42, 3));
    assert_eq!(
        detectors(&verdicts),
        [Detector::UnusualHour, Detector::UnusualLogin]
    );
    assert!(matches!(&verdicts[1].reason, Reason::Several(why) if why.len() == 2));
}
