//! Named processes: groups of them, by name, program or command line.
//!
//! Owns one row for each watched group and reading, also when nothing of it runs. Promises: a host
//! with 10,000 processes costs one listing a reading; files are opened only for members, for
//! processes that are new, and for a few others in turn, since a process may become another program
//! at any time; no reading looks at more than `looks_max` processes or goes on behind its deadline,
//! and the next goes on where it stopped. Increments are those of [`group`].
//! A process that begins and ends between two readings is not seen. Command lines, which may hold
//! secrets, are compared and thrown away.

mod config;
mod folder;
mod group;
mod known;
mod look;
mod pattern;
#[cfg(test)]
mod tests;
mod text;

use std::path::Path;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::catalog::{SeriesKind, SourceMetric};

pub use self::config::{Config, Watch};
use self::folder::Listed;
use self::group::{Account, Arrival};
use self::known::{Budget, Known, Member, round};
use self::look::{Look, Looker};
use super::host::file::{Extent, KernelFile};
use super::host::interval::Interval;
use super::host::text::{Fields, first_line, hundredths};
use super::{Moment, Rows, Source, SourceError, Worker};
use crate::runtime::budget::Subject;

/// A young process is looked at in so many readings: a starting program is often a shell first.
const LOOKS_YOUNG: u8 = 4;

/// Others that are looked at again in a reading: 10,000 of them come round in ten minutes.
const AGAIN_MAX: usize = 250;

/// Time between readings until all processes were looked at once.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// Watches processes.
#[derive(Debug)]
pub struct ProcessesSource {
    config: Config,
    looker: Looker,
    uptime: KernelFile,
    buffer: Vec<u8>,
    listed: Vec<Listed>,
    /// In the order of `listed`.
    known: Vec<(Listed, Known)>,
    accounts: Vec<Account>,
    /// Members and others with a smaller number were looked at in this round.
    resume_members: u32,
    resume_others: u32,
    /// All were looked at once.
    complete: bool,
    interval: Interval,
}

