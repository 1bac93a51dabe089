//! Why a receiver did not take a notification, and whether it is worth trying again.

use super::text::one_line;

/// Longest reason that is logged, bytes; receivers write what they like.
const REASON_MAX_BYTES: usize = 400;
/// Longest that a receiver can ask to be left in peace, ms.
const RETRY_AFTER_MAX_MS: i64 = 300_000;

/// An attempt that did not work.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{reason}")]
pub(super) struct Failure {
    /// What happened and where, in one bounded line.
    pub(super) reason: String,
    /// Whether a repetition would change nothing.
    pub(super) is_permanent: bool,
    /// Pause that the receiver asks for, ms.
    pub(super) retry_after_ms: Option<i64>,
}

impl Failure {
    /// To be tried again.
    pub(super) fn for_now(reason: &str) -> Self {
        Self {
            reason: one_line(reason, REASON_MAX_BYTES),
            is_permanent: false,
            retry_after_ms: None,
        }
    }

    /// Not to be tried again.
    pub(super) fn for_good(reason: &str) -> Self {
        Self {
            is_permanent: true,
            ..Self::for_now(reason)
        }
    }

    /// Not before so many ms.
    pub(super) fn after(mut self, pause_ms: Option<i64>) -> Self {
        self.retry_after_ms = pause_ms.map(|pause_ms| pause_ms.clamp(0, RETRY_AFTER_MAX_MS));
        self
    }
}

/// An error with what is behind it.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(source) = behind {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        behind = source.source();
    }
    text
}
