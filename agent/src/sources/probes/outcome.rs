//! What came of a run: its figures, and why it was not good.

use std::io;
use std::time::Duration;

use crmscope_proto::catalog::{ProbeMetric, ProbeReason};

/// Values of a row.
pub(super) type Values = [Option<u64>; ProbeMetric::COUNT];

/// Figures of a run, filled in phase by phase, so that one that is cut off shows how far it came.
#[derive(Debug, Default)]
pub(super) struct Figures(Values);

impl Figures {
    pub(super) fn set(&mut self, metric: ProbeMetric, value: u64) {
        self.0[metric as usize] = Some(value);
    }

    pub(super) fn took(&mut self, metric: ProbeMetric, duration: Duration) {
        self.set(
            metric,
            u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        );
    }

    /// The row.
    pub(super) fn finish(mut self, reason: ProbeReason, duration: Duration) -> Values {
        self.took(ProbeMetric::Duration, duration);
        if reason == ProbeReason::None {
            self.took(ProbeMetric::GoodDuration, duration);
        }
        self.set(ProbeMetric::Up, u64::from(reason == ProbeReason::None));
        self.set(ProbeMetric::Reason, reason as u64);
        self.0
    }
}

/// Why a run is not good.
#[derive(Debug)]
pub(super) enum Failure {
    /// For what the target or the path to it did.
    Target(ProbeReason),
    /// For want of something on this host. It says nothing about the target, so there is no row.
    Agent(String),
}

impl From<ProbeReason> for Failure {
    fn from(reason: ProbeReason) -> Self {
        Self::Target(reason)
    }
}

impl Failure {
    /// What an error of a socket says.
    pub(super) fn of_io(error: &io::Error) -> Self {
        use rustix::io::Errno;
        let own = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        if own
            .iter()
            .any(|own| error.raw_os_error() == Some(own.raw_os_error()))
        {
            return Self::Agent(format!(
                "no socket can be had: {error}; raise the limit of open files or memory"
            ));
        }
        Self::Target(match error.kind() {
            io::ErrorKind::ConnectionRefused => ProbeReason::Refused,
            io::ErrorKind::TimedOut => ProbeReason::TimedOut,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof => ProbeReason::Closed,
            io::ErrorKind::InvalidData => ProbeReason::Protocol,
            _ => ProbeReason::Unreachable,
        })
    }
}