impl ProcessesSource {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let proc_path = Path::new(&config.proc_path);
        Self {
            looker: Looker::new(config),
            uptime: KernelFile::new(proc_path.join("uptime"), Extent::OnePiece),
            buffer: Vec::new(),
            listed: Vec::new(),
            known: Vec::new(),
            accounts: vec![Account::default(); config.watch.len()],
            resume_members: 0,
            resume_others: 0,
            complete: false,
            interval: Interval::default(),
            config: config.clone(),
        }
    }

    /// Brings what is known in line with what is there.
    fn list(&mut self) -> Result<(), SourceError> {
        self.looker.folder.list(&mut self.listed)?;
        let arrival = if self.known.is_empty() {
            Arrival::Found
        } else {
            Arrival::Born
        };
        let mut before = std::mem::take(&mut self.known).into_iter().peekable();
        self.known.reserve(self.listed.len());
        for &listed in &self.listed {
            while before.next_if(|(other, _)| *other < listed).is_some() {}
            let known = before.next_if(|(other, _)| *other == listed);
            self.known
                .push(known.unwrap_or((listed, Known::New(arrival))));
        }
        Ok(())
    }

    /// Looks at members, new ones, and some others; how many members were left out.
    fn look_at_all(&mut self) -> usize {
        let mut budget = Budget {
            looks: self.config.looks_max,
            end: Instant::now() + Duration::from_millis(self.config.deadline_ms),
        };
        let mut known = std::mem::take(&mut self.known);
        let members: Vec<usize> = round(&known, self.resume_members, |known| {
            matches!(known, Known::Member(_))
        });
        // New ones get a quarter of the looks, so that many members cannot keep them out for ever.
        let new = known
            .iter()
            .filter(|(_, known)| matches!(known, Known::New(_)));
        let members_max = budget.looks - new.count().min(budget.looks / 4);
        let mut late = 0;
        self.resume_members = 0;
        for (number, &position) in members.iter().enumerate() {
            if late == 0 && number < members_max && budget.take() {
                self.look_again(&mut known[position]);
                continue;
            }
            if late == 0 {
                self.resume_members = known[position].0.pid;
            }
            late += 1;
        }
        let mut new_left = 0;
        for entry in &mut known {
            if let (listed, Known::New(arrival)) = entry {
                if new_left > 0 || !budget.take() {
                    new_left += 1;
                    continue;
                }
                let arrival = *arrival;
                let look = self.looker.look(listed.pid, None);
                entry.1 = self.meet(look, arrival, 1);
            }
        }
        self.complete |= new_left == 0;
        if new_left == 0 {
            self.look_at_others(&mut known, &mut budget);
        }
        self.known = known;
        late
    }

    fn look_at_others(&mut self, known: &mut [(Listed, Known)], budget: &mut Budget) {
        let young = |known: &Known| matches!(known, Known::Other(looks) if *looks < LOOKS_YOUNG);
        let mut positions = round(known, 0, young);
        let old = |known: &Known| matches!(known, Known::Other(looks) if *looks >= LOOKS_YOUNG);
        let mut again = round(known, self.resume_others, old);
        self.resume_others = again.get(AGAIN_MAX).map_or(0, |&next| known[next].0.pid);
        again.truncate(AGAIN_MAX);
        positions.append(&mut again);
        for position in positions {
            let (listed, state) = &mut known[position];
            let Known::Other(looks) = *state else {
                continue;
            };
            if !budget.take() {
                return;
            }
            let look = self.looker.look(listed.pid, None);
            *state = self.meet(look, Arrival::Became, looks.saturating_add(1));
        }
    }

    /// What becomes of a process that was of no group.
    fn meet(&mut self, look: Look, arrival: Arrival, looks: u8) -> Known {
        match look {
            // It will not be listed again.
            Look::Gone | Look::Other => Known::Other(looks),
            Look::Kernel => Known::Kernel,
            Look::Member(group, reading, io_denied) => {
                self.accounts[group].arrived(arrival, &reading);
                Known::Member(Box::new(Member {
                    group,
                    reading,
                    io_denied,
                }))
            }
        }
    }

    fn look_again(&mut self, entry: &mut (Listed, Known)) {
        let (listed, Known::Member(member)) = entry else {
            return;
        };
        let look = self
            .looker
            .look(listed.pid, Some((member.group, member.io_denied)));
        match look {
            Look::Member(group, reading, io_denied) if group == member.group => {
                self.accounts[group].read_again(&member.reading, &reading);
                member.reading = reading;
                member.io_denied = io_denied;
            }
            other => entry.1 = self.meet(other, Arrival::Became, 0),
        }
    }

    fn publish(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let uptime_ms = self
            .uptime
            .read_optional(&mut self.buffer)
            .and_then(|text| {
                Some(hundredths(Fields::new(first_line(text)?).word()?)?.saturating_mul(10))
            });
        let interval_ms = self.interval.next(moment.monotonic);
        let mut result = Ok(());
        for (group, (account, watch)) in
            self.accounts.iter_mut().zip(&self.config.watch).enumerate()
        {
            let members = self.known.iter().filter_map(|(_, known)| match known {
                Known::Member(member) if member.group == group => Some(&member.reading),
                _ => None,
            });
            let (row, resets) = account.settle(members, uptime_ms);
            rows.count(SourceMetric::CounterResets, resets);
            // The first only primes.
            if let Some(interval_ms) = interval_ms {
                let labels = [watch.name.as_str()];
                let row = rows.series(SeriesKind::Process, &labels, moment, interval_ms, &row);
                result = result.and(row);
            }
        }
        result
    }
}

impl Source for ProcessesSource {
    fn name(&self) -> &'static str {
        "processes"
    }

    fn worker(&self) -> Worker {
        Worker::Slow
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::Details)
    }

    fn lane(&self) -> Lane {
        Lane::Metrics
    }

    fn interval(&self) -> Duration {
        let interval = Duration::from_millis(self.config.interval_ms);
        if self.complete {
            interval
        } else {
            interval.min(FIRST_INTERVAL)
        }
    }

    fn deadline(&self) -> Duration {
        // The listing comes on top of the looks.
        Duration::from_millis(self.config.deadline_ms) * 2
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        self.list()?;
        let late = self.look_at_all();
        if self.complete {
            self.publish(moment, rows)?;
        }
        if late > 0 {
            return Err(SourceError::Other(format!(
                "{late} members of watched groups were not read in time; their figures are of an earlier reading: raise looks_max or deadline_ms"
            )));
        }
        if self.listed.first().is_some_and(|first| first.pid != 1) {
            return Err(SourceError::Other(format!(
                "{} hides the processes of other users (hidepid); groups may be incomplete: let the agent's user in with the mount's gid",
                self.config.proc_path
            )));
        }
        let denied = std::mem::take(&mut self.looker.denied);
        if denied > 0 {
            return Err(SourceError::Other(format!(
                "the programs of {denied} processes cannot be read; groups with executable may be incomplete: use comm or command_line, or run as root"
            )));
        }
        Ok(())
    }
}
