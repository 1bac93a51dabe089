//! What is said of a host.

use proptest::prelude::*;

use super::super::host::{Facts, Sight, State, judge, order};
use super::super::{Host, Level};
use super::{NOW_MS, named, sight};
use crate::presence::live;

const MINUTE_MS: i64 = 60_000;

/// Heard a second ago, with figures.
fn heard(word: Option<live::State>) -> Facts {
    Facts {
        word,
        word_ms: NOW_MS - 18 * MINUTE_MS,
        expected_ms: NOW_MS - 60 * MINUTE_MS,
        heard_ms: NOW_MS - 1_000,
        heartbeat_age_seconds: Some(1.0),
        data_age_seconds: Some(2.0),
        ..Facts::default()
    }
}

fn silent(word: Option<live::State>) -> Facts {
    Facts {
        heard_ms: NOW_MS - 20 * MINUTE_MS,
        heartbeat_age_seconds: Some(1_200.0),
        data_age_seconds: Some(1_201.0),
        ..heard(word)
    }
}

#[test]
fn the_word_of_the_watch_goes_first() {
    use live::State as Word;
    let told = |facts: &Facts, sight: &Sight| {
        let standing = judge(facts, sight);
        (standing.state, standing.level, standing.text)
    };
    let on = sight();
    let nobody_watches = Sight {
        is_watched: false,
        ..on
    };
    let nobody_receives = Sight {
        received_ms: NOW_MS - 5 * MINUTE_MS,
        ..on
    };
    let never = Facts {
        expected_ms: NOW_MS - MINUTE_MS,
        ..Facts::default()
    };
    let stopped = Facts {
        stopped_ms: Some(NOW_MS - 19 * MINUTE_MS),
        ..silent(Some(Word::Unknown))
    };
    let skewed = Facts {
        heartbeat_age_seconds: Some(300.0),
        data_age_seconds: Some(302.0),
        ..heard(Some(Word::Up))
    };
    let cases = [
        (heard(Some(Word::Up)), on, State::Up, Level::Good, "up"),
        // The agent's clock is behind; the watch knows better.
        (skewed, on, State::Up, Level::Good, "up"),
        (
            heard(Some(Word::Down)),
            on,
            State::Down,
            Level::Bad,
            "down since 10:42 UTC",
        ),
        (
            silent(Some(Word::Down)),
            on,
            State::Down,
            Level::Bad,
            "down since 10:42 UTC",
        ),
        (
            silent(Some(Word::Suspect)),
            on,
            State::Suspect,
            Level::Warn,
            "silent, suspected since 10:42 UTC",
        ),
        (
            stopped,
            on,
            State::Stopped,
            Level::Warn,
            "stopped in good order at 10:41 UTC",
        ),
        (
            silent(Some(Word::Unknown)),
            on,
            State::Stopped,
            Level::Warn,
            "stopped or not judged yet, last heard 10:40 UTC",
        ),
        (heard(Some(Word::Unknown)), on, State::Up, Level::Good, "up"),
        (
            silent(None),
            on,
            State::Silent,
            Level::Bad,
            "silent since 10:40 UTC",
        ),
        (
            silent(Some(Word::Up)),
            nobody_watches,
            State::Silent,
            Level::Bad,
            "silent since 10:40 UTC",
        ),
        (
            heard(Some(Word::Down)),
            nobody_watches,
            State::Up,
            Level::Good,
            "up",
        ),
        (
            silent(Some(Word::Down)),
            nobody_receives,
            State::Unknown,
            Level::Unknown,
            "not known, last heard 10:40 UTC",
        ),
        (
            silent(Some(Word::Up)),
            nobody_receives,
            State::Unknown,
            Level::Unknown,
            "not known, last heard 10:40 UTC",
        ),
        (
            never.clone(),
            on,
            State::Never,
            Level::Unknown,
            "never seen, expected since 10:59 UTC",
        ),
        (
            never,
            nobody_receives,
            State::Unknown,
            Level::Unknown,
            "not known, never heard",
        ),
        (
            Facts {
                expected_ms: NOW_MS - 26 * 60 * MINUTE_MS,
                ..Facts::default()
            },
            on,
            State::Never,
            Level::Warn,
            "never seen, expected since 2026-11-28 09:00 UTC",
        ),
        (
            Facts {
                data_age_seconds: None,
                ..heard(Some(Word::Up))
            },
            on,
            State::Stale,
            Level::Warn,
            "heard, but sent no figures yet",
        ),
        (
            Facts {
                data_age_seconds: Some(300.0),
                ..heard(Some(Word::Up))
            },
            on,
            State::Stale,
            Level::Warn,
            "heard, but its figures are 5 min old",
        ),
        (
            Facts {
                in_maintenance: true,
                ..silent(Some(Word::Down))
            },
            on,
            State::Maintenance,
            Level::Unknown,
            "in maintenance, silent",
        ),
        (
            heard(Some(Word::Maintenance)),
            on,
            State::Maintenance,
            Level::Good,
            "in maintenance, heard",
        ),
    ];
    for (facts, sight, state, level, text) in cases {
        assert_eq!(
            told(&facts, &sight),
            (state, level, text.to_owned()),
            "{facts:?}"
        );
    }
}

