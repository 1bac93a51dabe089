//! Faults: what the detector found wrong, each with a name that is the same wherever it is found.

use crmscope_proto::Id;
use sha2::{Digest as _, Sha256};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A host is not heard any more.
    HostSilent,
    /// Many hosts fell silent together.
    ManySilent,
    /// A host is expected and never reported.
    HostMissing,
    /// An agent or its host was stopped in good order, and is not back.
    Stopped,
    /// A host falls silent and comes back again and again.
    Flapping,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::HostSilent,
        Self::ManySilent,
        Self::HostMissing,
        Self::Stopped,
        Self::Flapping,
    ];

    /// Its name in tables and alerts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HostSilent => "host_silent",
            Self::ManySilent => "many_silent",
            Self::HostMissing => "host_missing",
            Self::Stopped => "stopped",
            Self::Flapping => "flapping",
        }
    }
}

/// Something that is wrong, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The same wherever and how often it is found.
    pub fault_id: Id,
    /// What.
    pub kind: Kind,
    /// Which host; empty for many.
    pub agent_id: String,
    /// Its role.
    pub role: String,
    /// Its group, or that of the many; empty for all.
    pub host_group: String,
    /// When it began, Unix ms.
    pub began_ms: i64,
    /// When it was over, Unix ms.
    pub ended_ms: Option<i64>,
    /// What is known and how, in a sentence.
    pub summary: String,
}

/// The id of a fault of `kind`: a hash of whom it is about, and of what was last good there.
#[must_use]
pub fn fault_id(kind: Kind, about: &str, last_good: &[u8]) -> Id {
    let mut hash = Sha256::new();
    for part in [kind.name().as_bytes(), about.as_bytes(), last_good] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    Id(id)
}
