//! Containers: CPU, memory, I/O and tasks of each, from its control group.
//!
//! Owns one row for each container and reading. Needs no runtime's socket, which would be root's
//! power: containers are known by the names that runtimes give their groups ([`discover`]), which
//! hold their ids. Promises: a container's first reading only primes; a group that was made anew
//! under the same name is another container's life; containers beyond the bound, and those behind
//! the deadline, are counted as dropped; a host without containers costs one short walk a reading.

mod config;
mod discover;
mod figures;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::catalog::{ContainerMetric, SeriesKind, SourceMetric};

pub use self::config::Config;
use self::figures::Hierarchy;
use super::baseline::Baseline;
use super::{Moment, Rows, Source, SourceError, Worker};
use crate::runtime::budget::Subject;

/// A container that was read before.
#[derive(Debug)]
struct Followed {
    inode: u64,
    read_at: Instant,
    baseline: Baseline<{ ContainerMetric::COUNT }>,
    seen: bool,
}

/// Reads containers.
#[derive(Debug)]
pub struct ContainersSource {
    config: Config,
    buffer: Vec<u8>,
    ticks_per_second: u64,
    /// By id.
    followed: HashMap<String, Followed>,
}

impl ContainersSource {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            buffer: Vec::new(),
            ticks_per_second: rustix::param::clock_ticks_per_second(),
            followed: HashMap::new(),
        }
    }
}

impl Source for ContainersSource {
    fn name(&self) -> &'static str {
        "containers"
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
        Duration::from_millis(self.config.interval_ms)
    }

    fn deadline(&self) -> Duration {
        // The walk comes on top of the readings.
        Duration::from_millis(self.config.deadline_ms) * 2
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let mounts = Path::new(&self.config.sys_path).join("fs/cgroup");
        let Some(hierarchy) = Hierarchy::find(&mounts) else {
            return Ok(());
        };
        let walk = discover::walk(&hierarchy.walked());
        rows.count(SourceMetric::Dropped, walk.folders_left);
        let end = Instant::now() + Duration::from_millis(self.config.deadline_ms);
        let mut late = 0;
        let mut result = Ok(());
        for container in &walk.found {
            let known = self.followed.contains_key(&container.id);
            if !known && self.followed.len() >= self.config.containers_max {
                rows.count(SourceMetric::Dropped, 1);
                continue;
            }
            if Instant::now() >= end {
                late += 1;
                if let Some(followed) = self.followed.get_mut(&container.id) {
                    followed.seen = true;
                }
                continue;
            }
            let now = hierarchy.read(&container.path, &mut self.buffer, self.ticks_per_second);
            // Gone since the walk.
            if now.iter().all(Option::is_none) {
                continue;
            }
            let same = |followed: &&mut Followed| followed.inode == container.inode;
            let Some(followed) = self.followed.get_mut(&container.id).filter(same) else {
                let followed = Followed {
                    inode: container.inode,
                    read_at: moment.monotonic,
                    baseline: Baseline::new(now),
                    seen: true,
                };
                self.followed.insert(container.id.clone(), followed);
                continue;
            };
            followed.seen = true;
            let since = moment
                .monotonic
                .saturating_duration_since(followed.read_at)
                .as_millis();
            followed.read_at = moment.monotonic;
            let advance = followed.baseline.advance(ContainerMetric::METRICS, &now);
            rows.count(SourceMetric::CounterResets, advance.resets);
            let labels = [&container.id, &container.pod, container.runtime];
            let row = rows.series(
                SeriesKind::Container,
                &labels,
                moment,
                u32::try_from(since).unwrap_or(u32::MAX),
                &advance.row,
            );
            result = result.and(row);
        }
        self.followed
            .retain(|_, followed| std::mem::take(&mut followed.seen));
        if late > 0 {
            rows.count(SourceMetric::Dropped, late);
            return Err(SourceError::Deadline {
                what: format!("reading {late} containers"),
                deadline_ms: self.config.deadline_ms,
            });
        }
        result
    }
}