#[test]
fn the_worst_is_first_and_of_alikes_the_newest() {
    let mut hosts = [
        named("b-up", State::Up, Level::Good, ""),
        named("a-up", State::Up, Level::Good, ""),
        named("idle", State::Maintenance, Level::Good, ""),
        named("never", State::Never, Level::Warn, ""),
        Host {
            since_ms: Some(1),
            ..named("down-long", State::Down, Level::Bad, "")
        },
        Host {
            since_ms: Some(2),
            ..named("down-new", State::Down, Level::Bad, "")
        },
        named("unknown", State::Unknown, Level::Unknown, ""),
        named("suspect", State::Suspect, Level::Warn, ""),
    ];
    hosts.sort_by(order);
    let names: Vec<&str> = hosts.iter().map(|host| host.agent_id.as_str()).collect();
    assert_eq!(
        names,
        [
            "down-new",
            "down-long",
            "suspect",
            "never",
            "unknown",
            "idle",
            "a-up",
            "b-up"
        ]
    );
}

proptest! {
    /// Whatever else is known: who was not heard lately is not good, and nobody is where nobody receives
    /// and the watch has no word.
    #[test]
    fn silence_is_never_good(
        word in prop::option::of(prop::sample::select(live::State::ALL.to_vec())),
        word_ms in 0..NOW_MS,
        heard_ago_ms in prop::option::of(0..100_000_000i64),
        data_age in prop::option::of(0.0..1e6f64),
        is_watched: bool,
        received_ago_ms in 0..100_000i64,
        in_maintenance: bool,
    ) {
        let sight = Sight { is_watched, received_ms: NOW_MS - received_ago_ms, ..sight() };
        let age = heard_ago_ms.map(|ms| f64::from(i32::try_from(ms).unwrap()) / 1_000.0);
        let facts = Facts {
            word,
            word_ms,
            heard_ms: heard_ago_ms.map_or(0, |ago| NOW_MS - ago),
            heartbeat_age_seconds: age,
            data_age_seconds: data_age,
            in_maintenance,
            ..Facts::default()
        };
        let standing = judge(&facts, &sight);
        let is_silent = age.is_none_or(|age| age > 30.0);
        let is_told_up = word == Some(live::State::Up) && is_watched && word_ms > 0 && sight.is_received();
        if is_silent && !is_told_up {
            prop_assert_ne!(standing.level, Level::Good, "{:?}", standing);
        }
        if data_age.is_none() && !in_maintenance && word != Some(live::State::Maintenance) {
            prop_assert_ne!(standing.level, Level::Good, "{:?}", standing);
        }
        prop_assert!(standing.text.len() < 100);
    }
}
