//! From firings to findings. Pure.
//!
//! An episode is a run of firings with no longer pause than the rule's; it is one finding. Promises: the
//! findings of a key that are not merged are the episodes of all its firings, whatever the order in which
//! those became known. Where late events bring two findings together, the one that lasts stays, or else the
//! one that was found first, and the other ends as merged into it.

use crmscope_proto::Id;

use super::finding::{self, Finding};
use super::firing::Firing;
use super::rule::Rule;

/// Events of hosts that are not cut off come within this, ms: so long after its pause a finding is over.
pub const GRACE_MS: i64 = 300_000;

/// A run of firings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first.
    pub first: Firing,
    /// When the last was, Unix ms.
    pub last_ms: i64,
}

/// The runs of firings that are in order.
#[must_use]
pub fn runs(firings: &[Firing], suppress_ms: i64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &first in firings {
        match runs.last_mut() {
            Some(run) if first.at_ms - run.last_ms <= suppress_ms => run.last_ms = first.at_ms,
            _ => runs.push(Run {
                first,
                last_ms: first.at_ms,
            }),
        }
    }
    runs
}

/// Whose findings they are.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    /// The rule.
    pub rule: &'a Rule,
    /// The values.
    pub values: &'a [String],
    /// Their hash.
    pub hash: u64,
}

/// The findings of a key that are new or changed by new runs; `stored` are those that are near and not
/// merged.
#[must_use]
pub fn join(key: Key<'_>, stored: &[Finding], runs: &[Run], now_ms: i64) -> Vec<Finding> {
    let mut parts: Vec<Part<'_>> = stored.iter().map(Part::Stored).collect();
    parts.extend(runs.iter().map(Part::New));
    parts.sort_by_key(Part::span);
    let mut episodes: Vec<Episode<'_>> = Vec::new();
    for part in parts {
        let (first_ms, last_ms) = part.span();
        match episodes.last_mut() {
            Some(episode) if first_ms - episode.last_ms <= key.rule.suppress_ms => {
                episode.last_ms = episode.last_ms.max(last_ms);
                episode.parts.push(part);
            }
            _ => episodes.push(Episode {
                first_ms,
                last_ms,
                parts: vec![part],
            }),
        }
    }
    let changed = episodes.iter().flat_map(|one| one.findings(key, now_ms));
    changed.collect()
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Stored(&'a Finding),
    New(&'a Run),
}

impl Part<'_> {
    const fn span(&self) -> (i64, i64) {
        match self {
            Self::Stored(finding) => (finding.first_ms, finding.last_ms),
            Self::New(run) => (run.first.at_ms, run.last_ms),
        }
    }
}

struct Episode<'a> {
    first_ms: i64,
    last_ms: i64,
    parts: Vec<Part<'a>>,
}

impl Episode<'_> {
    /// What has to be written.
    fn findings(&self, key: Key<'_>, now_ms: i64) -> Vec<Finding> {
        let mut known: Vec<&Finding> = Vec::new();
        let mut first: Option<Firing> = None;
        for part in &self.parts {
            match part {
                Part::Stored(finding) => known.push(finding),
                // They are in order.
                Part::New(run) => first = first.or(Some(run.first)),
            }
        }
        known.sort_by_key(|one| (one.is_over(), one.found_ms, one.finding_id));
        let Some((&stays, others)) = known.split_first() else {
            let Some(first) = first else {
                return Vec::new();
            };
            return vec![Finding {
                finding_id: finding::finding_id(&key.rule.id, key.values, first.event_id),
                first_ms: self.first_ms,
                last_ms: self.last_ms,
                found_ms: now_ms,
                changed_ms: now_ms,
                ..finding::of(key.rule, key.values, key.hash)
            }];
        };
        if others.is_empty() && (stays.first_ms, stays.last_ms) == (self.first_ms, self.last_ms) {
            return Vec::new();
        }
        let mut grown = Finding {
            first_ms: self.first_ms,
            last_ms: self.last_ms,
            changed_ms: now_ms,
            timespan_ms: key.rule.timespan_ms,
            suppress_ms: key.rule.suppress_ms,
            ..stays.clone()
        };
        let is_longer = grown.last_ms > stays.last_ms;
        if grown.is_over() && is_longer && grown.last_ms > now_ms - grown.suppress_ms - GRACE_MS {
            // It goes on: whoever was told that it is over is told again.
            grown.ended_ms = 0;
            grown.generation = grown.generation.saturating_add(1);
        }
        let merged = others.iter().map(|&other| Finding {
            merged_into: grown.finding_id,
            ended_ms: if other.is_over() {
                other.ended_ms
            } else {
                now_ms
            },
            ..other.clone()
        });
        let merged: Vec<Finding> = merged.collect();
        std::iter::once(grown).chain(merged).collect()
    }
}

/// Whether nothing more is to be waited for. What was found late lasts as long as what was found at once.
#[must_use]
pub const fn is_due_to_end(finding: &Finding, now_ms: i64) -> bool {
    let last_ms = if finding.changed_ms > finding.last_ms {
        finding.changed_ms
    } else {
        finding.last_ms
    };
    !finding.is_over() && now_ms > last_ms + finding.suppress_ms + GRACE_MS
}

/// What stands for none in [`Finding::merged_into`].
pub const NOT_MERGED: Id = Id([0; 16]);
