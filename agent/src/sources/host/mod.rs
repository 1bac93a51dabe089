//! The host: CPU, memory, load, pressure, disks and network interfaces, at every tick.
//!
//! Owns one row of kind host and one for each disk and interface per tick. Promises: increments
//! cover exactly the row's `interval_ms`; a counter that began again makes no peak and is counted in
//! the telemetry ([`values`], [`devices`]); the first reading only primes; what
//! cannot be read stops nothing else and is named by the error; in the steady state a tick opens
//! no file and allocates nothing but the rows. Leaves file systems, which may hang, to
//! [`super::filesystem`].
//!
//! Everything here is read from /proc and /sys directly, with kept handles: measured at a sixth of
//! what the `sysinfo` crate costs for the same subjects. Only [`facts`], read once, uses it.

mod cgroup;
mod config;
mod devices;
mod disks;
pub mod facts;
pub(crate) mod file;
mod interfaces;
pub(crate) mod interval;
mod load;
mod memory;
mod processes;
mod processor;
#[cfg(test)]
mod real_tests;
#[cfg(test)]
mod tests;
pub(crate) mod text;
mod values;

use std::path::Path;
use std::time::{Duration, Instant};

use crmscope_proto::Lane;
use crmscope_proto::catalog::{DiskMetric, HostMetric, InterfaceMetric, SeriesKind, SourceMetric};

use self::cgroup::Cgroup;
pub use self::config::Config;
use self::devices::Devices;
use self::file::{BUFFER_BYTES, Extent, KernelFile};
use self::interval::Interval;
use self::load::{PRESSURES, Pressure, parse_file_nr, parse_loadavg, parse_uptime};
use self::memory::Positions;
use self::processes::Processes;
use self::values::HostValues;
use super::{Moment, Rows, Source, SourceError, Worker};
use crate::runtime::budget::{Economy, Subject};

/// Reads the host.
pub struct HostSource {
    interval: Duration,
    deadline: Duration,
    /// One buffer for all files: it stays in the cache.
    buffer: Vec<u8>,
    host: Host,
    disks: Devices<{ DiskMetric::COUNT }>,
    interfaces: Devices<{ InterfaceMetric::COUNT }>,
    last_run: Option<Instant>,
    /// Every which run reads the devices.
    device_stretch: u32,
    /// Runs since they were read.
    runs_without_devices: u32,
}

impl HostSource {
    /// A source that has read nothing yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            interval: Duration::from_millis(config.interval_ms),
            deadline: Duration::from_millis(config.deadline_ms),
            buffer: vec![0; BUFFER_BYTES],
            host: Host::new(config),
            disks: disks::disks(config),
            interfaces: interfaces::interfaces(config),
            last_run: None,
            device_stretch: 1,
            runs_without_devices: 0,
        }
    }
}

impl Source for HostSource {
    fn name(&self) -> &'static str {
        "host"
    }

    fn worker(&self) -> Worker {
        Worker::Kernel
    }

    fn lane(&self) -> Lane {
        Lane::Metrics
    }

    fn interval(&self) -> Duration {
        self.interval
    }

    fn deadline(&self) -> Duration {
        self.deadline
    }

    fn subject(&self) -> Option<Subject> {
        Some(Subject::Host)
    }

    fn economises(&self) -> &'static [Subject] {
        &[Subject::Devices]
    }

    fn economise(&mut self, economy: Economy) {
        // Rare runs read all there is.
        self.device_stretch = if economy.sheds(Subject::Host) {
            1
        } else {
            economy.stretch(Subject::Devices)
        };
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        // Increments over no time at all would be meaningless; the next run has them.
        let soonest = self
            .last_run
            .map(|last_run| last_run + Duration::from_millis(1));
        if soonest.is_some_and(|soonest| moment.monotonic < soonest) {
            return Ok(());
        }
        self.last_run = Some(moment.monotonic);
        // All run before the first error is returned.
        let host = self.host.collect(&mut self.buffer, moment, rows);
        self.runs_without_devices += 1;
        if self.runs_without_devices < self.device_stretch {
            return host;
        }
        self.runs_without_devices = 0;
        let disks = self.disks.collect(&mut self.buffer, moment, rows);
        let interfaces = self.interfaces.collect(&mut self.buffer, moment, rows);
        host.and(disks).and(interfaces)
    }
}

