//! Cases by hand, and hosts with a known fate whose beats are delivered in every way there is.

use proptest::prelude::*;

use super::*;

const INTERVAL_S: i64 = 10;
const START_MS: i64 = 1_700_000_000_000;

/// Ids are enough when they differ.
fn id(number: i64) -> Id {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    Id(bytes)
}

/// A beat of boot 1 and start 1, made `second` s after the boot at [`START_MS`], and received at once.
fn beat(number: u64, second: i64) -> Beat {
    let ms = u64::try_from(second * 1000).unwrap();
    Beat {
        boot_id: id(1),
        start_id: id(1),
        number,
        spool_id: id(1),
        sequence: number,
        boottime_ms: ms,
        monotonic_ms: ms,
        wall_ms: START_MS + second * 1000,
        clock_offset_ms: Some(0),
        received_ms: START_MS + second * 1000,
        goodbye: Goodbye::None,
    }
}

fn beats(numbers: Range<u64>) -> Vec<Beat> {
    numbers
        .map(|number| beat(number, i64::try_from(number).unwrap() * INTERVAL_S))
        .collect()
}

/// The same beat of another boot, which began at that second.
fn rebooted(mut beat: Beat, boot: i64, second: i64) -> Beat {
    beat.sequence += 6;
    (beat.boot_id, beat.start_id) = (id(boot), id(boot));
    beat.wall_ms += second * 1000;
    beat.received_ms += second * 1000;
    beat
}

const ALWAYS: Range<i64> = 0..i64::MAX;

/// Intervals from the boot on, in seconds since [`START_MS`]: `from-to server network agent reason`.
fn told(beats: Vec<Beat>, until_s: i64) -> Vec<String> {
    told_while(beats, until_s, vec![ALWAYS])
}

fn told_while(beats: Vec<Beat>, until_s: i64, watched: Vec<Range<i64>>) -> Vec<String> {
    let until_ms = START_MS + until_s * 1000;
    let word = |state| match state {
        State::Up => "up",
        State::Down => "down",
        State::Unknown => "?",
    };
    timeline(&Evidence { beats, watched }, START_MS..until_ms, until_ms)
        .iter()
        .map(|interval| {
            format!(
                "{}-{} {} {} {} {:?}",
                (interval.from_ms - START_MS) / 1000,
                (interval.to_ms - START_MS) / 1000,
                word(interval.server),
                word(interval.network),
                word(interval.agent),
                interval.reason
            )
        })
        .collect()
}

#[test]
fn beats_in_time_are_up_and_nothing_is_unknown() {
    assert_eq!(
        told(beats(1..7), 65),
        ["0-10 up ? down Booted", "10-65 up up up Beats"]
    );
    assert_eq!(told(vec![], 60), ["0-60 ? ? ? NeverSeen"]);
}

#[test]
fn silence_is_neither_up_nor_down() {
    assert_eq!(
        told(beats(1..7), 100)[1..],
        ["10-60 up up up Beats", "60-100 ? ? ? Silent"]
    );
}

#[test]
fn beats_that_come_late_prove_the_server_and_convict_the_network() {
    let mut all = beats(1..30);
    for late in &mut all[6..20] {
        late.received_ms = START_MS + 203_000;
    }
    let want = [
        "10-60 up up up Beats",
        "60-203 up down up Delayed",
        "203-290 up up up Beats",
    ];
    assert_eq!(told(all.clone(), 290)[1..], want);
    // For a part of it no collector was there.
    let watched = vec![0..START_MS + 100_000, START_MS + 110_000..i64::MAX];
    assert_eq!(
        told_while(all, 290, watched)[1..],
        [
            "10-60 up up up Beats",
            "60-100 up down up Delayed",
            "100-150 up ? up Unwatched",
            "150-203 up down up Delayed",
            "203-290 up up up Beats",
        ]
    );
}

