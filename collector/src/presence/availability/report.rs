//! Adding up the intervals of a host, and the document of what comes out.

use std::ops::Range;

use serde::Serialize;

use super::outages::{Down, Downs, means, split};
use super::{Parts, Times};
use crate::presence::timeline::{Interval, Reason, State};

/// A time in which the total was down. Maintenance in the midst of it neither counts nor divides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// First ms that counts, Unix.
    pub from_ms: i64,
    /// The ms after the last one that counts.
    pub to_ms: i64,
    /// How long it was down, without maintenance.
    pub down_ms: i64,
    /// What was down first: `server` or `network`.
    pub part: &'static str,
    /// What that rests on.
    pub reason: &'static str,
}

/// What is known of one host in a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its agent.
    pub agent_id: String,
    /// The host itself.
    pub server: Times,
    /// The way to it.
    pub network: Times,
    /// Its agent.
    pub agent: Times,
    /// Server and network at once.
    pub total: Times,
    /// How long it was in maintenance, which is in none of these.
    pub maintenance_ms: i64,
    /// The same with maintenance.
    pub raw: Parts,
    /// When the total was down, without maintenance.
    pub outages: Vec<Outage>,
    /// Everything, in order, cut where maintenance begins and ends.
    pub intervals: Vec<Interval>,
    /// Times of maintenance, sorted and apart.
    maintenance: Vec<Range<i64>>,
}

/// A report as JSON has it.
#[derive(Serialize)]
pub struct Document<'a> {
    agent_id: &'a str,
    #[serde(flatten)]
    parts: PartsDocument,
    maintenance_ms: i64,
    raw: PartsDocument,
    outages: &'a [Outage],
    /// Mean time of an outage, ms, with those that the asked time cuts off; mean time up between them, ms.
    mttr_ms: Option<i64>,
    mtbf_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intervals: Option<Vec<IntervalDocument>>,
}

#[derive(Serialize)]
pub(super) struct PartsDocument {
    server: Figures,
    network: Figures,
    agent: Figures,
    total: Figures,
}

/// Times with their band.
#[derive(Serialize)]
pub(in crate::presence) struct Figures {
    #[serde(flatten)]
    times: Times,
    low: Option<f64>,
    high: Option<f64>,
}

#[derive(Serialize)]
struct IntervalDocument {
    from_ms: i64,
    to_ms: i64,
    server: &'static str,
    network: &'static str,
    agent: &'static str,
    reason: &'static str,
    in_maintenance: bool,
}

pub(in crate::presence) const fn state_name(state: State) -> &'static str {
    match state {
        State::Up => "up",
        State::Down => "down",
        State::Unknown => "unknown",
    }
}

/// A reason's name in tables and JSON.
#[must_use]
pub const fn reason_name(reason: Reason) -> &'static str {
    match reason {
        Reason::Beats => "beats",
        Reason::Delayed => "delayed",
        Reason::Unwatched => "unwatched",
        Reason::Stalled => "stalled",
        Reason::Suspended => "suspended",
        Reason::Missing => "missing",
        Reason::AgentDown => "agent_down",
        Reason::AgentStopped => "agent_stopped",
        Reason::Crashed => "crashed",
        Reason::ShutDown => "shut_down",
        Reason::Booted => "booted",
        Reason::Silent => "silent",
        Reason::NeverSeen => "never_seen",
    }
}

/// Adds up the intervals of a host. `maintenance` has its times of maintenance, sorted and apart.
#[must_use]
pub fn report(agent_id: &str, intervals: Vec<Interval>, maintenance: &[Range<i64>]) -> Report {
    let (mut counted, mut raw) = (Parts::default(), Parts::default());
    let (mut maintenance_ms, mut outages) = (0, Outages::default());
    let mut cut = Vec::with_capacity(intervals.len());
    for interval in intervals {
        for (part, in_maintenance) in parts(&interval, maintenance) {
            raw.add(&part);
            match in_maintenance {
                true => maintenance_ms += part.to_ms - part.from_ms,
                false => counted.add(&part),
            }
            outages.add(&part, in_maintenance);
            cut.push(part);
        }
    }
    Report {
        agent_id: agent_id.to_owned(),
        server: counted.server,
        network: counted.network,
        agent: counted.agent,
        total: counted.total,
        maintenance_ms,
        raw,
        outages: outages.finish(),
        intervals: cut,
        maintenance: maintenance.to_vec(),
    }
}

