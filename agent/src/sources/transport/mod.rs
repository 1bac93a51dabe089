//! TCP and UDP: sockets by state, connections, losses.
//!
//! Owns one row a run, of the network namespace the agent runs in. Counters come from /proc/net
//! with kept handles, states from netlink ([`sockets`]). Promises: the first reading only primes;
//! on a host with so many sockets that counting them would pass the deadline, the states are
//! missing and said to be, and the rest is published; where netlink is refused (a sandbox), it is
//! said once and not tried again.

mod config;
pub(super) mod sockets;
#[cfg(test)]
mod tests;
mod text;

use std::path::Path;
use std::time::Duration;

use crmscope_proto::Lane;
use crmscope_proto::catalog::{SeriesKind, SourceMetric, TransportMetric};

pub use self::config::Config;
use self::sockets::{Failure, States};
use self::text::Values;
use super::baseline::Baseline;
use super::host::file::{Extent, KernelFile};
use super::host::interval::Interval;
use super::{Moment, Rows, Source, SourceError, Worker};

/// Metrics by the kernel's number of the state.
const STATES: [(usize, TransportMetric); 8] = [
    (2, TransportMetric::TcpSynSent),
    (3, TransportMetric::TcpSynRecv),
    (4, TransportMetric::TcpFinWait1),
    (5, TransportMetric::TcpFinWait2),
    (8, TransportMetric::TcpCloseWait),
    (9, TransportMetric::TcpLastAck),
    (10, TransportMetric::TcpListen),
    (11, TransportMetric::TcpClosing),
];

/// Reads TCP and UDP.
#[derive(Debug)]
pub struct TransportSource {
    config: Config,
    buffer: Vec<u8>,
    snmp: KernelFile,
    netstat: KernelFile,
    snmp6: KernelFile,
    sockstats: [KernelFile; 2],
    page_bytes: u64,
    refused: bool,
    baseline: Option<Baseline<{ TransportMetric::COUNT }>>,
    interval: Interval,
}

impl TransportSource {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let folder = Path::new(&config.proc_path).join("net");
        let file = |name: &str| KernelFile::new(folder.join(name), Extent::Pieces);
        Self {
            snmp: file("snmp"),
            netstat: file("netstat"),
            snmp6: file("snmp6"),
            sockstats: ["sockstat", "sockstat6"].map(file),
            page_bytes: rustix::param::page_size() as u64,
            buffer: Vec::new(),
            refused: !config.states,
            baseline: None,
            interval: Interval::default(),
            config: config.clone(),
        }
    }

    /// Sockets by state; an error says why there are none.
    fn states(&mut self) -> Result<Option<States>, SourceError> {
        if self.refused {
            return Ok(None);
        }
        let deadline = Duration::from_millis(self.config.deadline_ms);
        match sockets::count(deadline, &mut self.buffer) {
            Ok(states) => Ok(Some(states)),
            Err(Failure::Deadline) => Err(SourceError::Deadline {
                what: "counting TCP sockets by state (states = false turns it off)".to_owned(),
                deadline_ms: self.config.deadline_ms,
            }),
            Err(failure) => {
                self.refused = true;
                Err(SourceError::Other(format!(
                    "TCP states are not counted: the kernel does not answer over netlink ({failure:?}); permit AF_NETLINK to the agent or set sources.transport.states = false"
                )))
            }
        }
    }
}

impl Source for TransportSource {
    fn name(&self) -> &'static str {
        "transport"
    }

    fn worker(&self) -> Worker {
        Worker::Slow
    }

    fn lane(&self) -> Lane {
        Lane::Metrics
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.config.interval_ms)
    }

    fn deadline(&self) -> Duration {
        // The files come on top of the states.
        Duration::from_millis(self.config.deadline_ms) * 2
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let mut now: Values = [None; TransportMetric::COUNT];
        text::snmp(self.snmp.read(&mut self.buffer)?, &mut now);
        if now[TransportMetric::TcpActiveOpens as usize].is_none() {
            return Err(self.snmp.malformed("there are no figures of TCP"));
        }
        if let Some(text) = self.netstat.read_optional(&mut self.buffer) {
            text::netstat(text, &mut now);
        }
        if let Some(text) = self.snmp6.read_optional(&mut self.buffer) {
            text::snmp6(text, &mut now);
        }
        let (mut time_wait, mut in_use) = (None, None);
        for file in &mut self.sockstats {
            if let Some(text) = file.read_optional(&mut self.buffer) {
                let found = text::sockstat(text, self.page_bytes, &mut now);
                time_wait = time_wait.or(found.time_wait);
                in_use = in_use.map_or(found.in_use, |v4: u64| {
                    Some(v4.saturating_add(found.in_use.unwrap_or(0)))
                });
            }
        }
        let states = self.states();
        if let Ok(Some(states)) = &states {
            for (state, metric) in STATES {
                now[metric as usize] = Some(states.count(state));
            }
            now[TransportMetric::TcpEstablished as usize] =
                in_use.map(|in_use| states.established(in_use));
            time_wait = time_wait.map(|all| all.saturating_sub(states.fin_wait2_as_time_wait));
        }
        now[TransportMetric::TcpTimeWait as usize] = time_wait;
        let interval_ms = self.interval.next(moment.monotonic).unwrap_or(0);
        match &mut self.baseline {
            None => self.baseline = Some(Baseline::new(now)),
            Some(baseline) => {
                let advance = baseline.advance(TransportMetric::METRICS, &now);
                rows.count(SourceMetric::CounterResets, advance.resets);
                rows.series(
                    SeriesKind::Transport,
                    &[],
                    moment,
                    interval_ms,
                    &advance.row,
                )?;
            }
        }
        states.map(|_| ())
    }
}
