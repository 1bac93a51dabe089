//! Windows on days of 23 and 25 hours, in every kind of zone, and however a time is cut.

#![allow(
    clippy::single_range_in_vec_init,
    reason = "one occurrence is what is meant"
)]

use proptest::prelude::*;
use tz::DateTime;

use super::*;

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Santiago",
    "Pacific/Apia",
];

/// The zones; where the machine has no database of them, none, unless it must have one.
fn zones() -> Option<Zones> {
    let mut zones = Zones::default();
    for name in ZONES {
        match zones.zone(name) {
            Ok(_) => {}
            Err(error) if std::env::var_os("CI").is_none() => {
                println!("skipped: {error}");
                return None;
            }
            Err(error) => panic!("{error}"),
        }
    }
    Some(zones)
}

#[test]
fn a_time_of_day_is_that_of_the_zone_also_where_clocks_change() {
    let Some(zones) = zones() else { return };
    // Zone, start, the day in UTC, and the one occurrence around its time.
    for (zone, start, day, hour, minute) in [
        ("UTC", "02:00", [2026, 3, 29], 2, 0),
        // 02:30 is left out, so it begins at 03:00, which is 01:00 UTC.
        ("Europe/Berlin", "02:30", [2026, 3, 29], 1, 0),
        ("Europe/Berlin", "01:59", [2026, 3, 29], 0, 59),
        ("Europe/Berlin", "03:00", [2026, 3, 29], 1, 0),
        ("Europe/Berlin", "04:00", [2026, 3, 29], 2, 0),
        // 02:30 is there twice: the first is in summer time.
        ("Europe/Berlin", "02:30", [2026, 10, 25], 0, 30),
        ("Europe/Berlin", "03:00", [2026, 10, 25], 2, 0),
        ("Europe/Berlin", "12:00", [2026, 7, 1], 10, 0),
        ("Europe/Berlin", "12:00", [2026, 1, 1], 11, 0),
        ("America/New_York", "02:15", [2026, 3, 8], 7, 0),
        ("America/New_York", "01:30", [2026, 11, 1], 5, 30),
        ("America/New_York", "02:00", [2026, 11, 1], 7, 0),
        // Half an hour forward at 02:00, by 10:30 to 11:00.
        ("Australia/Lord_Howe", "02:15", [2026, 10, 3], 15, 30),
        ("Australia/Lord_Howe", "01:45", [2026, 4, 4], 14, 45),
        ("Asia/Kolkata", "02:00", [2026, 3, 29], 20, 30),
        // At midnight, and so there is no midnight.
        ("America/Santiago", "00:00", [2026, 9, 6], 4, 0),
        // The last day with daylight saving was in 2021.
        ("Pacific/Apia", "02:00", [2026, 4, 4], 13, 0),
    ] {
        let window = repeating("daily", start, 25, zone);
        let begin = utc(day, hour, minute);
        let around = begin - 36_000_000..begin + 36_000_000;
        let found = window.occurrences(zones.get(zone).unwrap(), &around);
        let want = begin..begin + 25 * 60_000;
        assert_eq!(found, [want], "{zone} {start} {day:?}");
    }
}

#[test]
fn the_length_is_real_time_and_days_are_those_of_the_zone() {
    let Some(zones) = zones() else { return };
    let berlin = zones.get("Europe/Berlin").unwrap();
    // Sunday, 01:00 to what clocks call 05:00, as there is no 02:00.
    let window = repeating("sun", "01:00", 180, "Europe/Berlin");
    let range = utc([2026, 3, 23], 0, 0)..utc([2026, 4, 6], 0, 0);
    let found = window.occurrences(berlin, &range);
    let want = [utc([2026, 3, 29], 0, 0), utc([2026, 4, 4], 23, 0)];
    assert_eq!(found, want.map(|begin| begin..begin + 180 * 60_000));
    // Whole days: 24 hours each, so that the day of 25 has one that is not covered, and that of 23 none.
    let window = repeating("daily", "00:00", 24 * 60, "Europe/Berlin");
    let range = utc([2026, 10, 23], 0, 0)..utc([2026, 10, 28], 0, 0);
    let gap = utc([2026, 10, 25], 22, 0)..utc([2026, 10, 25], 23, 0);
    let found = window.occurrences(berlin, &range);
    assert_eq!(found, [range.start..gap.start, gap.end..range.end]);
    let range = utc([2026, 3, 27], 0, 0)..utc([2026, 4, 1], 0, 0);
    assert_eq!(window.occurrences(berlin, &range), [range]);
    // A day that Samoa left out: its occurrence begins at the first moment after it.
    let window = repeating("fri", "10:00", 60, "Pacific/Apia");
    let range = utc([2011, 12, 26], 0, 0)..utc([2012, 1, 2], 0, 0);
    let begin = utc([2011, 12, 30], 10, 0);
    let found = window.occurrences(zones.get("Pacific/Apia").unwrap(), &range);
    assert_eq!(found, [begin..begin + 3_600_000]);
}

