//! More events of a kind than at the same hour of past weeks. Pure.
//!
//! The robust z-score: (x - median) / s, with s = 1.4826 * MAD, which estimates the standard deviation of
//! normal data (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993; Leys et al., J. Exp. Soc.
//! Psychol. 49, 2013). Of few events the MAD is 0, and what is counted varies by its square root (Poisson),
//! so s is at least sqrt(median) and at least 1. Samples are the same hour of week and the hours before and
//! after it, in each past week in which the user was known: three a week, and hours without events are 0.

use std::collections::BTreeMap;

use tz::TimeZone;

use super::config::Volume;
use super::history::{Local, Past, WEEK_HOURS};

/// What makes the median absolute deviation of normal data their standard deviation.
const MAD_SCALE: f64 = 1.4826;
/// Hours before and after the hour of week that count as it.
const AROUND_HOURS: i64 = 1;

/// What was usual, and how far off an hour is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// Median of the samples.
    pub median: f64,
    /// What stands for their standard deviation.
    pub spread: f64,
    /// How many of these the hour lies above the median.
    pub deviations: f64,
    /// Weeks with samples.
    pub weeks: u32,
}

/// Middle of values that are in order; none of none.
#[must_use]
pub fn median(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        length if length % 2 == 1 => Some(sorted[half]),
        _ => Some(f64::midpoint(sorted[half - 1], sorted[half])),
    }
}

/// How far a count is from samples; none without any.
#[must_use]
pub fn deviation(count: f64, samples: &mut [f64], weeks: u32) -> Option<Deviation> {
    samples.sort_by(f64::total_cmp);
    let middle = median(samples)?;
    for sample in samples.iter_mut() {
        *sample = (*sample - middle).abs();
    }
    samples.sort_by(f64::total_cmp);
    let spread = (MAD_SCALE * median(samples)?).max(middle.sqrt()).max(1.0);
    Some(Deviation {
        median: middle,
        spread,
        deviations: (count - middle) / spread,
        weeks,
    })
}

/// How far an hour's count is from those of the past, by hour; none without enough of it.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 are as unusual when rounded"
)]
pub fn of_hour(
    settings: &Volume,
    zone: &TimeZone,
    past: &Past<'_>,
    since_ms: i64,
    counts: &BTreeMap<i64, u64>,
    count: u64,
) -> Option<Deviation> {
    let wanted = Local::of(zone, past.hour_ms).hour_of_week();
    let mut samples = Vec::new();
    let mut weeks = std::collections::BTreeSet::new();
    for hour_ms in past.hours(since_ms) {
        let local = Local::of(zone, hour_ms);
        let apart = (local.hour_of_week() - wanted).rem_euclid(WEEK_HOURS);
        if apart.min(WEEK_HOURS - apart) <= AROUND_HOURS {
            samples.push(counts.get(&hour_ms).copied().unwrap_or(0) as f64);
            weeks.insert((local.day + 3).div_euclid(7));
        }
    }
    let weeks = u32::try_from(weeks.len()).unwrap_or(u32::MAX);
    if weeks < settings.weeks_min {
        return None;
    }
    deviation(count as f64, &mut samples, weeks)
}

/// Whether that is unusual. More events only make it more so.
#[must_use]
pub fn is_unusual(settings: &Volume, deviation: &Deviation, count: u64) -> bool {
    count >= settings.events_min && deviation.deviations >= settings.deviations_min
}
