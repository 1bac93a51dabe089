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

/// Losses of one reason.
#[derive(Debug)]
struct Case {
    reason: Lost,
    count: u64,
    known_bytes: u64,
    /// Of the last one.
    path: PathBuf,
}

/// Losses since the last time they were said; one case for each reason at most.
#[derive(Debug, Default)]
pub(super) struct Losses {
    cases: Vec<Case>,
}

impl Losses {
    pub(super) fn add(&mut self, loss: &Loss<'_>) {
        let bytes = loss.bytes.unwrap_or(0);
        let mut cases = self.cases.iter_mut();
        if let Some(case) = cases.find(|case| case.reason == loss.reason) {
            case.count += 1;
            case.known_bytes += bytes;
            if case.path != loss.path {
                case.path = loss.path.to_owned();
            }
            return;
        }
        self.cases.push(Case {
            reason: loss.reason,
            count: 1,
            known_bytes: bytes,
            path: loss.path.to_owned(),
        });
    }

    /// Says what was lost.
    pub(super) fn report(&mut self) {
        for case in self.cases.drain(..) {
            tracing::warn!(
                reason = case.reason.name(),
                count = case.count,
                known_bytes = case.known_bytes,
                path = ?case.path,
                "log lines are lost; the path is that of the last case"
            );
        }
    }
}
