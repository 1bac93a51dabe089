//! A rule over many events, as the collector looks for it.
//!
//! Owns what a rule may ask. Promises that whether it fires at an event can only become true by further
//! events, never untrue: events come late, and a finding is not taken back. Leaves to [`super::load`] how it
//! is written, and to [`super::firing`] where it fires.

use super::field::Field;

/// Most rules that one rule looks at: they are bits of a number.
pub const BASES_MAX: usize = 32;
/// Highest count that can be asked for; a bound of what is read of a key follows from it.
pub const COUNT_MAX: u64 = 5_000;
/// Longest window, ms: 7 days.
pub const TIMESPAN_MAX_MS: i64 = 7 * 86_400_000;
/// Longest pause that does not end a finding, ms: 30 days.
pub const SUPPRESS_MAX_MS: i64 = 30 * 86_400_000;
/// The pause that ends a finding where a rule names none and its window is not longer, ms: 1 hour.
pub const SUPPRESS_MS: i64 = 3_600_000;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// To be known.
    Informational,
    /// To be known, and seldom an attack.
    Low,
    /// To be looked at.
    Medium,
    /// To be looked at soon.
    High,
    /// To be looked at now.
    Critical,
}

impl Level {
    /// As Sigma and the tables have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Whether anybody is told.
    #[must_use]
    pub fn is_told(self) -> bool {
        self >= Self::Medium
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What findings know it by.
    pub id: String,
    /// What people know it by.
    pub title: String,
    /// How bad it is.
    pub level: Level,
    /// What its events are called in a sentence.
    pub what: String,
    /// The rules it looks at, by the ids that events have.
    pub bases: Vec<String>,
    /// What events are grouped by, as columns or names of its own.
    pub group_by: Vec<String>,
    /// Of each rule in `bases`: the field behind each of `group_by`.
    pub fields: Vec<Vec<Field>>,
    /// Whether events count in which a field of the group is empty.
    pub keeps_empty: bool,
    /// Length of the window, ms.
    pub timespan_ms: i64,
    /// Longest pause within one finding, ms.
    pub suppress_ms: i64,
    /// What it fires at.
    pub kind: Kind,
}

/// What a rule fires at. A window is that of an event: what is younger than the timespan, up to the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// So many events.
    EventCount {
        /// How many.
        at_least: u64,
    },
    /// So many different values.
    ValueCount {
        /// How many.
        at_least: u64,
        /// Of each rule: the fields that make up a value.
        values: Vec<Vec<Field>>,
    },
    /// Events of several rules, in any order.
    Temporal(Wanted),
    /// An event of each rule, in the order of the rules.
    Ordered,
}

impl Kind {
    /// As Sigma has it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::EventCount { .. } => "event_count",
            Self::ValueCount { .. } => "value_count",
            Self::Temporal(_) => "temporal",
            Self::Ordered => "temporal_ordered",
        }
    }
}

/// Which rules have to have events. There is no `not`: a late event would make it untrue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// This one, by its place in [`Rule::bases`].
    Base(usize),
    /// All of these.
    All(Vec<Wanted>),
    /// So many of these.
    AtLeast(u64, Vec<Wanted>),
}

impl Wanted {
    /// Whether rules that have events, a bit each, are enough.
    #[must_use]
    pub fn is_met(&self, bases: u32) -> bool {
        match self {
            Self::Base(place) => bases >> place & 1 == 1,
            Self::All(parts) => parts.iter().all(|part| part.is_met(bases)),
            Self::AtLeast(count, parts) => {
                let met = parts.iter().filter(|part| part.is_met(bases)).count();
                met as u64 >= *count
            }
        }
    }
}
