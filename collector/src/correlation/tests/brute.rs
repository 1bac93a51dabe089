//! The core against a computation that looks at every pair of events, and against one pass over all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::episodes::{Key, NOT_MERGED, join, runs};
use super::super::finding::Finding;
use super::super::firing::{Event, arrange, firings};
use super::super::rule::{Kind, Rule, Wanted};
use super::{event, rule};
use crate::correlation::field::Field;

fn rules() -> Vec<Rule> {
    let one_of = |parts| Wanted::AtLeast(1, parts);
    let wanted = Wanted::All(vec![
        Wanted::Base(0),
        one_of(vec![Wanted::Base(1), Wanted::Base(2)]),
    ]);
    let values = vec![vec![Field::User]; 2];
    vec![
        rule(2, Kind::EventCount { at_least: 5 }),
        rule(
            2,
            Kind::ValueCount {
                at_least: 4,
                values,
            },
        ),
        rule(3, Kind::Temporal(wanted)),
        rule(
            3,
            Kind::Temporal(Wanted::AtLeast(2, (0..3).map(Wanted::Base).collect())),
        ),
        rule(3, Kind::Ordered),
    ]
}

/// Whether the rule fires at an event, by its definition.
fn fires(rule: &Rule, events: &[Event], place: usize) -> bool {
    let last = &events[place];
    let window: Vec<&Event> = events[..=place]
        .iter()
        .filter(|event| event.at_ms > last.at_ms - rule.timespan_ms)
        .collect();
    match &rule.kind {
        Kind::EventCount { at_least } => {
            window.iter().map(|event| event.count).sum::<u64>() >= *at_least
        }
        Kind::ValueCount { at_least, .. } => {
            let values: BTreeSet<&str> = window.iter().map(|event| event.value.as_str()).collect();
            let count = values.iter().filter(|value| !value.is_empty()).count();
            !last.value.is_empty() && count as u64 >= *at_least
        }
        Kind::Temporal(wanted) => wanted.is_met(window.iter().fold(0, |all, one| all | one.bases)),
        Kind::Ordered => {
            let matches = |event: &Event, place: usize| event.bases >> place & 1 == 1;
            let (third, before) = window.split_last().unwrap();
            matches(third, 2)
                && (0..before.len()).any(|second| {
                    matches(before[second], 1)
                        && before[..second].iter().any(|first| matches(first, 0))
                })
        }
    }
}

/// First and last firing of each finding, by definition.
fn episodes(rule: &Rule, events: &[Event]) -> BTreeSet<(i64, i64)> {
    let fired = (0..events.len()).filter(|&place| fires(rule, events, place));
    let mut found: Vec<(i64, i64)> = Vec::new();
    for at_ms in fired.map(|place| events[place].at_ms) {
        match found.last_mut() {
            Some(last) if at_ms - last.1 <= rule.suppress_ms => last.1 = at_ms,
            _ => found.push((at_ms, at_ms)),
        }
    }
    found.into_iter().collect()
}

/// Looks at what is new of a key as the watch does: at the events around, and at findings that are near.
fn look(rule: &Rule, all: &[Event], new: &[Event], findings: &mut Vec<Finding>, now_ms: i64) {
    let times = || new.iter().map(|event| event.at_ms);
    let (first_ms, last_ms) = (times().min().unwrap(), times().max().unwrap());
    let is_near = |event: &&Event| {
        event.at_ms > first_ms - rule.timespan_ms && event.at_ms < last_ms + rule.timespan_ms
    };
    let mut events: Vec<Event> = all.iter().filter(is_near).cloned().collect();
    arrange(&mut events);
    let mut fired = firings(rule, &events);
    fired.retain(|firing| firing.at_ms >= first_ms);
    let stored: Vec<Finding> = findings
        .iter()
        .filter(|finding| {
            finding.merged_into == NOT_MERGED
                && finding.last_ms >= first_ms - rule.suppress_ms
                && finding.first_ms <= last_ms + rule.timespan_ms + rule.suppress_ms
        })
        .cloned()
        .collect();
    let key = Key {
        rule,
        values: &["192.0.2.7".to_owned()],
        hash: 1,
    };
    for changed in join(key, &stored, &runs(&fired, rule.suppress_ms), now_ms) {
        findings.retain(|finding| finding.finding_id != changed.finding_id);
        findings.push(changed);
    }
}

