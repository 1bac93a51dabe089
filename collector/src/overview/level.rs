//! The one vocabulary of seriousness.

use serde::Serialize;

use crate::alerts::Severity;

/// How serious something is; what is worse is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Known to be well.
    Good,
    /// Nobody knows, which is not good.
    #[default]
    Unknown,
    /// To be looked at.
    Warn,
    /// Somebody has to do something.
    Bad,
}

impl Level {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Good, Self::Unknown, Self::Warn, Self::Bad];

    /// As documents have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Unknown => "unknown",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// That of a rule's finding.
    #[must_use]
    pub fn of_finding(level: &str) -> Self {
        match level {
            "critical" | "high" => Self::Bad,
            "medium" => Self::Warn,
            "low" | "informational" => Self::Good,
            // Of a later version.
            _ => Self::Warn,
        }
    }
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Warning => Self::Warn,
            Severity::Critical => Self::Bad,
        }
    }
}
