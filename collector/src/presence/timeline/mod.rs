//! What the beats of a host prove: when its server, its network and its agent were up.
//!
//! [`timeline`] is a pure function of a *set* of evidence: the order in which beats came, and beats
//! that came twice, make no difference. Late beats change what it gives, as they prove more. Times are
//! the collector's, Unix ms: see [`anchor`] for how beats are put on them. Promises: intervals lie one
//! after the other, without gap or overlap, within what was asked; what is not proven is
//! [`State::Unknown`]. What it cannot see: an agent that was killed for good before its host crashed
//! reads as a host that was down from then on, and a wall clock that is wrong, and that nobody measured
//! in a boot of which all beats came late, puts that boot in a wrong place. A host that said it stops counts
//! as down from then on, though its services may need a while to end. Leaves maintenance, expectation and sums to others.
//!
//! What is made of two beats that follow each other (shared facts on availability; boot, start and
//! number are those of the beats):
//!
//! | between two beats | server | network | agent |
//! |---|---|---|---|
//! | same start, next number, in time | up | up; down while beats came late | up |
//! | same start, next number, long after | up, by the boot clock | unknown | down: it stood still |
//! | same start, BOOTTIME − MONOTONIC grew | down for as long: suspended | unknown | down |
//! | same start, BOOTTIME shows less than passed | unknown: a paused machine, most likely | unknown | unknown |
//! | same start, numbers missing | up, by the boot clock, unless it was suspended | unknown | unknown |
//! | same boot, new start | up, by the boot clock | unknown | down |
//! | new boot | down until it booted, then up | unknown | down |
//! | new boot after the agent alone said goodbye | unknown until it booted, then up | unknown | down |
//! | new start or boot, and batches in between missing | as above; what was down is unknown | unknown | unknown |
//! | nothing yet | unknown | unknown | unknown |

mod anchor;
mod network;
mod spans;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crmscope_proto::Id;

/// How a beat was the last of its agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goodbye {
    /// It was not, or without a word.
    #[default]
    None,
    /// The agent was stopped.
    Agent,
    /// The host went down, the agent with it.
    Host,
}

/// A heartbeat as the agent made it, and when it was received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Beat {
    /// Boot of the host.
    pub boot_id: Id,
    /// Start of the agent.
    pub start_id: Id,
    /// From 1 at every start of the agent.
    pub number: u64,
    /// Numbering that its batch belongs to.
    pub spool_id: Id,
    /// Number of its batch in the lane.
    pub sequence: u64,
    /// Since boot, with the time it was suspended, ms.
    pub boottime_ms: u64,
    /// Since boot, without the time it was suspended, ms.
    pub monotonic_ms: u64,
    /// The agent's wall clock, Unix ms.
    pub wall_ms: i64,
    /// Collector's clock minus the agent's when it was last measured, ms.
    pub clock_offset_ms: Option<i64>,
    /// By the collector's clock, Unix ms.
    pub received_ms: i64,
    /// Whether it was a last one.
    pub goodbye: Goodbye,
}

/// All that is known of one host's presence in a time and around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Its beats, in any order, and the nearest ones before and after the time.
    pub beats: Vec<Beat>,
    /// Times in which at least one collector was there to receive, Unix ms; in any order.
    pub watched: Vec<Range<i64>>,
}

/// What is known of one part of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It worked.
    Up,
    /// It did not.
    Down,
    /// Nothing proves either.
    Unknown,
}

impl State {
    /// As tables have it.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Up => 1,
            Self::Down => 2,
        }
    }

    /// From a number in a table.
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Unknown),
            1 => Some(Self::Up),
            2 => Some(Self::Down),
            _ => None,
        }
    }
}

/// What an interval rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Beats that came in time.
    Beats,
    /// Beats that came late, out of the spool.
    Delayed,
    /// Beats that came late, while no collector was there.
    Unwatched,
    /// The agent made no beats for a time, and went on.
    Stalled,
    /// The host was suspended, by its clocks.
    Suspended,
    /// Beats in between were dropped, are lost, or are still to come.
    Missing,
    /// The same boot and a new start.
    AgentDown,
    /// The same after a goodbye.
    AgentStopped,
    /// A new boot, without a goodbye before.
    Crashed,
    /// A new boot, after the host said goodbye.
    ShutDown,
    /// Up to the first beat of a boot.
    Booted,
    /// No beat since, and no goodbye.
    Silent,
    /// Before the first beat there is.
    NeverSeen,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::Beats,
        Self::Delayed,
        Self::Unwatched,
        Self::Stalled,
        Self::Suspended,
        Self::Missing,
        Self::AgentDown,
        Self::AgentStopped,
        Self::Crashed,
        Self::ShutDown,
        Self::Booted,
        Self::Silent,
        Self::NeverSeen,
    ];
}

/// A time in which nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// First ms, Unix.
    pub from_ms: i64,
    /// The ms after the last one.
    pub to_ms: i64,
    /// Whether the host ran.
    pub server: State,
    /// Whether it could be reached.
    pub network: State,
    /// Whether its agent worked.
    pub agent: State,
    /// What this rests on.
    pub reason: Reason,
}

impl Interval {
    /// Whether the service of the host could be used: the server was up, and the network at the same time.
    #[must_use]
    pub fn total(&self) -> State {
        match (self.server, self.network) {
            (State::Up, State::Up) => State::Up,
            (State::Down, _) | (_, State::Down) => State::Down,
            _ => State::Unknown,
        }
    }
}

/// The host's intervals within `asked` (Unix ms), up to `now_ms`.
#[must_use]
pub fn timeline(evidence: &Evidence, asked: Range<i64>, now_ms: i64) -> Vec<Interval> {
    let beats = anchor::place(&evidence.beats);
    let pace = spans::Pace::of(&beats);
    let downs = network::downs(&beats, &pace);
    let mut intervals = spans::spans(&beats, &pace, now_ms);
    let watched = network::joined(&evidence.watched, &beats);
    intervals = network::lay_over(intervals, &downs, &watched);
    clip(intervals, asked.start..asked.end.min(now_ms))
}

/// What of the intervals is in the range, without a gap, and joined where nothing changes.
pub(super) fn clip(intervals: Vec<Interval>, range: Range<i64>) -> Vec<Interval> {
    let mut clipped: Vec<Interval> = Vec::new();
    for mut interval in intervals {
        interval.from_ms = interval.from_ms.max(range.start);
        interval.to_ms = interval.to_ms.min(range.end);
        if interval.from_ms >= interval.to_ms {
            continue;
        }
        match clipped.last_mut() {
            Some(last) if is_same(last, &interval) => last.to_ms = interval.to_ms,
            _ => clipped.push(interval),
        }
    }
    clipped
}

fn is_same(a: &Interval, b: &Interval) -> bool {
    (a.server, a.network, a.agent, a.reason) == (b.server, b.network, b.agent, b.reason)
}
