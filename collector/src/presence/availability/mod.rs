//! Availability: how long each part of a host was up, down and unknown, as sums of time.
//!
//! Never counts of beats, and never a product of two ratios: the total is the time in which server and
//! network were up at once. A ratio is a band: with what is unknown taken for down, and for up. Time in
//! maintenance is in none of them; the raw figures beside them have all the time. Pure: [`report`] adds
//! up, [`Sums`] takes hosts together step by step, [`text`] has the words.

mod outages;
mod report;
mod steps;
mod sums;
mod text;

#[cfg(test)]
mod tests;

use serde::Serialize;

pub(super) use self::outages::{Down, Downs, means, split};
pub use self::report::{Document, Outage, Report, reason_name, report};
pub(super) use self::report::{Figures, state_name};
pub use self::steps::{STEPS_MAX, Step, steps};
pub use self::sums::{By, Sums};
pub(super) use self::text::percent;
pub use self::text::{head, text};
pub(crate) use self::text::{span, time};
use super::timeline::State;

/// How a report is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown {
    /// With every interval.
    pub intervals: bool,
    /// As JSON.
    pub json: bool,
}

/// Time by state, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// It worked.
    pub up_ms: i64,
    /// It did not.
    pub down_ms: i64,
    /// Nothing proves either.
    pub unknown_ms: i64,
}

impl Times {
    pub(crate) const fn add(&mut self, state: State, length_ms: i64) {
        *match state {
            State::Up => &mut self.up_ms,
            State::Down => &mut self.down_ms,
            State::Unknown => &mut self.unknown_ms,
        } += length_ms;
    }

    /// Share of the time that it was up, 0 to 1: if it was down while unknown, and if it was up. `None`
    /// of no time.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "ms of some years")]
    pub fn band(&self) -> Option<[f64; 2]> {
        let all = self.up_ms + self.down_ms + self.unknown_ms;
        let share = |ms: i64| ms as f64 / all as f64;
        (all > 0).then(|| [share(self.up_ms), share(self.up_ms + self.unknown_ms)])
    }
}

/// The parts of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// The host itself.
    pub server: Times,
    /// The way to it.
    pub network: Times,
    /// Its agent.
    pub agent: Times,
    /// Server and network at once.
    pub total: Times,
}
