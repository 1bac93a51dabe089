//! Availability: how long each part of a host was up, down and unknown, as sums of time.
//!
//! Never counts of beats, and never a product of two ratios: the total is the time in which server and
//! network were up at once. A ratio is a band: with what is unknown taken for down, and for up.

use std::fmt::Write as _;

use serde::Serialize;

use super::evidence::Asked;
use super::timeline::{Interval, Reason, State};

/// How a report is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown {
    /// With every interval.
    pub intervals: bool,
    /// As JSON.
    pub json: bool,
}

/// Time by state, ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Times {
    /// It worked.
    pub up_ms: i64,
    /// It did not.
    pub down_ms: i64,
    /// Nothing proves either.
    pub unknown_ms: i64,
}

impl Times {
    pub(super) fn add(&mut self, state: State, length_ms: i64) {
        *match state {
            State::Up => &mut self.up_ms,
            State::Down => &mut self.down_ms,
            State::Unknown => &mut self.unknown_ms,
        } += length_ms;
    }

    /// Share of the time that it was up, 0 to 1: if it was down while unknown, and if it was up. `None`
    /// of no time.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "ms of some years")]
    pub fn band(&self) -> Option<[f64; 2]> {
        let all = self.up_ms + self.down_ms + self.unknown_ms;
        let share = |ms: i64| ms as f64 / all as f64;
        (all > 0).then(|| [share(self.up_ms), share(self.up_ms + self.unknown_ms)])
    }
}

/// A time in which the total was down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// First ms, Unix.
    pub from_ms: i64,
    /// The ms after the last one.
    pub to_ms: i64,
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
    /// When the total was down.
    pub outages: Vec<Outage>,
    /// Everything, in order.
    pub intervals: Vec<Interval>,
}

/// A report as JSON has it.
#[derive(Serialize)]
pub struct Document<'a> {
    agent_id: &'a str,
    server: Figures,
    network: Figures,
    agent: Figures,
    total: Figures,
    outages: &'a [Outage],
    /// Mean time of an outage, ms, with those that the asked time cuts off; mean time up between them, ms.
    mttr_ms: Option<i64>,
    mtbf_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    intervals: Option<Vec<IntervalDocument>>,
}

#[derive(Serialize)]
struct Figures {
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
}

const fn state_name(state: State) -> &'static str {
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

/// Adds up the intervals of a host.
#[must_use]
pub fn report(agent_id: &str, intervals: Vec<Interval>) -> Report {
    let mut report = Report {
        agent_id: agent_id.to_owned(),
        server: Times::default(),
        network: Times::default(),
        agent: Times::default(),
        total: Times::default(),
        outages: Vec::new(),
        intervals: Vec::new(),
    };
    for interval in &intervals {
        let length_ms = interval.to_ms - interval.from_ms;
        report.server.add(interval.server, length_ms);
        report.network.add(interval.network, length_ms);
        report.agent.add(interval.agent, length_ms);
        report.total.add(interval.total(), length_ms);
        if interval.total() != State::Down {
            continue;
        }
        match report.outages.last_mut() {
            Some(last) if last.to_ms == interval.from_ms => last.to_ms = interval.to_ms,
            _ => report.outages.push(Outage {
                from_ms: interval.from_ms,
                to_ms: interval.to_ms,
                part: match interval.server {
                    State::Down => "server",
                    _ => "network",
                },
                reason: reason_name(interval.reason),
            }),
        }
    }
    report.intervals = intervals;
    report
}

impl Report {
    /// As JSON, with the intervals or without.
    #[must_use]
    pub fn with(&self, intervals: bool) -> Document<'_> {
        let figures = |times: Times| {
            let band = times.band();
            Figures {
                times,
                low: band.map(|[low, _]| low),
                high: band.map(|[_, high]| high),
            }
        };
        let count = i64::try_from(self.outages.len()).unwrap_or(i64::MAX);
        let mean = |ms: i64| (count > 0).then(|| ms / count.max(1));
        Document {
            agent_id: &self.agent_id,
            server: figures(self.server),
            network: figures(self.network),
            agent: figures(self.agent),
            total: figures(self.total),
            outages: &self.outages,
            mttr_ms: mean(self.total.down_ms),
            mtbf_ms: mean(self.total.up_ms),
            intervals: intervals.then(|| self.intervals.iter().map(document).collect()),
        }
    }
}

fn document(interval: &Interval) -> IntervalDocument {
    IntervalDocument {
        from_ms: interval.from_ms,
        to_ms: interval.to_ms,
        server: state_name(interval.server),
        network: state_name(interval.network),
        agent: state_name(interval.agent),
        reason: reason_name(interval.reason),
    }
}

/// The line above the hosts.
#[must_use]
pub fn head(asked: &Asked) -> String {
    let utc = |seconds: u64| time(i64::try_from(seconds).unwrap_or(i64::MAX / 1000) * 1000);
    format!(
        "{} to {} UTC; two figures where something is unknown: if it was down, and if it was up\n\
         {:<32} {:>19} {:>19} {:>19} {:>19} {:>8}\n",
        utc(asked.from),
        utc(asked.to),
        "agent",
        "total",
        "server",
        "network",
        "agent",
        "outages"
    )
}

