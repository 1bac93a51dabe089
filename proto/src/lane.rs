//! Lanes: their names, and the order in which they are sent.

pub use crate::v1::Lane;

impl Lane {
    /// Every lane, most urgent first: the order in which a backlog is sent.
    pub const BY_URGENCY: [Self; 4] = [
        Self::Security,
        Self::Presence,
        Self::Requests,
        Self::Metrics,
    ];

    /// The lane's name in directories, topics, tables and pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Metrics => "metrics",
            Self::Requests => "requests",
            Self::Security => "security",
            Self::Presence => "presence",
        }
    }

    /// A position from 0 to 3 for arrays with one entry a lane; `None` when unspecified.
    #[must_use]
    pub const fn position(self) -> Option<usize> {
        match self {
            Self::Unspecified => None,
            Self::Metrics => Some(0),
            Self::Requests => Some(1),
            Self::Security => Some(2),
            Self::Presence => Some(3),
        }
    }
}