#[test]
fn a_path_that_came_back_for_a_moment_was_up_then() {
    let mut all = beats(1..30);
    for (numbers, second) in [(7..12, 123), (13..20, 203)] {
        for late in &mut all[numbers] {
            late.received_ms = START_MS + second * 1000;
        }
    }
    let want = [
        "10-70 up up up Beats",
        "70-123 up down up Delayed",
        "123-130 up up up Beats",
        "130-203 up down up Delayed",
        "203-290 up up up Beats",
    ];
    assert_eq!(told(all.clone(), 290)[1..], want);
    // The beat of the moment itself waited as well.
    all[12].received_ms = START_MS + 203_000;
    assert_eq!(told(all, 290)[2..], ["70-203 up down up Delayed", want[4]]);
}

#[test]
fn a_new_boot_means_that_the_server_was_down_until_it_booted() {
    let mut all = beats(1..7);
    all.extend(beats(2..5).into_iter().map(|beat| rebooted(beat, 2, 300)));
    all.push(rebooted(beat(1, 10), 2, 300));
    let crashed = [
        "10-60 up up up Beats",
        "60-300 down ? down Crashed",
        "300-310 up ? down Booted",
        "310-340 up up up Beats",
    ];
    assert_eq!(told(all.clone(), 340)[1..], crashed);
    for (goodbye, want) in [
        (Goodbye::Host, "60-300 down ? down ShutDown"),
        (Goodbye::Agent, "60-300 ? ? down AgentStopped"),
    ] {
        all[5].goodbye = goodbye;
        assert_eq!(told(all.clone(), 340)[2], want);
    }
}

#[test]
fn a_new_start_of_the_agent_leaves_the_server_up() {
    let mut all = beats(1..7);
    for number in 1..4 {
        let mut later = beat(number, 190 + i64::try_from(number).unwrap() * 10);
        later.start_id = id(2);
        later.sequence += 6;
        all.push(later);
    }
    assert_eq!(
        told(all.clone(), 220)[1..],
        [
            "10-60 up up up Beats",
            "60-200 up ? down AgentDown",
            "200-220 up up up Beats"
        ]
    );
    all[5].goodbye = Goodbye::Agent;
    assert_eq!(told(all.clone(), 220)[2], "60-200 up ? down AgentStopped");
    // The first beats of the new start are not there yet.
    all.remove(6);
    assert_eq!(
        told(all, 220)[2..],
        ["60-210 up ? ? Missing", "210-220 up up up Beats"]
    );
}

#[test]
fn clocks_tell_a_suspended_host_from_an_agent_that_stood_still() {
    let after = |second: i64, asleep_ms: u64| {
        beats(7..10)
            .into_iter()
            .map(|mut beat| {
                beat.boottime_ms += u64::try_from(second * 1000).unwrap();
                beat.monotonic_ms = beat.boottime_ms - asleep_ms;
                beat.wall_ms += second * 1000;
                beat.received_ms += second * 1000;
                beat
            })
            .collect::<Vec<_>>()
    };
    let stalled = [beats(1..7), after(100, 0)].concat();
    assert_eq!(told(stalled, 190)[2], "60-170 up ? down Stalled");
    let suspended = [beats(1..7), after(100, 100_000)].concat();
    assert_eq!(
        told(suspended, 190)[1..],
        [
            "10-65 up up up Beats",
            "65-165 down ? down Suspended",
            "165-190 up up up Beats"
        ]
    );
}

#[test]
fn a_paused_machine_is_not_called_up() {
    // None of its clocks saw the 100 s.
    let paused = beats(7..12).into_iter().map(|mut beat| {
        beat.received_ms += 100_000;
        beat
    });
    let all: Vec<Beat> = beats(1..7).into_iter().chain(paused).collect();
    assert_eq!(
        told(all, 210)[2..],
        [
            "60-70 up down up Delayed",
            "70-180 ? ? ? Suspended",
            "180-210 up up up Beats"
        ]
    );
}

#[test]
fn a_drain_at_the_pace_of_beats_is_no_pause() {
    let mut all = beats(1..30);
    for (position, second) in (6..17).zip([163].into_iter().chain([173; 10])) {
        all[position].received_ms = START_MS + second * 1000;
    }
    let told = told(all, 290);
    assert_eq!(
        told[1..3],
        ["10-60 up up up Beats", "60-163 up down up Delayed"]
    );
    assert!(
        told.iter().all(|interval| !interval.contains("Suspended")),
        "{told:?}"
    );
}