/// A host's line, and its outages; every interval where asked for.
#[must_use]
pub fn text(report: &Report, intervals: bool) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<32} {:>19} {:>19} {:>19} {:>19} {:>8}",
        report.agent_id,
        percent(report.total),
        percent(report.server),
        percent(report.network),
        percent(report.agent),
        report.outages.len()
    );
    for outage in &report.outages {
        let _ = writeln!(
            text,
            "  {} down {} to {}, {}: {}",
            outage.part,
            time(outage.from_ms),
            time(outage.to_ms),
            span(outage.to_ms - outage.from_ms),
            outage.reason
        );
    }
    for interval in report.intervals.iter().filter(|_| intervals) {
        let _ = writeln!(
            text,
            "  {} to {}  server {:<7}  network {:<7}  agent {:<7}  {}",
            time(interval.from_ms),
            time(interval.to_ms),
            state_name(interval.server),
            state_name(interval.network),
            state_name(interval.agent),
            reason_name(interval.reason)
        );
    }
    text
}

/// A band in per cent. Rounded down, so that 100 % is never said of less.
fn percent(times: Times) -> String {
    let Some([low, high]) = times.band() else {
        return "-".to_owned();
    };
    let (low, high) = ((low * 1e5).floor() / 1e3, (high * 1e5).floor() / 1e3);
    if times.unknown_ms == 0 {
        format!("{low:.3} %")
    } else {
        format!("{low:.3} to {high:.3} %")
    }
}

/// How long, in the largest units that say it.
fn span(length_ms: i64) -> String {
    let seconds = length_ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
    }
}

/// `YYYY-MM-DD hh:mm:ss` of Unix ms, UTC.
pub(super) fn time(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000);
    let Ok(time) = tz::UtcDateTime::from_timespec(seconds, 0) else {
        return format!("{seconds} s");
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.month_day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(from_s: i64, to_s: i64, states: [State; 3], reason: Reason) -> Interval {
        Interval {
            from_ms: from_s * 1000,
            to_ms: to_s * 1000,
            server: states[0],
            network: states[1],
            agent: states[2],
            reason,
        }
    }

    use State::{Down, Unknown, Up};

    #[test]
    fn twenty_seconds_in_an_hour_are_99_44_per_cent() {
        let report = report(
            "a",
            vec![
                interval(0, 600, [Up; 3], Reason::Beats),
                interval(600, 620, [Up, Down, Up], Reason::Delayed),
                interval(620, 3_600, [Up; 3], Reason::Beats),
            ],
        );
        assert_eq!(percent(report.total), "99.444 %");
        assert_eq!(percent(report.server), "100.000 %");
        assert_eq!(percent(report.network), "99.444 %");
        assert_eq!(report.outages.len(), 1);
        assert_eq!(
            (report.outages[0].part, report.outages[0].reason),
            ("network", "delayed")
        );
    }

    #[test]
    fn five_hours_without_a_monitor_are_neither_up_nor_down() {
        let hour = 3_600;
        let report = report(
            "a",
            vec![
                interval(0, 19 * hour, [Up; 3], Reason::Beats),
                interval(19 * hour, 24 * hour, [Up, Unknown, Up], Reason::Unwatched),
            ],
        );
        assert_eq!(percent(report.total), "79.166 to 100.000 %");
        assert_eq!(percent(report.server), "100.000 %");
        assert!(report.outages.is_empty());
    }

    #[test]
    fn the_total_is_no_product() {
        // Half of the time the server is down, and in the other half the network: never usable.
        let report = report(
            "a",
            vec![
                interval(0, 50, [Down, Up, Down], Reason::Crashed),
                interval(50, 100, [Up, Down, Up], Reason::Delayed),
            ],
        );
        assert_eq!(percent(report.total), "0.000 %");
        assert_eq!(report.outages.len(), 1);
        let json = serde_json::to_value(report.with(true)).unwrap();
        assert_eq!(json["mttr_ms"], 100_000);
        assert_eq!(json["mtbf_ms"], 0);
        assert_eq!(json["intervals"][1]["network"], "down");
        assert_eq!(json["total"]["low"], 0.0);
    }

    #[test]
    fn a_moment_less_than_all_is_not_100_per_cent() {
        let almost = Times {
            up_ms: 100_000_000,
            down_ms: 1,
            unknown_ms: 0,
        };
        assert_eq!(percent(almost), "99.999 %");
        assert_eq!(percent(Times::default()), "-");
    }

    #[test]
    fn times_are_those_of_the_calendar() {
        for (unix_ms, told) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399_999, "2000-02-28 23:59:59"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_709_251_199_000, "2024-02-29 23:59:59"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(time(unix_ms), told);
        }
        assert_eq!(
            [span(59_999), span(61_000), span(7_260_000)],
            ["59 s", "1 min 1 s", "2 h 1 min"]
        );
    }
}
