//! Lines that cannot be handed over: why, and how that is said.

use std::path::{Path, PathBuf};

/// Why lines are not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// One line, longer than [`super::LINE_MAX_BYTES`].
    LineTooLong,
    /// One line, at the end of a file that is not written to any more, without a newline: it may
    /// have been cut anywhere.
    Unfinished,
    /// What a file held after the place that was read to; the file was rotated away or deleted
    /// while nobody looked, and was not found again. How much it was is not known.
    RotatedAway,
    /// What a file held when it was truncated, and no copy holds.
    Truncated,
    /// The rest of a packed file that is damaged, or packed in a way that is not read.
    Unreadable,
}

impl Lost {
    const ALL: [Self; 5] = [
        Self::LineTooLong,
        Self::Unfinished,
        Self::RotatedAway,
        Self::Truncated,
        Self::Unreadable,
    ];

    /// As it is called in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LineTooLong => "line_too_long",
            Self::Unfinished => "unfinished",
            Self::RotatedAway => "rotated_away",
            Self::Truncated => "truncated",
            Self::Unreadable => "unreadable",
        }
    }
}

/// Something that is not handed over.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'a> {
    /// Why.
    pub reason: Lost,
    /// Where the log was found.
    pub path: &'a Path,
    /// How much it was, where that is known.
    pub bytes: Option<u64>,
}

/// Losses since the last time they were said.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// By reason.
    counts: [(u64, u64); Lost::ALL.len()],
    /// Of the last one of each reason.
    paths: [PathBuf; Lost::ALL.len()],
}

impl Losses {
    pub(super) fn add(&mut self, loss: &Loss<'_>) {
        let at = loss.reason as usize;
        self.counts[at].0 += 1;
        self.counts[at].1 += loss.bytes.unwrap_or(0);
        if self.paths[at] != loss.path {
            self.paths[at] = loss.path.to_owned();
        }
    }

    /// Says what was lost, one line for each reason at most.
    pub(super) fn report(&mut self) {
        let (counts, paths) = (std::mem::take(&mut self.counts), &self.paths);
        for (at, (count, bytes)) in counts.into_iter().enumerate() {
            if count > 0 {
                tracing::warn!(
                    reason = Lost::ALL[at].name(),
                    count,
                    known_bytes = bytes,
                    path = ?paths[at],
                    "log lines are lost; the path is that of the last case"
                );
            }
        }
    }
}
