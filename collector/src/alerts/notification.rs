//! A notification: what one receiver is told at once, about one incident or several of a kind.
//!
//! Owns names of phases and targets, and the key by which a receiver knows a repetition. Promises that
//! the key of the same incidents, phase and target is the same on every collector and after a restart.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crmscope_proto::Id;
use sha2::{Digest as _, Sha256};

use super::kind::{Kind, Severity};
use super::text::{LABEL_MAX_BYTES, SENTENCE_MAX_BYTES, one_line};

/// Most incidents that a document or a mail lists one by one.
pub(super) const LISTED_MAX: usize = 50;
/// Hosts that a headline names.
const NAMED_MAX: usize = 3;

/// Something that is wrong, as it is now; sent anew whenever it changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// The same on every collector, and never used again for another incident.
    pub incident_id: Id,
    /// What is wrong.
    pub kind: Kind,
    /// The host; empty when it is about many.
    pub agent_id: String,
    /// What receivers sort by, such as `group` and `role`; the same for as long as the incident lasts.
    pub labels: BTreeMap<String, String>,
    /// When it began, Unix ms.
    pub began_ms: i64,
    /// When it was over, Unix ms; set once it is.
    pub ended_ms: Option<i64>,
    /// One sentence: what is known, and how.
    pub summary: String,
}

impl Incident {
    /// How urgent it is: by its kind, and a finding by its level.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let level = self.labels.get("level").map(String::as_str);
        match (self.kind, level) {
            (Kind::SecurityFinding, Some("critical" | "high")) => Severity::Critical,
            (Kind::SecurityFinding, _) => Severity::Warning,
            (kind, _) => kind.severity(),
        }
    }
}

/// Which end of an incident is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It began.
    Firing,
    /// It is over.
    Resolved,
}

impl Phase {
    /// As tables and documents have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// A kind of receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Prometheus' Alertmanager.
    Alertmanager,
    /// A program that takes a JSON document.
    Webhook,
    /// People, by mail.
    Mail,
}

impl Target {
    /// Every target.
    pub const ALL: [Self; 3] = [Self::Alertmanager, Self::Webhook, Self::Mail];

    /// As tables and metrics have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alertmanager => "alertmanager",
            Self::Webhook => "webhook",
            Self::Mail => "mail",
        }
    }
}

/// What one receiver is told at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Who is told.
    pub target: Target,
    /// Which end.
    pub phase: Phase,
    /// What is wrong.
    pub kind: Kind,
    /// The incidents, by id; at least one.
    pub incidents: Vec<Arc<Incident>>,
}

impl Notification {
    /// How urgent the most urgent of them is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let each = self.incidents.iter().map(|incident| incident.severity());
        each.max().unwrap_or_else(|| self.kind.severity())
    }

    /// The key by which the receiver knows a repetition, in hexadecimal.
    #[must_use]
    pub fn key(&self) -> String {
        let ids = self.incidents.iter().map(|incident| incident.incident_id);
        key(ids, self.phase, self.target)
    }

    /// What happened and to whom, in one bounded line.
    #[must_use]
    pub fn headline(&self) -> String {
        let what = self.kind.name().replace('_', " ");
        let phase = self.phase.name().to_uppercase();
        let hosts: Vec<String> = self
            .incidents
            .iter()
            .filter(|incident| !incident.agent_id.is_empty())
            .take(NAMED_MAX)
            // Several stand in one line of a phone.
            .map(|incident| one_line(&incident.agent_id, LABEL_MAX_BYTES / 4))
            .collect();
        let named = hosts.join(", ");
        match (self.incidents.len(), hosts.len()) {
            (1, 0) => format!("{phase}: {what}"),
            (1, _) => format!("{phase}: {what}: {named}"),
            (count, 0) => format!("{phase}: {what}: {count} incidents"),
            (count, hosts) if count > hosts => format!("{phase}: {what}: {count}: {named}, …"),
            (count, _) => format!("{phase}: {what}: {count}: {named}"),
        }
    }

    /// One sentence: of the one incident, or the headline where there are several.
    #[must_use]
    pub fn summary(&self) -> String {
        match &self.incidents[..] {
            [one] => one_line(&one.summary, SENTENCE_MAX_BYTES),
            _ => self.headline(),
        }
    }
}

/// SHA-256 of the ids in their order, 16 bytes each, then phase and target as `firing/webhook`.
#[must_use]
pub fn key(ids: impl IntoIterator<Item = Id>, phase: Phase, target: Target) -> String {
    let mut hash = Sha256::new();
    for id in ids {
        hash.update(id.0);
    }
    hash.update(phase.name());
    hash.update("/");
    hash.update(target.name());
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(agents: &[&str]) -> Notification {
        let incident = |(number, agent): (usize, &&str)| {
            Arc::new(Incident {
                incident_id: Id([u8::try_from(number).unwrap(); 16]),
                kind: Kind::HostSilent,
                agent_id: (*agent).to_owned(),
                labels: BTreeMap::new(),
                began_ms: 0,
                ended_ms: None,
                summary: "Nothing was heard\nfor 40 s.".to_owned(),
            })
        };
        Notification {
            target: Target::Webhook,
            phase: Phase::Firing,
            kind: Kind::HostSilent,
            incidents: agents.iter().enumerate().map(incident).collect(),
        }
    }

    #[test]
    fn a_key_is_known_to_receivers_and_never_changes() {
        // (head -c 16 /dev/zero; printf firing/webhook) | sha256sum
        assert_eq!(
            of(&["a"]).key(),
            "88124f629296009156d579c6e3dfcc5c196490de63c1fec2ca3dbfaf0fd0c89f"
        );
        let keys = [
            key([Id([0; 16])], Phase::Firing, Target::Webhook),
            key([Id([1; 16])], Phase::Firing, Target::Webhook),
            key([Id([0; 16])], Phase::Resolved, Target::Webhook),
            key([Id([0; 16])], Phase::Firing, Target::Mail),
            of(&["a", "b"]).key(),
        ];
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn headlines_say_what_and_whom() {
        for (agents, want) in [
            (&["web-01"][..], "FIRING: host silent: web-01"),
            (&[""], "FIRING: host silent"),
            (&["a", "b"], "FIRING: host silent: 2: a, b"),
            (&["a", "b", "c", "d"], "FIRING: host silent: 4: a, b, c, …"),
            (&["", ""], "FIRING: host silent: 2 incidents"),
            (&["x\r\nBcc: y"], "FIRING: host silent: x  Bcc: y"),
        ] {
            assert_eq!(of(agents).headline(), want);
        }
        assert_eq!(of(&["a"]).summary(), "Nothing was heard for 40 s.");
        assert_eq!(of(&["a", "b"]).summary(), of(&["a", "b"]).headline());
        let long = "é".repeat(9000);
        assert!(of(&[&long, &long, &long]).headline().len() < 250);
    }
}
