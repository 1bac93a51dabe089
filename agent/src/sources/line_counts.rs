//! What became of the lines that a run of a log source read: its figures.
//!
//! Promises that what is dropped has exactly one reason ([`SourceMetric::LOST`]). Pure.

use crmscope_proto::catalog::SourceMetric;

use super::Rows;
use super::tail::{Loss, Lost};

/// Counts of one run.
#[derive(Debug)]
pub(super) struct LineCounts([u64; SourceMetric::COUNT]);

impl Default for LineCounts {
    fn default() -> Self {
        Self([0; SourceMetric::COUNT])
    }
}

impl LineCounts {
    /// A line, or an entry of the journal, that came.
    pub(super) fn line(&mut self) {
        self.0[SourceMetric::Items as usize] += 1;
    }

    /// One of those was not understood.
    pub(super) fn unparsed(&mut self) {
        self.0[SourceMetric::Unparsed as usize] += 1;
    }

    /// One of those is not kept.
    pub(super) fn drop_line(&mut self, reason: SourceMetric, bytes: u64) {
        debug_assert!(SourceMetric::LOST.contains(&reason));
        self.0[SourceMetric::Dropped as usize] += 1;
        self.0[reason as usize] += 1;
        self.0[SourceMetric::LostKnownBytes as usize] += bytes;
    }

    /// A line that did not come, or more of them.
    pub(super) fn lose(&mut self, loss: &Loss<'_>) {
        self.line();
        let reason = match loss.reason {
            Lost::LineTooLong => SourceMetric::LostTooLongLines,
            Lost::Unfinished => SourceMetric::LostUnfinishedLines,
            Lost::RotatedAway => SourceMetric::LostRotatedFiles,
            Lost::Truncated => SourceMetric::LostTruncatedFiles,
            Lost::Unreadable => SourceMetric::LostUnreadableFiles,
        };
        self.drop_line(reason, loss.bytes.unwrap_or(0));
    }

    /// More bytes of a line that was lost before it ended.
    pub(super) fn lose_more(&mut self, bytes: u64) {
        self.0[SourceMetric::LostKnownBytes as usize] += bytes;
    }

    /// Whether anything was counted.
    pub(super) fn any(&self) -> bool {
        self.0.iter().any(|&count| count > 0)
    }

    /// Adds the counts to the source's figures.
    pub(super) fn report(&self, rows: &Rows<'_>) {
        for metric in [
            SourceMetric::Items,
            SourceMetric::Unparsed,
            SourceMetric::Dropped,
            SourceMetric::LostKnownBytes,
        ]
        .into_iter()
        .chain(SourceMetric::LOST)
        {
            rows.count(metric, self.0[metric as usize]);
        }
    }
}
