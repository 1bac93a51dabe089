//! From verdicts to findings. Pure.

use std::collections::BTreeMap;

use crmscope_proto::Id;
use sha2::{Digest as _, Sha256};

use super::config::Config;
use super::feed::Evidence;
use super::history::HOUR_MS;
use super::judge::{Detector, Verdict};
use super::sentence::title;
use crate::correlation::episodes::Run;
use crate::correlation::firing::Firing;
use crate::correlation::rule::{Kind, Level, Rule};

/// Ids of the rules begin so.
pub(crate) const PREFIX: &str = "baseline.";
/// Kinds of events that are logins, as `user_logins_1h` has them.
const LOGINS: [&str; 2] = ["app_login", "ssh_login"];

/// The rule whose findings a detector's are.
pub(super) fn rule(detector: Detector, level: Level) -> Rule {
    let subject = match detector {
        Detector::UnusualVolume | Detector::ExportVolume => Some("event"),
        Detector::NewNetwork => Some("source_network"),
        Detector::NewClient => Some("client"),
        Detector::UnusualHour | Detector::UnusualLogin => None,
    };
    let group_by = std::iter::once("user").chain(subject);
    Rule {
        id: format!("{PREFIX}{}", detector.name()),
        title: title(detector).to_owned(),
        level,
        what: "events".to_owned(),
        bases: Vec::new(),
        group_by: group_by.map(str::to_owned).collect(),
        fields: Vec::new(),
        keeps_empty: false,
        timespan_ms: HOUR_MS,
        suppress_ms: detector.suppress_ms(),
        kind: Kind::EventCount { at_least: 1 },
    }
}

/// The values of a finding's key.
pub(super) fn key(user: &str, verdict: &Verdict) -> Vec<String> {
    let subject = Some(&verdict.subject).filter(|subject| !subject.is_empty());
    let subject = subject.cloned();
    std::iter::once(user.to_owned()).chain(subject).collect()
}

/// By which a key is found.
pub(super) fn key_hash(detector: Detector, key: &[String]) -> u64 {
    let mut hash = Sha256::new();
    for part in std::iter::once(detector.name()).chain(key.iter().map(String::as_str)) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hash.finalize()[..8]);
    u64::from_be_bytes(first)
}

/// A verdict as an episode's part. Its hour stands for an event.
pub(super) fn run(verdict: &Verdict) -> Run {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&verdict.hour_ms.to_be_bytes());
    Run {
        first: Firing {
            at_ms: verdict.first_ms,
            event_id: Id(id),
        },
        last_ms: verdict.last_ms,
    }
}

/// Which events show what was found.
pub(super) fn evidence(user_hash: u64, verdict: &Verdict, span: (i64, i64)) -> Evidence {
    let mut evidence = Evidence {
        user_hash,
        from_ms: span.0,
        to_ms: span.1,
        ..Evidence::default()
    };
    match verdict.detector {
        Detector::UnusualVolume | Detector::ExportVolume => {
            let kind = verdict.subject.strip_suffix(" failed");
            evidence.outcome = match kind {
                Some(_) => "failed",
                None => "unfailed",
            };
            evidence.kinds = vec![kind.unwrap_or(&verdict.subject).to_owned()];
        }
        detector => {
            evidence.outcome = "succeeded";
            evidence.kinds = LOGINS.map(str::to_owned).to_vec();
            match detector {
                Detector::NewNetwork => evidence.network.clone_from(&verdict.subject),
                Detector::NewClient => evidence.client.clone_from(&verdict.subject),
                _ => {}
            }
        }
    }
    evidence
}

/// Times of which something was told, as verdicts come in the order of their hours: those of one finding
/// are one time.
#[derive(Clone, Debug, Default)]
pub struct Told {
    last: BTreeMap<(Detector, String), usize>,
}

impl Told {
    /// Adds what is told of an hour.
    pub fn add(&mut self, config: &Config, verdicts: &[Verdict], told: &mut Vec<(i64, i64)>) {
        for verdict in verdicts {
            if !verdict.detector.level(config).is_some_and(Level::is_told) {
                continue;
            }
            let key = (verdict.detector, verdict.subject.clone());
            let last = self.last.get(&key).and_then(|&place| told.get_mut(place));
            match last {
                Some((_, to_ms)) if verdict.first_ms - *to_ms <= verdict.detector.suppress_ms() => {
                    *to_ms = verdict.last_ms.max(*to_ms);
                }
                _ => {
                    self.last.insert(key, told.len());
                    told.push((verdict.first_ms, verdict.last_ms));
                }
            }
        }
    }
}
