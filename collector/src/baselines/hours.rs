//! How usual it is that a user logs in at an hour. Pure.
//!
//! A histogram by hour of day, of hours with logins (each once, however often), smoothed over the hours
//! around ([`KERNEL`], across midnight), where working days and weekends count for each other by
//! [`OTHER_DAYS`]. To it one login is added that may be at any hour (additive smoothing), so no hour has
//! probability 0. The share of an hour is its probability, of 24 hours in all.

use std::collections::BTreeSet;

use super::config::Hours;
use super::history::Local;

/// Weights of an hour and those up to two hours from it; they add up to 1 over both sides.
const KERNEL: [f64; 3] = [0.4, 0.2, 0.1];
/// What a login on the other kind of day counts.
const OTHER_DAYS: f64 = 0.3;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    working: [f64; 24],
    weekend: [f64; 24],
    days: BTreeSet<i64>,
}

impl Histogram {
    /// Of hours with logins; the same hour counts once.
    #[must_use]
    pub fn of(hours: &BTreeSet<Local>) -> Self {
        let mut histogram = Self::default();
        for local in hours {
            histogram.days.insert(local.day);
            let of = match local.is_weekend() {
                true => &mut histogram.weekend,
                false => &mut histogram.working,
            };
            // In 0 to 23 by its type's promise.
            if let Some(count) = usize::try_from(local.hour)
                .ok()
                .and_then(|hour| of.get_mut(hour))
            {
                *count += 1.0;
            }
        }
        histogram
    }

    /// Probability of an hour.
    #[must_use]
    pub fn probability(&self, local: Local) -> f64 {
        let (own, other) = match local.is_weekend() {
            true => (&self.weekend, &self.working),
            false => (&self.working, &self.weekend),
        };
        let count = |hour: i64| {
            let hour = usize::try_from(hour.rem_euclid(24)).unwrap_or(0);
            own[hour] + OTHER_DAYS * other[hour]
        };
        let near: f64 = (0i64..)
            .zip(KERNEL)
            .map(|(apart, weight)| match apart {
                0 => weight * count(local.hour),
                _ => weight * (count(local.hour - apart) + count(local.hour + apart)),
            })
            .sum();
        let all = own.iter().sum::<f64>() + OTHER_DAYS * other.iter().sum::<f64>();
        (near + 1.0 / 24.0) / (all + 1.0)
    }

    /// Days with logins.
    #[must_use]
    pub fn days(&self) -> usize {
        self.days.len()
    }

    /// Whether an hour is unusual, of a user of whom enough is known.
    #[must_use]
    pub fn is_unusual(&self, settings: &Hours, local: Local) -> bool {
        self.days() >= settings.days_min as usize
            && self.probability(local) < settings.probability_max
    }
}
