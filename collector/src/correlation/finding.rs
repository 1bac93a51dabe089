//! A finding: an episode in which a rule fired for a key, as it is known now.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crmscope_proto::Id;
use sha2::{Digest as _, Sha256};

use super::rule::Rule;
use crate::alerts::{Incident, Kind};

/// Longest text of a stranger in a sentence or a label, characters.
const SHOWN_MAX: usize = 64;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// The same wherever and how often it is found.
    pub finding_id: Id,
    /// Which rule.
    pub rule_id: String,
    /// What it is called.
    pub title: String,
    /// How bad it is, by name.
    pub level: String,
    /// What events are grouped by.
    pub group_by: Vec<String>,
    /// The values of that.
    pub group_key: Vec<String>,
    /// By which the key is found.
    pub key_hash: u64,
    /// The first event at which the rule fired, Unix ms.
    pub first_ms: i64,
    /// The last one so far, Unix ms.
    pub last_ms: i64,
    /// The rule's window, ms.
    pub timespan_ms: i64,
    /// The rule's pause, ms.
    pub suppress_ms: i64,
    /// What was counted.
    pub figures: Figures,
    /// All that in a sentence.
    pub summary: String,
    /// When it was found, Unix ms.
    pub found_ms: i64,
    /// When it last became longer, Unix ms.
    pub changed_ms: i64,
    /// When it was over; 0 while it is not; Unix ms.
    pub ended_ms: i64,
    /// The finding that it turned out to be a part of; nil where it is its own.
    pub merged_into: Id,
    /// How often it went on after it had been over.
    pub generation: u16,
}

/// What was counted of an episode, from a window before its first firing to its last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Events.
    pub events: u64,
    /// Different values, where the rule counts them.
    pub distinct_values: u64,
    /// Some of the hosts.
    pub hosts: Vec<String>,
    /// How many they are.
    pub hosts_total: u64,
    /// Some of the users.
    pub users: Vec<String>,
    /// How many they are.
    pub users_total: u64,
    /// Some of the addresses.
    pub sources: Vec<String>,
    /// How many they are.
    pub sources_total: u64,
    /// First event.
    pub from_ms: i64,
    /// Last event.
    pub to_ms: i64,
}

/// The id of a new finding: a hash of the rule, the key, and the event at which it fired first.
#[must_use]
pub fn finding_id(rule_id: &str, key: &[String], first: Id) -> Id {
    let mut hash = Sha256::new();
    for part in std::iter::once(rule_id).chain(key.iter().map(String::as_str)) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(first.0);
    short(hash)
}

fn short(hash: Sha256) -> Id {
    let mut id = [0; 16];
    id.copy_from_slice(&hash.finalize()[..16]);
    Id(id)
}

impl Finding {
    /// Whether it is over, by what was known at a time.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.ended_ms != 0
    }

    /// Says in a sentence what the figures are. What strangers wrote is cut and escaped.
    pub fn explain(&mut self, what: &str) {
        let Figures {
            events,
            distinct_values,
            hosts_total,
            users_total,
            sources_total,
            from_ms,
            to_ms,
            ..
        } = self.figures;
        let mut text = format!("{}: {events} {what}", shown(&self.title));
        let has = |name: &str| self.group_by.iter().any(|field| field == name);
        let (user, host) = (has("user"), has("agent_id"));
        let source = has("source_address");
        for (name, value) in self.group_by.iter().zip(&self.group_key) {
            if value.is_empty() {
                continue;
            }
            let how = match name.as_str() {
                "source_address" | "source_network" => "from",
                "user" => "by user",
                "target_user" => "on account",
                "agent_id" => "on host",
                "service" => "in service",
                other => other,
            };
            let _ = write!(text, " {how} {}", shown(value));
        }
        let mut many = |is_key: bool, count: u64, one: &str, word: &str| {
            if !is_key && count > 0 {
                let s = if count == 1 { "" } else { "s" };
                let es = if count > 1 && one.ends_with('s') {
                    "e"
                } else {
                    ""
                };
                let _ = write!(text, ", {word} {count} {one}{es}{s}");
            }
        };
        many(source, sources_total, "address", "from");
        many(user, users_total, "user", "for");
        many(host, hosts_total, "host", "on");
        if distinct_values > 0 {
            let _ = write!(text, ", {distinct_values} different values");
        }
        let _ = write!(text, ", within {}.", duration(to_ms - from_ms));
        self.summary = text;
    }

    /// As those who tell people take it; none where nobody is to be told.
    #[must_use]
    pub fn incident(&self) -> Option<Incident> {
        if !["medium", "high", "critical"].contains(&self.level.as_str()) {
            return None;
        }
        let mut labels = BTreeMap::from([
            ("rule".to_owned(), self.rule_id.clone()),
            ("level".to_owned(), self.level.clone()),
        ]);
        let mut agent_id = String::new();
        for (name, value) in self.group_by.iter().zip(&self.group_key) {
            let label = match name.as_str() {
                "source_address" => "source",
                "agent_id" => {
                    agent_id.clone_from(value);
                    continue;
                }
                other => other,
            };
            let value: String = value.chars().take(SHOWN_MAX).collect();
            if !value.is_empty() && labels.len() < 16 {
                labels.entry(label.to_owned()).or_insert(value);
            }
        }
        Some(Incident {
            incident_id: self.incident_id(),
            kind: Kind::SecurityFinding,
            agent_id,
            labels,
            began_ms: self.first_ms,
            ended_ms: Some(self.ended_ms).filter(|&ended_ms| ended_ms != 0),
            summary: self.summary.clone(),
        })
    }

    /// What is told when it goes on after its end is told anew.
    fn incident_id(&self) -> Id {
        if self.generation == 0 {
            return self.finding_id;
        }
        let mut hash = Sha256::new();
        hash.update(self.finding_id.0);
        hash.update(self.generation.to_be_bytes());
        short(hash)
    }
}

/// A new one, of a rule and a key.
#[must_use]
pub fn of(rule: &Rule, key: &[String], key_hash: u64) -> Finding {
    Finding {
        rule_id: rule.id.clone(),
        title: rule.title.clone(),
        level: rule.level.name().to_owned(),
        group_by: rule.group_by.clone(),
        group_key: key.to_vec(),
        key_hash,
        timespan_ms: rule.timespan_ms,
        suppress_ms: rule.suppress_ms,
        ..Finding::default()
    }
}

/// A stranger's text in a sentence: nothing in it moves a terminal's cursor or changes the direction of text.
/// Quotes stay, as names have them and nothing here is quoted by them.
pub(crate) fn shown(text: &str) -> String {
    let mut cut: String = text.chars().take(SHOWN_MAX).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    let mut shown = String::with_capacity(cut.len());
    for part in cut.split_inclusive(['\'', '"']) {
        let end = part.strip_suffix(['\'', '"']).map_or(part.len(), str::len);
        let (text, quote) = part.split_at(end);
        shown.extend(text.escape_debug());
        shown.push_str(quote);
    }
    shown
}

/// A time in words, rounded up.
pub(crate) fn duration(ms: i64) -> String {
    let seconds = ms.max(0).unsigned_abs().div_ceil(1000);
    let (count, unit) = match seconds {
        0..120 => (seconds.max(1), "second"),
        120..7_200 => (seconds.div_ceil(60), "minute"),
        7_200..172_800 => (seconds.div_ceil(3_600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{s}")
}
