//! Hosts with a known fate, whose beats are delivered in every way there is: what is claimed of them
//! is true.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Crash,
    ShutDown,
    KillAgent,
    StopAgent,
    FreezeAgent,
    Suspend,
    StepClock,
}

#[derive(Clone, Debug)]
struct Fate {
    /// What happens to the host, after how many seconds of peace, and for how long.
    acts: Vec<(i64, Act, i64)>,
    /// Seconds that the path works and does not, in turns.
    path: Vec<(i64, i64)>,
    /// The same of the collector.
    collector: Vec<(i64, i64)>,
    /// The most beats that the spool holds.
    spool: usize,
}

fn fate() -> impl Strategy<Value = Fate> {
    let act = prop::sample::select(vec![
        Act::Crash,
        Act::ShutDown,
        Act::KillAgent,
        Act::StopAgent,
        Act::FreezeAgent,
        Act::Suspend,
        Act::StepClock,
    ]);
    let turns = || prop::collection::vec((1..900_i64, 1..400_i64), 0..5);
    let spool = prop::sample::select(vec![3, 20, 1000]);
    (
        prop::collection::vec((1..600_i64, act, 1..500_i64), 0..8),
        turns(),
        turns(),
        spool,
    )
        .prop_map(|(acts, path, collector, spool)| Fate {
            acts,
            path,
            collector,
            spool,
        })
}

/// What was true in one second.
#[derive(Clone, Copy, Debug)]
struct Truth {
    server: bool,
    path: bool,
    watched: bool,
    agent: bool,
}

struct Lived {
    beats: Vec<Beat>,
    truth: Vec<Truth>,
    watched: Vec<Range<i64>>,
}

fn is_on(turns: &[(i64, i64)], second: i64) -> bool {
    let mut at = 0;
    for (on, off) in turns {
        if second < at + on {
            return true;
        }
        at += on + off;
        if second < at {
            return false;
        }
    }
    true
}

#[derive(Clone, Copy, PartialEq)]
enum Doing {
    Peace,
    Act(Act),
}