fn alive(findings: &[Finding]) -> BTreeSet<(i64, i64)> {
    let alive = findings.iter().filter(|one| one.merged_into == NOT_MERGED);
    let spans: Vec<(i64, i64)> = alive.map(|one| (one.first_ms, one.last_ms)).collect();
    let all: BTreeSet<(i64, i64)> = spans.iter().copied().collect();
    assert_eq!(all.len(), spans.len(), "two findings of one episode");
    all
}

/// Events of a key: bursts and quiet times, now and then several within a millisecond. On a grid of some
/// seconds, ends of windows and pauses lie exactly on events.
fn events(random: &mut fastrand::Rng, count: u64, grid_ms: i64) -> Vec<Event> {
    let mut at_ms = 1_700_000_000_000;
    (0..count)
        .map(|_| {
            at_ms += match random.u32(..100) {
                0..30 => 0,
                30..60 => random.i64(1..5_000),
                60..97 => random.i64(5_000..60_001),
                _ => random.i64(60_000..400_000),
            };
            let value = ["", "a", "b", "c", "d", "e"][random.usize(..6)];
            let bases = [1, 1, 2, 2, 4, 3, 5][random.usize(..7)];
            let mut event = event(at_ms - at_ms % grid_ms, random.u64(..), bases, value);
            event.count = random.u64(1..4);
            event
        })
        .collect()
}

#[test]
fn findings_are_those_of_one_pass_in_whatever_order_events_come() {
    let mut random = fastrand::Rng::with_seed(41);
    let (keys, each) = (40, 500);
    let mut total = BTreeMap::new();
    for rule in &rules() {
        for key in 0..keys {
            let mut all = events(&mut random, each, [1, 20_000][key % 2]);
            arrange(&mut all);
            let expected = episodes(rule, &all);
            // Late by nothing, some seconds, or days; some looks see what was seen before again.
            let mut arriving: Vec<(i64, Event)> = all
                .iter()
                .map(|event| {
                    let late_ms = match random.u32(..10) {
                        0..6 => random.i64(..3_000),
                        6..9 => random.i64(..600_000),
                        _ => random.i64(..400_000_000),
                    };
                    (event.at_ms + late_ms, event.clone())
                })
                .collect();
            arriving.sort_by_key(|(at_ms, event)| (*at_ms, event.event_id));
            let (mut stored, mut findings) = (Vec::new(), Vec::new());
            let mut seen = 0;
            while seen < arriving.len() {
                let end = (seen + random.usize(1..12)).min(arriving.len());
                let from = seen.saturating_sub(random.usize(..6));
                let new: Vec<Event> = arriving[from..end]
                    .iter()
                    .map(|(_, one)| one.clone())
                    .collect();
                stored.extend(arriving[seen..end].iter().map(|(_, one)| one.clone()));
                look(rule, &stored, &new, &mut findings, arriving[end - 1].0);
                seen = end;
            }
            assert_eq!(alive(&findings), expected, "{}", rule.kind.name());
            // Whoever was merged is a part of one that is there.
            for merged in findings.iter().filter(|one| one.merged_into != NOT_MERGED) {
                assert!(merged.is_over());
                let is_there = |one: &Finding| one.finding_id == merged.merged_into;
                assert!(findings.iter().any(is_there));
            }
            let (events, found): &mut (usize, usize) = total.entry(rule.kind.name()).or_default();
            *events += all.len();
            *found += expected.len();
        }
    }
    // Neither none nor all the same: the comparison was about something.
    assert!(total.values().all(|&(_, found)| found > 100), "{total:?}");
    assert_eq!(
        total.values().map(|(events, _)| events).sum::<usize>(),
        100_000
    );
}

