//! Cases by hand, and hosts with a known fate.

mod fate;

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
        told_while(all.clone(), 290, watched)[1..],
        [
            "10-60 up up up Beats",
            "60-100 up down up Delayed",
            "100-150 up ? up Unwatched",
            "150-203 up down up Delayed",
            "203-290 up up up Beats",
        ]
    );
    // An agent that was heard since the collector began was not on its way back to it.
    let since = START_MS + 45_000..i64::MAX;
    assert_eq!(told_while(all, 290, vec![since])[1..], want);
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