/// Lets the host live, second by second.
fn live(fate: &Fate) -> Lived {
    // Nobody could tell of a boot without a beat.
    let mut schedule = vec![Doing::Peace; 40];
    for &(peace, act, lasting) in &fate.acts {
        schedule.extend(std::iter::repeat_n(
            Doing::Peace,
            usize::try_from(peace).unwrap(),
        ));
        schedule.extend(std::iter::repeat_n(
            Doing::Act(act),
            usize::try_from(lasting).unwrap(),
        ));
    }
    // In the end everything is well for long enough that all arrives.
    let turns_end = |turns: &[(i64, i64)]| turns.iter().map(|(on, off)| on + off).sum::<i64>();
    let length = turns_end(&fate.path).max(turns_end(&fate.collector));
    let length = schedule.len().max(usize::try_from(length).unwrap()) + 120;
    schedule.resize(length, Doing::Peace);

    let (mut boot, mut start) = (1, 1);
    let (mut boottime_s, mut asleep_s, mut wall_error_s) = (0, 0, 0);
    // The agent starts 20 s after the host.
    let (mut agent_in_s, mut number, mut next_beat_s) = (Some(20), 0, 0);
    let mut offset_s: Option<i64> = None;
    let (mut waiting, mut sequence): (Vec<Beat>, u64) = (Vec::new(), 0);
    let mut lived = Lived {
        beats: Vec::new(),
        truth: Vec::new(),
        watched: Vec::new(),
    };
    let mut before = Doing::Peace;
    for (second, &doing) in schedule.iter().enumerate() {
        let second_s = i64::try_from(second).unwrap();
        let now_ms = START_MS + second_s * 1000;
        let (path, watched) = (
            is_on(&fate.path, second_s),
            is_on(&fate.collector, second_s),
        );
        if watched {
            lived.watched.push(now_ms..now_ms + 1000);
        }
        let begins = doing != before;
        let ended = (begins && before != Doing::Peace).then_some(before);
        before = doing;
        match ended {
            Some(Doing::Act(Act::Crash | Act::ShutDown)) => {
                boot += 1;
                (boottime_s, asleep_s, agent_in_s, offset_s) = (0, 0, Some(20), None);
            }
            Some(Doing::Act(Act::KillAgent | Act::StopAgent)) => {
                (agent_in_s, offset_s) = (Some(0), None);
            }
            _ => {}
        }
        let act = match doing {
            Doing::Act(act) => Some(act),
            Doing::Peace => None,
        };
        let up = !matches!(act, Some(Act::Crash | Act::ShutDown | Act::Suspend));
        let says_goodbye =
            begins && agent_in_s.is_none() && matches!(act, Some(Act::ShutDown | Act::StopAgent));
        if begins && act == Some(Act::StepClock) {
            wall_error_s += if second % 2 == 0 { 3_600 } else { -7_200 };
        }
        if matches!(
            act,
            Some(Act::Crash | Act::ShutDown | Act::KillAgent | Act::StopAgent)
        ) && !says_goodbye
        {
            agent_in_s = agent_in_s.or(Some(i64::MAX));
        }
        let may_start = up && !matches!(act, Some(Act::KillAgent | Act::StopAgent));
        if let Some(left) = agent_in_s.filter(|_| may_start) {
            agent_in_s = (left > 0).then(|| left - 1);
            if left == 0 {
                start += 1;
                (number, next_beat_s) = (0, boottime_s);
            }
        }
        let agent = up && agent_in_s.is_none() && act != Some(Act::FreezeAgent);
        let runs = agent || says_goodbye;
        if runs && (boottime_s >= next_beat_s || says_goodbye) {
            (number, sequence) = (number + 1, sequence + 1);
            next_beat_s = boottime_s + INTERVAL_S;
            let ms = |seconds: i64| u64::try_from(seconds * 1000).unwrap();
            waiting.push(Beat {
                boot_id: id(boot),
                start_id: id(start),
                number,
                spool_id: id(1),
                sequence,
                boottime_ms: ms(boottime_s),
                monotonic_ms: ms(boottime_s - asleep_s),
                wall_ms: now_ms + wall_error_s * 1000,
                clock_offset_ms: offset_s.map(|seconds| seconds * 1000),
                received_ms: 0,
                goodbye: match act {
                    Some(Act::ShutDown) if says_goodbye => Goodbye::Host,
                    Some(Act::StopAgent) if says_goodbye => Goodbye::Agent,
                    _ => Goodbye::None,
                },
            });
            if waiting.len() > fate.spool {
                waiting.remove(0);
            }
        }
        if says_goodbye {
            agent_in_s = Some(i64::MAX);
        }
        if path && watched && runs {
            offset_s = Some(-wall_error_s);
            lived.beats.extend(waiting.drain(..).map(|mut beat| {
                beat.received_ms = now_ms + 300;
                beat
            }));
        }
        lived.truth.push(Truth {
            server: up,
            path,
            watched,
            agent: agent && !says_goodbye,
        });
        if up || act == Some(Act::Suspend) {
            boottime_s += 1;
        }
        if act == Some(Act::Suspend) {
            asleep_s += 1;
        }
    }
    lived
}