/// An interval, cut where maintenance begins and ends, and whether each part is in it.
fn parts(interval: &Interval, maintenance: &[Range<i64>]) -> Vec<(Interval, bool)> {
    let part = |(part, in_maintenance): (Range<i64>, bool)| {
        let part = Interval {
            from_ms: part.start,
            to_ms: part.end,
            ..interval.clone()
        };
        (part, in_maintenance)
    };
    let whole = interval.from_ms..interval.to_ms;
    split(&whole, maintenance).into_iter().map(part).collect()
}

impl Parts {
    fn add(&mut self, interval: &Interval) {
        let length_ms = interval.to_ms - interval.from_ms;
        self.server.add(interval.server, length_ms);
        self.network.add(interval.network, length_ms);
        self.agent.add(interval.agent, length_ms);
        self.total.add(interval.total(), length_ms);
    }
}

/// Outages as they are found, in order, and what was down first in each.
#[derive(Default)]
struct Outages {
    downs: Downs,
    first: Vec<(&'static str, &'static str)>,
}

impl Outages {
    fn add(&mut self, interval: &Interval, in_maintenance: bool) {
        let is_down = interval.total() == State::Down;
        let range = interval.from_ms..interval.to_ms;
        if self.downs.add(&range, is_down, in_maintenance) {
            let part = match interval.server {
                State::Down => "server",
                _ => "network",
            };
            self.first.push((part, reason_name(interval.reason)));
        }
    }

    fn finish(self) -> Vec<Outage> {
        let outages = self.downs.found.into_iter().zip(self.first);
        let outage = |(down, (part, reason)): (Down, _)| Outage {
            from_ms: down.from_ms,
            to_ms: down.to_ms,
            down_ms: down.down_ms,
            part,
            reason,
        };
        outages.map(outage).collect()
    }
}

impl Report {
    /// The figures that count.
    pub(super) const fn counted(&self) -> Parts {
        Parts {
            server: self.server,
            network: self.network,
            agent: self.agent,
            total: self.total,
        }
    }

    /// Times of maintenance, sorted and apart.
    pub(super) fn maintenance(&self) -> &[Range<i64>] {
        &self.maintenance
    }

    /// Of one of its intervals.
    pub(super) fn is_in_maintenance(&self, interval: &Interval) -> bool {
        let at = |range: &Range<i64>| range.contains(&interval.from_ms);
        self.maintenance.iter().any(at)
    }

    /// As JSON, with the intervals or without.
    #[must_use]
    pub fn with(&self, intervals: bool) -> Document<'_> {
        let [mttr_ms, mtbf_ms] = means(&self.total, self.outages.len());
        let document = |interval: &Interval| IntervalDocument {
            from_ms: interval.from_ms,
            to_ms: interval.to_ms,
            server: state_name(interval.server),
            network: state_name(interval.network),
            agent: state_name(interval.agent),
            reason: reason_name(interval.reason),
            in_maintenance: self.is_in_maintenance(interval),
        };
        Document {
            agent_id: &self.agent_id,
            parts: PartsDocument::of(&self.counted()),
            maintenance_ms: self.maintenance_ms,
            raw: PartsDocument::of(&self.raw),
            outages: &self.outages,
            mttr_ms,
            mtbf_ms,
            intervals: intervals.then(|| self.intervals.iter().map(document).collect()),
        }
    }
}

impl PartsDocument {
    /// Times with their bands.
    pub(super) fn of(parts: &Parts) -> Self {
        Self {
            server: parts.server.into(),
            network: parts.network.into(),
            agent: parts.agent.into(),
            total: parts.total.into(),
        }
    }
}

impl From<Times> for Figures {
    fn from(times: Times) -> Self {
        let band = times.band();
        Self {
            times,
            low: band.map(|[low, _]| low),
            high: band.map(|[_, high]| high),
        }
    }
}
