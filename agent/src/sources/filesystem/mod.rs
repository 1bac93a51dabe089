//! File systems: size and free space of what is mounted.
//!
//! Owns one row of kind filesystem for each chosen mount ([`mounts`]) and run. Promises that a mount
//! that hangs (a server that is gone, a dying disk) holds no other and is reported until it answers
//! ([`super::probe`]). The table of mounts is read with a kept handle and understood again only when it
//! has changed; sizes are asked by statvfs directly, since the `sysinfo` crate asks all mounts in
//! turn on the caller's thread, where one that hangs would hold them all.

mod config;
pub(in crate::sources) mod mounts;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::catalog::{FilesystemMetric, SeriesKind, SourceMetric};
use rustix::fs::StatVfsMountFlags;

pub use self::config::Config;
use self::mounts::{Choice, Mount};
use super::host::file::{Extent, KernelFile};
use super::probe::{Ask, Probes, Silence};
use super::{Moment, Rows, Source, SourceError, Worker};
use crate::runtime::budget::Subject;

/// What a mount answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Usage {
    size_bytes: u64,
    free_bytes: u64,
    available_bytes: u64,
    inodes: u64,
    inodes_free: u64,
    read_only: bool,
}

/// Reads file systems.
pub struct FilesystemSource {
    config: Config,
    table: KernelFile,
    buffer: Vec<u8>,
    /// The table that `choice` was made from.
    understood: Vec<u8>,
    choice: Choice,
    probes: Probes<Usage>,
    last_run: Option<Instant>,
}

impl FilesystemSource {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self::with(config, Arc::new(statvfs))
    }

    fn with(config: &Config, ask: Ask<Usage>) -> Self {
        let deadline = Duration::from_millis(config.mount_deadline_ms);
        let table = Path::new(&config.proc_path).join("self/mountinfo");
        Self {
            config: config.clone(),
            table: KernelFile::new(table, Extent::Pieces),
            buffer: Vec::new(),
            understood: Vec::new(),
            choice: Choice::default(),
            probes: Probes::new("statvfs", ask, deadline, config.mounts_max),
            last_run: None,
        }
    }
}

impl Source for FilesystemSource {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn worker(&self) -> Worker {
        Worker::Filesystems
    }

    fn lane(&self) -> Lane {
        Lane::Metrics
    }

    fn interval(&self) -> Duration {
        Duration::from_millis(self.config.interval_ms)
    }

    fn deadline(&self) -> Duration {
        // One that hangs takes its deadline; what the others take comes on top.
        Duration::from_millis(self.config.mount_deadline_ms) * 2
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::Devices)
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let text = self.table.read(&mut self.buffer)?;
        if self.understood != text {
            self.understood.clear();
            self.understood.extend_from_slice(text);
            self.choice = mounts::choose(text, &self.config);
            rows.count(SourceMetric::Unparsed, self.choice.unparsed);
        }
        rows.count(SourceMetric::Dropped, self.choice.dropped);
        let since = self
            .last_run
            .replace(moment.monotonic)
            .map(|last| moment.monotonic.saturating_duration_since(last));
        let interval_ms = since.unwrap_or(self.interval()).as_millis();
        let interval_ms = u32::try_from(interval_ms).unwrap_or(u32::MAX);

        let mounts = &self.choice.mounts;
        let mut late: Vec<&str> = Vec::new();
        let mut result = Ok(());
        self.probes.ask_all(
            mounts.iter().map(|mount| &mount.path),
            |position, answer| {
                let mount = &mounts[position];
                let outcome = match answer {
                    Ok(usage) => publish(mount, &usage, moment, interval_ms, rows),
                    Err(Silence::Late) => {
                        late.push(&mount.mount_point);
                        Ok(())
                    }
                    Err(Silence::NoHelper) => {
                        rows.count(SourceMetric::Dropped, 1);
                        Ok(())
                    }
                    // Unmounted since the table was read.
                    Err(Silence::Error(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                    Err(Silence::Error(error)) => Err(SourceError::Read {
                        path: format!(
                            "{} (permit it or name it in mount_points_excluded)",
                            mount.path.display()
                        ),
                        error,
                    }),
                };
                if result.is_ok() {
                    result = outcome;
                }
            },
        );
        if late.is_empty() {
            return result;
        }
        Err(SourceError::Deadline {
            what: named(&late),
            deadline_ms: self.config.mount_deadline_ms,
        })
    }
}

fn publish(
    mount: &Mount,
    usage: &Usage,
    moment: Moment,
    interval_ms: u32,
    rows: &mut Rows<'_>,
) -> Result<(), SourceError> {
    // A type that is not in the list and yet holds nothing.
    if usage.size_bytes == 0 {
        return Ok(());
    }
    let mut values = [None; FilesystemMetric::COUNT];
    for (metric, value) in [
        (FilesystemMetric::Size, usage.size_bytes),
        (FilesystemMetric::Free, usage.free_bytes),
        (FilesystemMetric::Available, usage.available_bytes),
        (FilesystemMetric::Inodes, usage.inodes),
        (FilesystemMetric::InodesFree, usage.inodes_free),
        (FilesystemMetric::ReadOnly, u64::from(usage.read_only)),
    ] {
        values[metric as usize] = Some(value);
    }
    let labels = [
        mount.mount_point.as_str(),
        &mount.device,
        &mount.filesystem_type,
    ];
    rows.series(
        SeriesKind::Filesystem,
        &labels,
        moment,
        interval_ms,
        &values,
    )
}

/// The first mounts by name and the rest by number: an error is read by people.
fn named(mount_points: &[&str]) -> String {
    let named = mount_points[..mount_points.len().min(3)].join(", ");
    match mount_points.len() - mount_points.len().min(3) {
        0 => named,
        more => format!("{named} and {more} more mounts"),
    }
}

fn statvfs(path: &Path) -> io::Result<Usage> {
    let figures = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(figures.f_frsize);
    Ok(Usage {
        size_bytes: bytes(figures.f_blocks),
        free_bytes: bytes(figures.f_bfree),
        available_bytes: bytes(figures.f_bavail),
        inodes: figures.f_files,
        inodes_free: figures.f_ffree,
        read_only: figures.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}