/// Compares what is claimed with what was true, away from changes by more than a beat.
fn check(lived: &Lived, intervals: &[Interval], tolerance_s: usize) -> Result<(), TestCaseError> {
    let differs = |a: &Truth, b: &Truth| {
        (a.server, a.path, a.watched, a.agent) != (b.server, b.path, b.watched, b.agent)
    };
    let mut near = vec![false; lived.truth.len()];
    for at in 1..lived.truth.len() {
        if differs(&lived.truth[at - 1], &lived.truth[at]) {
            let end = near.len().min(at + tolerance_s);
            near[at.saturating_sub(tolerance_s)..end].fill(true);
        }
    }
    for interval in intervals {
        let second = |ms: i64| usize::try_from((ms - START_MS).max(0) / 1000).unwrap();
        let told = second(interval.from_ms)..second(interval.to_ms).min(near.len());
        let seconds = lived.truth.iter().zip(&near).enumerate();
        for (at, (truth, near)) in seconds.take(told.end).skip(told.start) {
            if *near {
                continue;
            }
            let network = truth.path && truth.watched;
            for (what, claimed, is) in [
                ("server", interval.server, truth.server),
                ("agent", interval.agent, truth.agent),
                ("network", interval.network, network),
            ] {
                let wrong = match claimed {
                    State::Up => !is,
                    State::Down => is,
                    State::Unknown => false,
                };
                prop_assert!(!wrong, "{} s: {} is {}, told {:?}", at, what, is, interval);
            }
            prop_assert!(
                interval.network != State::Down || truth.watched,
                "{} s: nobody watched, told {:?}",
                at,
                interval
            );
        }
    }
    Ok(())
}

fn whole(intervals: &[Interval], range: &Range<i64>) -> Result<(), TestCaseError> {
    let mut at_ms = range.start;
    for interval in intervals {
        prop_assert_eq!(interval.from_ms, at_ms);
        prop_assert!(interval.to_ms > interval.from_ms);
        at_ms = interval.to_ms;
    }
    prop_assert_eq!(at_ms, range.end);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_claimed_is_true(fate in fate(), seed: u64) {
        let lived = live(&fate);
        let end_ms = START_MS + i64::try_from(lived.truth.len()).unwrap() * 1000;
        let asked = START_MS..end_ms;
        let evidence = Evidence { beats: lived.beats.clone(), watched: lived.watched.clone() };
        let told = timeline(&evidence, asked.clone(), end_ms);
        whole(&told, &asked)?;
        let one_beat_s = usize::try_from(INTERVAL_S).unwrap() + 1;
        check(&lived, &told, one_beat_s)?;

        // In any order, and again out of other spools, later.
        let mut random = fastrand::Rng::with_seed(seed);
        let mut shuffled = evidence.clone();
        for beat in evidence.beats {
            if random.bool() {
                let received_ms = beat.received_ms + random.i64(0..1_000_000);
                shuffled.beats.push(Beat { received_ms, ..beat });
            }
        }
        random.shuffle(&mut shuffled.beats);
        random.shuffle(&mut shuffled.watched);
        prop_assert_eq!(&timeline(&shuffled, asked.clone(), end_ms), &told);

        // At any time before, with what was there by then: not more is known, and nothing else.
        let now_ms = random.i64(START_MS + 1000..end_ms);
        let early = Evidence {
            beats: lived.beats.iter().filter(|beat| beat.received_ms <= now_ms).cloned().collect(),
            watched: lived.watched.clone(),
        };
        let told_early = timeline(&early, asked.clone(), now_ms);
        whole(&told_early, &(START_MS..now_ms))?;
        let limit_s = 2 * one_beat_s;
        check(&lived, &told_early, limit_s)?;
    }

    #[test]
    fn all_is_known_of_a_host_whose_beats_are_all_there(mut fate in fate()) {
        fate.spool = 1000;
        // What time it was where a clock was wrong that nobody could measure is in no beat.
        fate.acts.retain(|(_, act, _)| *act != Act::StepClock);
        let lived = live(&fate);
        let end_ms = START_MS + i64::try_from(lived.truth.len()).unwrap() * 1000;
        let evidence = Evidence { beats: lived.beats.clone(), watched: lived.watched };
        let has = |acts: &[Act]| fate.acts.iter().any(|(_, act, _)| acts.contains(act));
        // Nor how long a server ran on without its agent, or when a host slept that had none.
        let unclear = has(&[Act::StopAgent, Act::Suspend]);
        // The first beat may have taken a while, and the boot seem to be as much later.
        for interval in timeline(&evidence, START_MS + anchor::PROMPT_MS + 1000..end_ms, end_ms) {
            prop_assert!(interval.agent != State::Unknown, "{:?}", interval);
            prop_assert!(interval.server != State::Unknown || unclear, "{:?}", interval);
        }
    }
}
