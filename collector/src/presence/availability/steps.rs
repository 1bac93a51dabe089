//! Minutes, hours, days and months of a time zone.
//!
//! Promises: steps lie one after the other without gap or overlap, and cover what was asked; the first and
//! the last are cut to it. A day is from one midnight of the zone's clocks to the next, so some have 23 or
//! 25 hours; where there is no midnight it begins with the first moment after the gap. Bounded.

use std::ops::Range;

use clap::ValueEnum;
use tz::{DateTime, TimeZone, UtcDateTime, datetime::FoundDateTimeKind};

/// Most steps at once.
pub const STEPS_MAX: usize = 20_000;

/// How long a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Step {
    /// 60 s.
    Minute,
    /// From one full hour of the zone's clocks to the next.
    Hour,
    /// From one midnight to the next.
    Day,
    /// From the first of a month to the next.
    Month,
}

/// The steps of a time, Unix ms; `None` where there are more than [`STEPS_MAX`], or it is in no calendar.
#[must_use]
pub fn steps(step: Step, zone: &TimeZone, asked: &Range<i64>) -> Option<Vec<Range<i64>>> {
    let mut steps: Vec<Range<i64>> = Vec::new();
    let mut from_ms = asked.start;
    while from_ms < asked.end {
        if steps.len() >= STEPS_MAX {
            return None;
        }
        let to_ms = next(step, zone, from_ms)?.min(asked.end);
        steps.push(from_ms..to_ms);
        from_ms = to_ms;
    }
    Some(steps)
}

/// Where the step ends that this moment is in.
fn next(step: Step, zone: &TimeZone, from_ms: i64) -> Option<i64> {
    let second = from_ms.div_euclid(1000);
    let local = DateTime::from_timespec(second, 0, zone.as_ref()).ok()?;
    let fixed = |length: i64| {
        let offset = i64::from(local.local_time_type().ut_offset());
        Some(((second + offset).div_euclid(length) + 1) * length - offset)
    };
    let end = match step {
        Step::Minute => fixed(60),
        Step::Hour => fixed(3_600),
        Step::Day => {
            let noon =
                UtcDateTime::new(local.year(), local.month(), local.month_day(), 12, 0, 0, 0)
                    .ok()?;
            let day = UtcDateTime::from_timespec(noon.unix_time() + 86_400, 0).ok()?;
            midnight(zone, day.year(), day.month(), day.month_day())
        }
        Step::Month if local.month() == 12 => midnight(zone, local.year() + 1, 1, 1),
        Step::Month => midnight(zone, local.year(), local.month() + 1, 1),
    }?;
    let end_ms = end.checked_mul(1000)?;
    // A zone that left out a day has no midnight of it that is later.
    (end_ms > from_ms)
        .then_some(end_ms)
        .or_else(|| from_ms.checked_add(3_600_000))
}

fn midnight(zone: &TimeZone, year: i32, month: u8, day: u8) -> Option<i64> {
    let found = DateTime::find(year, month, day, 0, 0, 0, 0, zone.as_ref()).ok()?;
    match found.into_inner().first()? {
        FoundDateTimeKind::Normal(moment) => Some(moment.unix_time()),
        FoundDateTimeKind::Skipped {
            after_transition, ..
        } => Some(after_transition.unix_time()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    /// A zone like Berlin's, of which the rule stands in the text alone.
    fn berlin() -> TimeZone {
        TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    fn at(text: [u16; 3]) -> i64 {
        let [year, month, day] = text;
        let time = UtcDateTime::new(i32::from(year), month as u8, day as u8, 0, 0, 0, 0).unwrap();
        time.unix_time() * 1000
    }

    fn hours(step: Step, zone: &TimeZone, asked: Range<i64>) -> Vec<i64> {
        let steps = steps(step, zone, &asked).unwrap();
        steps
            .iter()
            .map(|step| (step.end - step.start) / HOUR_MS)
            .collect()
    }

    #[test]
    fn days_of_the_change_have_23_and_25_hours() {
        let zone = berlin();
        // From midnight of Berlin, which is 23:00 UTC the day before in winter, and 22:00 in summer.
        let march = at([2026, 3, 28]) - HOUR_MS..at([2026, 3, 31]) - 2 * HOUR_MS;
        assert_eq!(hours(Step::Day, &zone, march.clone()), [24, 23, 24]);
        let october = at([2026, 10, 24]) - 2 * HOUR_MS..at([2026, 10, 27]) - HOUR_MS;
        assert_eq!(hours(Step::Day, &zone, october.clone()), [24, 25, 24]);
        assert_eq!(hours(Step::Hour, &zone, october), [1; 73]);
        assert_eq!(hours(Step::Month, &zone, march), [95 - 24]);
        let year = at([2026, 1, 1]) - HOUR_MS..at([2027, 1, 1]) - HOUR_MS;
        let months = hours(Step::Month, &zone, year);
        assert_eq!(months.len(), 12);
        assert_eq!((months[2], months[9]), (31 * 24 - 1, 31 * 24 + 1));
        assert_eq!(steps(Step::Minute, &zone, &(0..30 * 24 * HOUR_MS)), None);
    }

    proptest! {
        #[test]
        fn steps_cover_what_was_asked(
            start in at([2020, 1, 1])..at([2030, 1, 1]),
            length in 1i64..40 * 24 * HOUR_MS,
            step in prop::sample::select(&[Step::Hour, Step::Day, Step::Month][..]),
            zone in prop::sample::select(&["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "<-04>4<-03>,M9.1.6/24,M4.1.6/24", "IST-5:30"][..]),
        ) {
            let zone = TimeZone::from_posix_tz(zone).unwrap();
            let asked = start..start + length;
            let steps = steps(step, &zone, &asked).unwrap();
            prop_assert_eq!(steps.first().map(|first| first.start), Some(asked.start));
            prop_assert_eq!(steps.last().map(|last| last.end), Some(asked.end));
            prop_assert!(steps.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert!(steps.iter().all(|step| step.start < step.end));
            // Where it is cut makes no other edges.
            let later = asked.start + length / 3;
            let again = super::steps(step, &zone, &(later..asked.end)).unwrap();
            let edges: Vec<i64> = again.iter().map(|step| step.end).collect();
            let want: Vec<i64> = steps.iter().map(|step| step.end).filter(|&end| end > later).collect();
            prop_assert_eq!(edges, want);
        }
    }
}
