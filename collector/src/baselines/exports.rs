//! More exported in an hour than a user ever exported in one of the past days. Pure.
//!
//! Judged by data records, where the log tells them, and else by exports. Bounds: an hour is one of the
//! clock, so what is spread over its end counts as two; who exports a little more each time is followed.

use super::config::Exports;
use super::history::{Activity, Past};

/// The kind of event that is an export.
pub const EXPORT: &str = "data_export";

/// What was exported in an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exported {
    /// Data records.
    pub records: u64,
    /// How often.
    pub exports: u64,
}

/// What of the past it is measured by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    /// Largest hour, records and exports each for themselves.
    pub largest: Exported,
    /// All hours together.
    pub total: Exported,
}

/// What a user exported in hours of the past.
#[must_use]
pub fn usual<'a>(past: &Past<'_>, hours: impl Iterator<Item = &'a Activity>) -> Usual {
    let mut usual = Usual::default();
    for hour in hours.filter(|hour| past.has(hour.hour_ms)) {
        let (largest, total) = (&mut usual.largest, &mut usual.total);
        largest.records = largest.records.max(hour.records);
        largest.exports = largest.exports.max(hour.events);
        total.records = total.records.saturating_add(hour.records);
        total.exports = total.exports.saturating_add(hour.events);
    }
    usual
}

/// Whether an hour is more than usual. More exports only make it more so.
#[must_use]
pub fn is_unusual(settings: &Exports, usual: &Usual, hour: Exported) -> bool {
    is_beyond(
        hour.records,
        usual.largest.records,
        settings.factor,
        settings.records_min,
        settings.first_records_max,
    ) || is_beyond(
        hour.exports,
        usual.largest.exports,
        settings.factor,
        settings.exports_min,
        settings.first_exports_max,
    )
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts beyond 2^53 are as unusual when rounded"
)]
fn is_beyond(count: u64, largest: u64, factor: f64, least: u64, first_max: u64) -> bool {
    match largest {
        0 => count > first_max,
        _ => count >= least && count as f64 > largest as f64 * factor,
    }
}