#[test]
fn occurrences_begin_within_the_window_and_end_with_a_cancellation() {
    let zone = tz::TimeZone::utc();
    let day = |day: u16| utc([2026, 6, day], 0, 0);
    let hour = 3_600_000;
    let whole = day(1)..day(30);
    let mut window = repeating("daily", "23:00", 120, "UTC");
    (window.from_ms, window.to_ms) = (day(3) + 23 * hour, Some(day(5) + 23 * hour));
    let two = [3, 4].map(|of| day(of) + 23 * hour..day(of + 1) + hour);
    assert_eq!(window.occurrences(&zone, &whole), two);
    let first = two[0].start;
    assert_eq!(window.standing(&zone, first - 1), Standing::ToCome);
    assert_eq!(window.standing(&zone, first), Standing::InForce);
    assert_eq!(window.standing(&zone, two[0].end), Standing::ToCome);
    assert_eq!(window.standing(&zone, two[1].end), Standing::Over);
    assert_eq!(window.next(&zone, first + 1), Some(first + 1..two[0].end));
    assert_eq!(window.next(&zone, two[0].end), Some(two[1].clone()));
    window.cancelled_ms = Some(two[1].start + hour);
    let cut = [two[0].clone(), two[1].start..two[1].start + hour];
    assert_eq!(window.occurrences(&zone, &whole), cut);
    assert_eq!(window.standing(&zone, first), Standing::InForce);
    assert_eq!(window.standing(&zone, cut[1].end), Standing::Cancelled);

    let once = Window {
        from_ms: day(3),
        to_ms: Some(day(5)),
        ..Window::default()
    };
    assert_eq!(once.occurrences(&zone, &(day(4)..day(9))), [day(4)..day(5)]);
    assert!(once.occurrences(&zone, &(day(5)..day(9))).is_empty());
    assert!(once.occurrences(&zone, &(day(9)..day(4))).is_empty());
    assert_eq!(once.next(&zone, 0), Some(day(3)..day(5)));
    // Extremes are bounded and do not overflow.
    let always = repeating("daily", "00:00", 1, "UTC");
    assert!(always.occurrences(&zone, &(i64::MIN..i64::MAX)).len() < 40_000);
}

proptest! {
    #[test]
    fn occurrences_are_sorted_apart_long_enough_and_the_same_however_a_time_is_cut(
        zone in 0..ZONES.len(),
        (days, start, length) in (1u8..=0x7f, 0u16..1440, 1u32..3000),
        from in 1_400_000_000i64..2_500_000_000,
        valid in (-20i64..20, 1i64..60),
        cuts in prop::collection::vec(0i64..40 * 86_400, 0..6),
        cancelled in prop::option::of(0i64..40 * 86_400),
    ) {
        let Some(zones) = zones() else { return Ok(()) };
        let zone = zones.get(ZONES[zone]).unwrap();
        let repeat = Repeat {
            days: Days::from_bits(days).unwrap(),
            start: TimeOfDay::from_minutes(start).unwrap(),
            length_minutes: length,
        };
        let ms = |seconds: i64| (from + seconds) * 1000;
        let window = Window {
            from_ms: ms(valid.0 * 86_400),
            to_ms: Some(ms((valid.0 + valid.1) * 86_400)),
            repeat: Some(repeat),
            cancelled_ms: cancelled.map(ms),
            ..Window::default()
        };
        let range = ms(0)..ms(40 * 86_400);
        let found = window.occurrences(zone, &range);
        prop_assert!(found.iter().all(|one| one.start < one.end && one.start >= range.start && one.end <= range.end));
        prop_assert!(found.windows(2).all(|pair| pair[0].end < pair[1].start));

        // Where it may overlap with the next, whole ones are as long at least, and else exactly.
        let end_ms = range.end.min(window.cancelled_ms.unwrap_or(i64::MAX));
        let whole = found.iter().filter(|one| one.start > range.start && one.end < end_ms);
        for one in whole {
            let length_ms = one.end - one.start;
            prop_assert!(length_ms >= repeat.length_ms());
            prop_assert!(length > 22 * 60 || length_ms == repeat.length_ms());
            // It begins as its clocks say, or right behind a gap of theirs.
            let at = |ms: i64| DateTime::from_timespec(ms / 1000, 0, zone.as_ref()).unwrap();
            let (begin, before) = (at(one.start), at(one.start - 1000));
            let shown = u16::from(begin.hour()) * 60 + u16::from(begin.minute());
            let offsets = [begin, before].map(|moment| moment.local_time_type().ut_offset());
            prop_assert!(shown == start || offsets[0] > offsets[1], "{begin}");
        }

        let mut edges: Vec<i64> = cuts.into_iter().map(ms).chain([range.start, range.end]).collect();
        edges.sort_unstable();
        let pieces = edges.windows(2).flat_map(|pair| window.occurrences(zone, &(pair[0]..pair[1])));
        prop_assert_eq!(merged(pieces.collect()), found);
    }
}