#[test]
fn the_pace_may_change_and_a_pause_before_a_new_start_is_no_uptime() {
    let mut all = beats(1..30);
    for number in 30..60 {
        all.push(beat(number, 290 + i64::try_from(number - 29).unwrap() * 60));
    }
    let told_all = told(all.clone(), 2_090);
    assert_eq!(told_all[1..], ["10-2090 up up up Beats"]);
    // An hour that the boot clock does not know.
    all.truncate(6);
    for number in 1..8 {
        let mut later = beat(number, 60 + i64::try_from(number).unwrap() * 10);
        (later.start_id, later.sequence) = (id(2), number + 6);
        later.wall_ms += 3_600_000;
        later.received_ms += 3_600_000;
        all.push(later);
    }
    assert_eq!(told(all, 3_720)[2], "60-3670 ? ? down AgentDown");
}

#[test]
fn missing_numbers_are_unknown() {
    let mut all = beats(1..20);
    all.drain(6..12);
    assert_eq!(told(all, 190)[2], "60-130 up ? ? Missing");
}

#[test]
fn a_goodbye_is_no_outage_and_no_proof_of_one() {
    let mut all = beats(1..7);
    all[5].goodbye = Goodbye::Agent;
    assert_eq!(told(all.clone(), 500)[2], "60-500 ? ? ? AgentStopped");
    all[5].goodbye = Goodbye::Host;
    assert_eq!(told(all, 500)[2], "60-500 ? ? ? ShutDown");
}

#[test]
fn steps_of_the_wall_clock_make_no_time() {
    let mut all = beats(1..40);
    for (position, beat) in all.iter_mut().enumerate() {
        // Stepped by hours, noticed two beats later.
        let step = |from| if position >= from { 7_200_000 } else { 0 };
        beat.wall_ms += step(10) - 2 * step(20);
        beat.clock_offset_ms = Some(2 * step(22) - step(12));
    }
    assert_eq!(told(all, 390)[1..], ["10-390 up up up Beats"]);
}

#[test]
fn a_boot_of_which_all_came_late_has_its_place_by_its_wall_clock() {
    let first = beats(1..7).into_iter().map(|mut beat| {
        beat.received_ms = START_MS + 3_600_000;
        beat
    });
    let second = beats(361..370).into_iter().map(|mut beat| {
        (beat.boot_id, beat.start_id) = (id(2), id(2));
        beat.number -= 360;
        beat.sequence -= 354;
        beat.boottime_ms -= 3_590_000;
        beat.monotonic_ms -= 3_590_000;
        beat
    });
    assert_eq!(
        told(first.chain(second).collect(), 3_690)[1..4],
        [
            "10-60 up down up Delayed",
            "60-3590 down ? down Crashed",
            "3590-3610 up ? down Booted"
        ]
    );
}

#[test]
fn clocks_that_say_anything_make_no_sum_overflow() {
    let extremes = [0, 1, u64::MAX / 2, u64::MAX];
    let mut all = beats(1..7);
    for (number, &boottime_ms) in (7..).zip(&extremes) {
        for offset in [None, Some(i64::MIN), Some(i64::MAX), Some(0)] {
            let mut beat = beat(number, 100);
            beat.start_id = id(offset.unwrap_or(7));
            (beat.boottime_ms, beat.monotonic_ms) = (boottime_ms, u64::MAX - boottime_ms);
            (beat.number, beat.sequence) = (u64::MAX - number, boottime_ms);
            beat.clock_offset_ms = offset;
            all.push(beat);
        }
    }
    let range = START_MS..START_MS + 1_000_000;
    let evidence = Evidence {
        beats: all,
        watched: vec![ALWAYS],
    };
    let intervals = timeline(&evidence, range.clone(), range.end);
    assert_eq!(
        intervals.first().map(|first| first.from_ms),
        Some(range.start)
    );
    assert_eq!(intervals.last().map(|last| last.to_ms), Some(range.end));
}

// A host with a known fate.

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
        for interval in timeline(&evidence, START_MS + 1000..end_ms, end_ms) {
            prop_assert!(interval.agent != State::Unknown, "{:?}", interval);
            prop_assert!(interval.server != State::Unknown || unclear, "{:?}", interval);
        }
    }
}
