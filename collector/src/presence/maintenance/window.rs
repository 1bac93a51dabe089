//! A window: which hosts may be silent, or which service may be away, and when.
//!
//! Pure: a zone is the caller's. Promises: its occurrences are sorted, apart from each other, within
//! what was asked, and the same however a time is cut. A window that is cancelled stays one for the
//! time before.

use std::ops::Range;

use crmscope_proto::Id;
use tz::TimeZone;

use super::repeat::Repeat;

/// Maintenance of a host, of a group, of a service, or of all hosts and services; once, or again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// What it is known by.
    pub window_id: Id,
    /// The host; empty where it is for more.
    pub agent_id: String,
    /// The group; empty as well where it is for all hosts or for a service.
    pub host_group: String,
    /// The service; empty as well where it is for all hosts, and with them for all services.
    pub service: String,
    /// First ms, Unix; of one that repeats, occurrences begin from then on.
    pub from_ms: i64,
    /// The ms after the last one, Unix; of one that repeats, no occurrence begins then or later. `None`:
    /// it repeats for ever.
    pub to_ms: Option<i64>,
    /// How it repeats; `None`: it does not.
    pub repeat: Option<Repeat>,
    /// Whose clocks its time of day is of, such as `Europe/Berlin`.
    pub zone: String,
    /// What it is for.
    pub note: String,
    /// When it was added, Unix ms.
    pub made_ms: i64,
    /// By whom.
    pub made_by: String,
    /// From when on it is not in force, Unix ms.
    pub cancelled_ms: Option<i64>,
}

/// Whom a window is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whom<'a> {
    /// All hosts and services.
    All,
    /// The hosts of a group.
    Group(&'a str),
    /// A host, by its agent.
    Host(&'a str),
    /// A service.
    Service(&'a str),
}

/// How a window stands at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its hosts may be silent.
    InForce,
    /// It comes, or comes again.
    ToCome,
    /// It will not come again.
    Over,
    /// Somebody ended it.
    Cancelled,
}

impl Standing {
    /// Its name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::ToCome => "to_come",
            Self::Over => "over",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A next occurrence is looked for so far ahead, ms: a week has every day, and changes of clocks are less.
const AHEAD_MS: i64 = 10 * 86_400_000;

impl Window {
    /// Whom it is for.
    #[must_use]
    pub fn whom(&self) -> Whom<'_> {
        match (&*self.agent_id, &*self.host_group, &*self.service) {
            ("", "", "") => Whom::All,
            ("", "", service) => Whom::Service(service),
            ("", group, _) => Whom::Group(group),
            (agent, ..) => Whom::Host(agent),
        }
    }

    /// Times in which it is in force, as far as they are within `range`, Unix ms.
    #[must_use]
    pub fn occurrences(&self, zone: &TimeZone, range: &Range<i64>) -> Vec<Range<i64>> {
        let end_ms = range.end.min(self.cancelled_ms.unwrap_or(i64::MAX));
        let asked = range.start..end_ms;
        let valid = self.from_ms..self.to_ms.unwrap_or(i64::MAX);
        let whole = match &self.repeat {
            None => vec![valid],
            Some(repeat) => repeat.occurrences(zone, &valid, &asked),
        };
        let within = |one: Range<i64>| one.start.max(asked.start)..one.end.min(asked.end);
        merged(whole.into_iter().map(within).collect())
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self, zone: &TimeZone, now_ms: i64) -> Standing {
        if self.cancelled_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            return Standing::Cancelled;
        }
        match self.next(zone, now_ms) {
            Some(next) if next.start <= now_ms => Standing::InForce,
            Some(_) => Standing::ToCome,
            None => Standing::Over,
        }
    }

    /// The occurrence that is in force, or the next one; as far as it is still to come.
    #[must_use]
    pub fn next(&self, zone: &TimeZone, now_ms: i64) -> Option<Range<i64>> {
        // An occurrence is not cut off by the end of the look: the longest has a week.
        let from_ms = now_ms.max(self.from_ms);
        let occurrences = self.occurrences(zone, &(from_ms..from_ms.saturating_add(AHEAD_MS * 2)));
        let next = occurrences.into_iter().next()?;
        match self.repeat {
            None => Some(next.start..self.end_ms()),
            Some(_) => Some(next),
        }
    }

    fn end_ms(&self) -> i64 {
        let to_ms = self.to_ms.unwrap_or(i64::MAX);
        to_ms.min(self.cancelled_ms.unwrap_or(i64::MAX))
    }

    /// Whether it says anything of a time that was over when it was said.
    #[must_use]
    pub fn is_retroactive(&self, zone: &TimeZone, from_ms: i64, said_ms: i64) -> bool {
        from_ms < said_ms && !self.occurrences(zone, &(from_ms..said_ms)).is_empty()
    }
}

/// Sorted, without those that are empty; those that touch are one.
#[must_use]
pub(super) fn merged(mut ranges: Vec<Range<i64>>) -> Vec<Range<i64>> {
    ranges.retain(|range| range.start < range.end);
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<i64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
