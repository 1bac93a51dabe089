//! The one latency sketch: logarithmic buckets of fixed relative error.
//!
//! A value v in µs falls into bucket ⌈ln v / ln γ⌉ with γ = 1.01/0.99 (about 1.0202), the mapping
//! of DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019). Any quantile is within 1 % of the true
//! value. Buckets are sparse and hold counts, so that merging is addition and is exact anywhere:
//! here, in the collector, and in SQL by `sumMap`.

mod logarithm;

use std::collections::BTreeMap;

use logarithm::ln;

/// Relative error of a quantile.
pub const RELATIVE_ERROR: f64 = 0.01;

/// Ratio between the bounds of neighbouring buckets.
pub const GAMMA: f64 = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR);

const LN_GAMMA: f64 = ln(GAMMA);

/// Highest bucket: values above γ^1200 µs (about 7.4 hours) are counted there.
pub const INDEX_MAX: i16 = 1200;

/// Bucket of a latency. 0 and 1 µs share bucket 0.
#[must_use]
pub fn index(latency_us: u64) -> i16 {
    if latency_us <= 1 {
        return 0;
    }
    #[allow(
        clippy::cast_precision_loss,
        reason = "latencies stay far below 2^53 µs"
    )]
    let exact = ln(latency_us as f64) / LN_GAMMA;
    #[allow(
        clippy::cast_possible_truncation,
        reason = "clamped to the bucket range first"
    )]
    let index = exact.ceil().clamp(0.0, f64::from(INDEX_MAX)) as i16;
    index
}

/// The value that stands for a bucket, µs: within 1 % of everything in it.
#[must_use]
pub fn value_us(index: i16) -> f64 {
    2.0 * GAMMA.powi(i32::from(index)) / (1.0 + GAMMA)
}

/// Sparse counts per bucket, with the exact sum and maximum beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sketch {
    buckets: BTreeMap<i16, u64>,
    sum_us: u64,
    max_us: u64,
}

impl Sketch {
    /// Adds one latency.
    pub fn record(&mut self, latency_us: u64) {
        *self.buckets.entry(index(latency_us)).or_insert(0) += 1;
        self.sum_us = self.sum_us.saturating_add(latency_us);
        self.max_us = self.max_us.max(latency_us);
    }

    /// Adds everything another sketch holds.
    pub fn merge(&mut self, other: &Self) {
        for (&index, &count) in &other.buckets {
            let slot = self.buckets.entry(index).or_insert(0);
            *slot = slot.saturating_add(count);
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// A sketch of given buckets, sum and maximum, as read from the wire.
    #[must_use]
    pub fn from_parts(
        buckets: impl IntoIterator<Item = (i16, u64)>,
        sum_us: u64,
        max_us: u64,
    ) -> Self {
        let mut merged = BTreeMap::new();
        for (index, count) in buckets {
            let slot: &mut u64 = merged.entry(index).or_insert(0);
            *slot = slot.saturating_add(count);
        }
        Self {
            buckets: merged,
            sum_us,
            max_us,
        }
    }

    /// How many latencies were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets
            .values()
            .fold(0, |total, &count| total.saturating_add(count))
    }

    /// Sum of what was recorded, µs, exact.
    #[must_use]
    pub const fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// Largest latency recorded, µs, exact.
    #[must_use]
    pub const fn max_us(&self) -> u64 {
        self.max_us
    }

    /// Buckets in ascending order.
    pub fn buckets(&self) -> impl ExactSizeIterator<Item = (i16, u64)> + '_ {
        self.buckets.iter().map(|(&index, &count)| (index, count))
    }

    /// The quantile p (0 to 1), µs: the value at rank ⌊p·(n−1)⌋, as the SQL function `crmscope_quantile`
    /// computes it. `None` when nothing was recorded.
    #[must_use]
    pub fn quantile_us(&self, p: f64) -> Option<f64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "p is clamped, so the rank lies within 0..count"
        )]
        let rank = ((p.clamp(0.0, 1.0) * (count - 1) as f64).floor() as u64).min(count - 1);
        let mut seen = 0;
        for (&index, &bucket) in &self.buckets {
            seen = u64::saturating_add(seen, bucket);
            if seen > rank {
                return Some(value_us(index));
            }
        }
        None
    }
}