#[test]
fn the_end_of_a_window_is_exact() {
    let counts = rule(1, Kind::EventCount { at_least: 2 });
    let at = |times: [i64; 2]| {
        let events = [event(times[0], 1, 1, ""), event(times[1], 2, 1, "")];
        firings(&counts, &events).len()
    };
    assert_eq!(at([0, 59_999]), 1);
    assert_eq!(at([0, 60_000]), 0);
    // One event that matches all of the rules is no chain of them.
    let ordered = rule(2, Kind::Ordered);
    assert!(firings(&ordered, &[event(0, 1, 3, "")]).is_empty());
    let two = [event(0, 1, 3, ""), event(0, 2, 3, "")];
    assert_eq!(firings(&ordered, &two).len(), 1);
    // Of one time, whatever their ids say: logs are often exact to the second.
    for ids in [[1, 2], [2, 1]] {
        let mut events = vec![event(0, ids[0], 1, ""), event(0, ids[1], 2, "")];
        arrange(&mut events);
        assert_eq!(firings(&ordered, &events).len(), 1, "{ids:?}");
    }
    let mut backwards = vec![event(1, 1, 1, ""), event(0, 2, 2, "")];
    arrange(&mut backwards);
    assert!(firings(&ordered, &backwards).is_empty());
    // An event that was read once for each of its rules counts once.
    let mut twice = vec![event(0, 1, 2, "x"), event(0, 1, 1, "")];
    arrange(&mut twice);
    assert_eq!(twice, [event(0, 1, 3, "x")]);
}

#[test]
fn a_finding_that_goes_on_after_its_end_is_told_again_and_others_are_not() {
    let rule = rule(1, Kind::EventCount { at_least: 1 });
    let key = Key {
        rule: &rule,
        values: &["192.0.2.7".to_owned()],
        hash: 1,
    };
    let at = |at_ms: i64| {
        let fired = firings(&rule, &[event(at_ms, at_ms.unsigned_abs(), 1, "")]);
        runs(&fired, rule.suppress_ms)
    };
    let mut first = join(key, &[], &at(1_000_000), 1_000_500);
    assert_eq!(first.len(), 1);
    let mut ended = first.remove(0);
    let told = ended.incident().unwrap();
    assert_eq!((told.incident_id, told.ended_ms), (ended.finding_id, None));
    ended.ended_ms = 2_000_000;
    // Long over: it becomes longer, and nobody is told.
    let late = join(key, &[ended.clone()], &at(1_100_000), 9_000_000);
    assert_eq!((late[0].last_ms, late[0].ended_ms), (1_100_000, 2_000_000));
    assert_eq!(late[0].generation, 0);
    // It goes on now.
    let again = join(key, &[ended.clone()], &at(1_120_000), 1_121_000);
    assert_eq!((again[0].ended_ms, again[0].generation), (0, 1));
    assert_eq!(again[0].finding_id, ended.finding_id);
    assert_ne!(again[0].incident().unwrap().incident_id, told.incident_id);
    // A pause longer than the rule's makes another; an event between brings both together, and the one that
    // lasts stays.
    let other = join(key, &[ended.clone()], &at(1_200_000), 1_200_500).remove(0);
    let merged = join(
        key,
        &[ended.clone(), other.clone()],
        &at(1_100_000),
        1_201_000,
    );
    let ids: Vec<_> = merged
        .iter()
        .map(|one| (one.finding_id, one.merged_into))
        .collect();
    assert_eq!(
        ids,
        [
            (other.finding_id, NOT_MERGED),
            (ended.finding_id, other.finding_id)
        ]
    );
    assert_eq!(
        (merged[0].first_ms, merged[0].last_ms),
        (1_000_000, 1_200_000)
    );
    assert_eq!((merged[0].ended_ms, merged[1].ended_ms), (0, 2_000_000));
}
