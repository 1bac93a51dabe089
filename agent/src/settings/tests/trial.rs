//! Settings on probation, with a clock that is supplied.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::super::health::{Before, Outcomes};
use super::super::kept::{BAD_MAX, Entry, Kept};
use super::super::trial::{Judgement, Offered, Trials};

const PROBATION: Duration = Duration::from_secs(60);

fn of(version: u64) -> Entry {
    Entry {
        version,
        overlay: version.to_string(),
    }
}

fn trials() -> Trials {
    Trials::new(PROBATION)
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn passed(trials: &mut Trials, version: u64, now: Instant) {
    trials.begin(of(version), now);
    let judgement = trials.judge(now + PROBATION, true, None);
    assert_eq!(judgement, Judgement::Passed);
}

#[test]
fn settings_pass_at_the_end_of_the_probation_and_not_before() {
    let (mut trials, now) = (trials(), Instant::now());
    assert_eq!(trials.offered(0), Offered::InForce);
    assert_eq!(trials.offered(1), Offered::New);
    trials.begin(of(1), now);
    let state = trials.state();
    assert!(state.on_probation && !state.rolled_back && state.error.is_empty());
    assert_eq!((state.version, state.attempted_version), (1, 1));
    let early = trials.judge(now + seconds(59), true, None);
    assert_eq!(early, Judgement::Open);
    assert!(!trials.is_over(now + seconds(59)) && trials.is_over(now + PROBATION));
    let judgement = trials.judge(now + PROBATION, true, None);
    assert_eq!(judgement, Judgement::Passed);
    assert!(!trials.state().on_probation);
    assert_eq!(trials.offered(1), Offered::InForce);
    assert_eq!(trials.kept(true).good, Some(of(1)));
    let later = trials.judge(now + seconds(900), false, Some(String::new()));
    assert_eq!(later, Judgement::Open, "only settings on probation are");
}

#[test]
fn what_fails_is_taken_back_at_once_and_not_tried_again() {
    let (mut trials, now) = (trials(), Instant::now());
    passed(&mut trials, 1, now);
    trials.begin(of(2), now);
    let judgement = trials.judge(now + seconds(3), true, Some("units\nfail".to_owned()));
    assert_eq!(judgement, Judgement::RolledBack(of(2)));
    let state = trials.state();
    assert_eq!((state.version, state.attempted_version), (1, 2));
    assert!(state.rolled_back && !state.on_probation);
    assert_eq!(state.error, "units?fail");
    assert_eq!(trials.offered(2), Offered::Bad);
    // Also after others were offered and refused.
    trials.refuse(3, "no");
    assert!(!trials.state().rolled_back);
    trials.refuse_bad(2);
    assert_eq!(trials.state().error, "units?fail");
    // Until others passed.
    passed(&mut trials, 4, now);
    assert_eq!(trials.offered(2), Offered::New);
}

#[test]
fn a_collector_that_is_away_at_the_end_is_waited_for_and_then_blamed_on_the_settings() {
    let (mut trials, now) = (trials(), Instant::now());
    trials.begin(of(1), now);
    for (age, open) in [(30, true), (60, true), (179, true), (180, false)] {
        let judgement = trials.judge(now + seconds(age), false, None);
        assert_eq!(judgement == Judgement::Open, open, "{age}");
    }
    assert!(
        trials
            .state()
            .error
            .contains("did not come back within 180 s")
    );
    assert_eq!(trials.version(), 0);
    // One that comes back in time makes them good.
    trials.begin(of(2), now);
    assert_eq!(
        trials.judge(now + seconds(100), false, None),
        Judgement::Open
    );
    assert_eq!(
        trials.judge(now + seconds(101), true, None),
        Judgement::Passed
    );
}

#[test]
fn a_start_on_probation_is_a_crash_unless_the_stop_was_orderly() {
    let (mut first, now) = (trials(), Instant::now());
    passed(&mut first, 1, now);
    first.begin(of(2), now);
    assert_eq!(first.kept_before(&of(2)), first.kept(false));

    let mut stopped = trials();
    assert!(!stopped.recall(first.kept(true), now));
    assert!(stopped.is_on_probation());
    assert_eq!(stopped.version(), 2);
    assert!(!stopped.is_over(now + seconds(59)), "it begins anew");

    let mut crashed = trials();
    assert!(crashed.recall(first.kept(false), now));
    let state = crashed.state();
    assert_eq!((state.version, state.attempted_version), (1, 2));
    assert!(state.rolled_back && state.error.contains("ended without being stopped"));
    assert_eq!(crashed.offered(2), Offered::Bad);
    // And so for every start after that.
    let mut again = trials();
    assert!(!again.recall(crashed.kept(true), now));
    assert_eq!((again.version(), again.offered(2)), (1, Offered::Bad));
    again.refuse_bad(2);
    assert_eq!(again.state(), state);
}

#[test]
fn the_agents_own_and_the_last_good_ones_need_no_probation() {
    let (mut trials, now) = (trials(), Instant::now());
    passed(&mut trials, 1, now);
    trials.begin(of(2), now);
    assert_eq!(trials.offered(1), Offered::Proven);
    trials.give_back(1);
    assert_eq!((trials.version(), trials.is_on_probation()), (1, false));
    assert_eq!(trials.offered(0), Offered::Proven);
    trials.give_back(0);
    assert_eq!((trials.version(), trials.attempted()), (0, 0));
    assert_eq!(trials.kept(false), Kept::default());
}

#[test]
fn settings_that_do_not_fit_any_more_give_way_to_those_before() {
    let (mut trials, now) = (trials(), Instant::now());
    passed(&mut trials, 1, now);
    trials.begin(of(2), now);
    trials.unfit("no room");
    assert_eq!(trials.version(), 1);
    trials.unfit("no room either");
    let state = trials.state();
    assert_eq!((state.version, state.attempted_version), (0, 1));
    assert_eq!(
        (state.error.as_str(), state.rolled_back),
        ("no room either", false)
    );
}

#[test]
fn what_is_remembered_is_bounded() {
    let (mut trials, now) = (trials(), Instant::now());
    for version in 1..100 {
        trials.begin(of(version), now);
        trials.judge(now, true, Some("x".repeat(10_000)));
    }
    let kept = trials.kept(false);
    assert_eq!(kept.bad.len(), BAD_MAX);
    assert!(kept.bad.iter().all(|bad| bad.reason.len() <= 400));
    assert_eq!(trials.offered(99), Offered::Bad);
}

/// Whatever comes in whatever order: what is in force was good, is on probation, or is the agent's own, and
/// what was taken back is not tried while it is remembered.
#[test]
fn any_order_of_events_keeps_the_promises() {
    for seed in 0..200 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut trials, mut now) = (trials(), Instant::now());
        let mut good = HashSet::from([0]);
        let mut bad = HashSet::new();
        for _ in 0..200 {
            now += seconds(random.u64(0..40));
            match random.u8(0..10) {
                0..=4 => {
                    let wanted = random.u64(0..6);
                    match trials.offered(wanted) {
                        Offered::InForce => trials.confirm(),
                        Offered::Bad => {
                            assert!(bad.contains(&wanted), "seed {seed}");
                            trials.refuse_bad(wanted);
                        }
                        Offered::Proven => {
                            assert!(good.contains(&wanted), "seed {seed}");
                            trials.give_back(wanted);
                        }
                        Offered::New => {
                            assert!(!bad.contains(&wanted), "seed {seed}");
                            trials.begin(of(wanted), now);
                        }
                    }
                    assert_eq!(trials.attempted(), wanted);
                }
                5..=7 => {
                    let before = trials.kept(false);
                    let failing = random.bool().then(|| "it fails".to_owned());
                    match trials.judge(now, random.bool(), failing) {
                        Judgement::Open => {}
                        Judgement::Passed => {
                            good.insert(trials.version());
                            bad.clear();
                        }
                        Judgement::RolledBack(entry) => {
                            bad.insert(entry.version);
                            let last = before.good.map_or(0, |entry| entry.version);
                            assert_eq!(trials.version(), last, "seed {seed}");
                        }
                    }
                }
                _ => {
                    let stopped = random.bool();
                    let kept = trials.kept(stopped);
                    if let Some(entry) = kept.trial.as_ref().filter(|_| !stopped) {
                        bad.insert(entry.version);
                    }
                    trials = Trials::new(PROBATION);
                    trials.recall(kept, now);
                }
            }
            let version = trials.version();
            assert!(
                trials.is_on_probation() || good.contains(&version),
                "seed {seed}"
            );
            assert!(!bad.contains(&version), "seed {seed}");
        }
    }
}

#[test]
fn a_source_is_held_against_what_it_did_before() {
    let of = |name, good, failed, failed_in_a_row| Outcomes {
        name,
        good,
        failed,
        failed_in_a_row,
    };
    let before = Before::new(vec![
        of("works", 10, 2, 0),
        of("fails", 10, 2, 1),
        of("new", 0, 0, 0),
    ]);
    for (now, at_once, at_end) in [
        (of("works", 11, 2, 0), false, false),
        (of("works", 10, 2, 0), false, false),
        (of("works", 10, 3, 1), false, true),
        (of("works", 11, 4, 2), false, false),
        (of("works", 11, 5, 3), true, true),
        (of("fails", 10, 9, 8), false, false),
        (of("new", 0, 9, 9), false, false),
        (of("other", 0, 9, 9), false, false),
    ] {
        let fails = |is_over| before.failing(&[now], is_over).is_some();
        assert_eq!((fails(false), fails(true)), (at_once, at_end), "{now:?}");
    }
    let reason = before.failing(&[of("works", 10, 5, 3)], false).unwrap();
    assert!(reason.starts_with("source works worked before"), "{reason}");
}
