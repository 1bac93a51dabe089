//! Hosts taken together, step by step.
//!
//! A group's time is that of its hosts added up: two hosts of which one is down have half of it. An
//! outage that reaches over a step's edge counts in each. Pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;

use clap::ValueEnum;
use serde::Serialize;

use super::outages::means;
use super::report::{PartsDocument, Report, report};
use super::text::{parts, span, time};
use super::{Parts, Times};
use crate::presence::timeline::clip;

/// What hosts are taken together by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Each alone.
    #[default]
    Host,
    /// By the group they were added with.
    Group,
    /// All of them.
    All,
    /// Services instead of hosts, by what probes got from them.
    Service,
}

impl By {
    /// What a host is taken together under.
    #[must_use]
    pub fn name<'a>(self, agent_id: &'a str, host_group: &'a str) -> &'a str {
        match self {
            Self::Host => agent_id,
            Self::Group => host_group,
            Self::All | Self::Service => "",
        }
    }
}

/// Figures of some hosts in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    hosts: u32,
    counted: Parts,
    raw: Parts,
    maintenance_ms: i64,
    outages: u32,
}

/// Sums by step and name.
#[derive(Clone, Debug, Default)]
pub struct Sums {
    steps: Vec<Range<i64>>,
    sums: BTreeMap<(usize, String), Sum>,
}

#[derive(Serialize)]
struct SumDocument<'a> {
    from_ms: i64,
    to_ms: i64,
    name: &'a str,
    hosts: u32,
    #[serde(flatten)]
    parts: PartsDocument,
    maintenance_ms: i64,
    raw: PartsDocument,
    outages: u32,
    /// Mean time of an outage of a host, and mean time up of a host between them, ms.
    mttr_ms: Option<i64>,
    mtbf_ms: Option<i64>,
}

impl Sums {
    /// Of these steps, in order and apart.
    #[must_use]
    pub const fn new(steps: Vec<Range<i64>>) -> Self {
        Self {
            steps,
            sums: BTreeMap::new(),
        }
    }

    /// Adds a host under a name.
    pub fn add(&mut self, name: &str, whole: &Report) {
        for (position, step) in self.steps.iter().enumerate() {
            let first = whole.intervals.partition_point(|of| of.to_ms <= step.start);
            let within = whole.intervals[first..].iter();
            let within = within.take_while(|of| of.from_ms < step.end).cloned();
            let within = clip(within.collect(), step.clone());
            if within.is_empty() {
                continue;
            }
            let part = report(&whole.agent_id, within, whole.maintenance());
            let sum = self.sums.entry((position, name.to_owned())).or_default();
            sum.hosts += 1;
            sum.counted.join(&part.counted());
            sum.raw.join(&part.raw);
            sum.maintenance_ms += part.maintenance_ms;
            sum.outages += u32::try_from(part.outages.len()).unwrap_or(u32::MAX);
        }
    }

    /// As lines under [`super::head`].
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for ((position, name), sum) in &self.sums {
            let name = match name.as_str() {
                "" => "(no group)".to_owned(),
                name => name.escape_debug().to_string(),
            };
            let from = time(self.steps[*position].start);
            let name = format!("{from} {name} ({})", sum.hosts);
            let _ = writeln!(
                text,
                "{name:<32} {} {:>8}",
                parts(&sum.counted),
                sum.outages
            );
            if sum.maintenance_ms > 0 {
                let name = format!("  with {} maintenance", span(sum.maintenance_ms));
                let _ = writeln!(text, "{name:<32} {}", parts(&sum.raw));
            }
        }
        text
    }

    /// As JSON, one line each.
    ///
    /// # Errors
    /// Never with what is in it.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let mut text = String::new();
        for ((position, name), sum) in &self.sums {
            let step = &self.steps[*position];
            let outages = usize::try_from(sum.outages).unwrap_or(usize::MAX);
            let [mttr_ms, mtbf_ms] = means(&sum.counted.total, outages);
            let document = SumDocument {
                from_ms: step.start,
                to_ms: step.end,
                name,
                hosts: sum.hosts,
                parts: PartsDocument::of(&sum.counted),
                maintenance_ms: sum.maintenance_ms,
                raw: PartsDocument::of(&sum.raw),
                outages: sum.outages,
                mttr_ms,
                mtbf_ms,
            };
            text.push_str(&serde_json::to_string(&document)?);
            text.push('\n');
        }
        Ok(text)
    }
}

impl Times {
    const fn join(&mut self, other: &Self) {
        self.up_ms += other.up_ms;
        self.down_ms += other.down_ms;
        self.unknown_ms += other.unknown_ms;
    }
}

impl Parts {
    const fn join(&mut self, other: &Self) {
        self.server.join(&other.server);
        self.network.join(&other.network);
        self.agent.join(&other.agent);
        self.total.join(&other.total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presence::timeline::{Interval, Reason, State};

    fn interval(from_ms: i64, to_ms: i64, state: State) -> Interval {
        Interval {
            from_ms,
            to_ms,
            server: state,
            network: state,
            agent: state,
            reason: Reason::Beats,
        }
    }

    #[test]
    fn two_hosts_of_which_one_is_down_have_half_of_their_time() {
        let first = report(
            "a",
            vec![interval(0, 100, State::Up), interval(100, 200, State::Down)],
            &[],
        );
        let idle = 150..200;
        let second = report(
            "b",
            vec![interval(50, 200, State::Up)],
            std::slice::from_ref(&idle),
        );
        let mut sums = Sums::new(vec![0..100, 100..200]);
        sums.add("site", &first);
        sums.add("site", &second);
        let lines: Vec<serde_json::Value> = sums
            .json()
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (
                lines[0]["total"]["up_ms"].as_i64(),
                lines[0]["outages"].as_i64()
            ),
            (Some(150), Some(0))
        );
        let total = &lines[1]["total"];
        assert_eq!(
            (total["up_ms"].as_i64(), total["down_ms"].as_i64()),
            (Some(50), Some(100))
        );
        assert_eq!(lines[1]["maintenance_ms"], 50);
        assert_eq!(lines[1]["raw"]["total"]["low"], 0.5);
        assert_eq!(
            (lines[1]["hosts"].as_i64(), lines[1]["outages"].as_i64()),
            (Some(2), Some(1))
        );
        let mean =
            |line: &serde_json::Value| line["mttr_ms"].as_i64().zip(line["mtbf_ms"].as_i64());
        assert_eq!((mean(&lines[0]), mean(&lines[1])), (None, Some((100, 50))));
        // Whatever the steps, the time is the same.
        let all = 0..200;
        let mut whole = Sums::new(vec![all]);
        whole.add("site", &first);
        whole.add("site", &second);
        let of = |sums: &Sums| {
            let mut all = Parts::default();
            sums.sums.values().for_each(|sum| all.join(&sum.counted));
            all
        };
        assert_eq!(of(&sums), of(&whole));
        assert!(sums.text().contains("site (2)"), "{}", sums.text());
    }
}