/// Files of the host row.
struct Host {
    ticks_per_second: u64,
    stat: KernelFile,
    meminfo: (KernelFile, Positions<11>),
    vmstat: (KernelFile, Positions<5>),
    loadavg: KernelFile,
    uptime: KernelFile,
    file_nr: KernelFile,
    pressures: [(KernelFile, Pressure); 3],
    cgroup: Cgroup,
    processes: Processes,
    process_count: Option<u64>,
    rare_interval: Duration,
    rare_due: Option<Instant>,
    base: Option<HostValues>,
    interval: Interval,
}

impl Host {
    fn new(config: &Config) -> Self {
        let proc_path = Path::new(&config.proc_path);
        let one = |name: &str| KernelFile::new(proc_path.join(name), Extent::OnePiece);
        Self {
            ticks_per_second: rustix::param::clock_ticks_per_second(),
            stat: one("stat"),
            meminfo: (one("meminfo"), Positions::meminfo()),
            vmstat: (
                KernelFile::new(proc_path.join("vmstat"), Extent::Pieces),
                Positions::vmstat(),
            ),
            loadavg: one("loadavg"),
            uptime: one("uptime"),
            file_nr: one("sys/fs/file-nr"),
            pressures: PRESSURES
                .map(|pressure| (one(&format!("pressure/{}", pressure.file)), pressure)),
            cgroup: Cgroup::new(proc_path, Path::new(&config.sys_path)),
            processes: Processes::new(proc_path),
            process_count: None,
            // Half a tick less: a tick that comes a little early is not a tick too late.
            rare_interval: Duration::from_millis(
                config.rare_interval_ms - config.interval_ms.min(config.rare_interval_ms) / 2,
            ),
            rare_due: None,
            base: None,
            interval: Interval::default(),
        }
    }

    fn collect(
        &mut self,
        buffer: &mut Vec<u8>,
        moment: Moment,
        rows: &mut Rows<'_>,
    ) -> Result<(), SourceError> {
        if self.rare_due.is_none_or(|due| moment.monotonic >= due) {
            self.rare_due = Some(moment.monotonic + self.rare_interval);
            self.read_rare(buffer);
        }
        let mut now = HostValues::default();
        self.read_required(buffer, &mut now)?;
        self.read_optional(buffer, &mut now);
        // Only a whole reading moves the base, so an error loses no increment.
        let interval_ms = self.interval.next(moment.monotonic);
        let Some(base) = &mut self.base else {
            self.base = Some(now);
            return Ok(());
        };
        let (values, resets) = base.advance(&now);
        rows.count(SourceMetric::CounterResets, resets);
        rows.series(
            SeriesKind::Host,
            &[],
            moment,
            interval_ms.unwrap_or(0),
            &values,
        )
    }

    fn read_required(
        &mut self,
        buffer: &mut Vec<u8>,
        now: &mut HostValues,
    ) -> Result<(), SourceError> {
        let hertz = self.ticks_per_second;
        processor::parse(self.stat.read(buffer)?, hertz, now)
            .map_err(|what| self.stat.malformed(what))?;
        for parsed in [
            (
                &mut self.loadavg,
                parse_loadavg as fn(&[u8], &mut HostValues) -> _,
            ),
            (&mut self.uptime, parse_uptime),
            (&mut self.file_nr, parse_file_nr),
        ] {
            let (file, parse) = parsed;
            parse(file.read(buffer)?, now).map_err(|what| file.malformed(what))?;
        }
        let (file, positions) = &mut self.meminfo;
        positions
            .parse(file.read(buffer)?, now)
            .map_err(|what| file.malformed(what))?;
        let (file, positions) = &mut self.vmstat;
        positions
            .parse(file.read(buffer)?, now)
            .map_err(|what| file.malformed(what))
    }

    fn read_optional(&mut self, buffer: &mut Vec<u8>, now: &mut HostValues) {
        for (file, pressure) in &mut self.pressures {
            if let Some(text) = file.read_optional(buffer) {
                pressure.parse(text, now);
            }
        }
        self.cgroup.collect(buffer, now);
        if let Some(count) = self.process_count {
            now.set(HostMetric::Processes, count);
        }
    }

    /// What costs much or changes rarely.
    fn read_rare(&mut self, buffer: &mut Vec<u8>) {
        self.process_count = self.processes.count();
        self.cgroup.refresh(buffer);
        for (file, _) in &mut self.pressures {
            file.retry();
        }
    }
}
