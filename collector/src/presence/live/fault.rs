//! Faults: what was found wrong. That of a host has a name that is the same wherever it is found.

use std::collections::BTreeMap;

use crmscope_proto::Id;
use sha2::{Digest as _, Sha256};

use crate::alerts::{Incident, Kind};

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
    /// Which objective; empty for hosts.
    pub objective: String,
    /// When it began, Unix ms.
    pub began_ms: i64,
    /// When it was over, Unix ms.
    pub ended_ms: Option<i64>,
    /// What is known and how, in a sentence.
    pub summary: String,
}

impl Fault {
    /// The same, over at `ended_ms` (Unix), or as soon as it began.
    #[must_use]
    pub fn ended(self, ended_ms: i64) -> Self {
        Self {
            ended_ms: Some(ended_ms.max(self.began_ms)),
            ..self
        }
    }
}

impl From<Fault> for Incident {
    fn from(fault: Fault) -> Self {
        let mut labels = BTreeMap::new();
        for (name, value) in [
            ("role", fault.role),
            ("host_group", fault.host_group),
            ("objective", fault.objective),
        ] {
            if !value.is_empty() {
                labels.insert(name.to_owned(), value);
            }
        }
        Self {
            incident_id: fault.fault_id,
            kind: fault.kind,
            agent_id: fault.agent_id,
            labels,
            began_ms: fault.began_ms,
            ended_ms: fault.ended_ms,
            summary: fault.summary,
        }
    }
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
