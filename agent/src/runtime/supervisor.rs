//! The supervisor: heartbeats, the sources' own telemetry, the budget, and the metrics lane's
//! batches.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crmscope_proto::catalog::{SeriesKind, SourceMetric};
use crmscope_proto::payload::Contents;
use crmscope_proto::systemd::{Notifier, Watchdog};
use crmscope_proto::v1::Heartbeat;

use super::budget::watch::BudgetWatch;
use super::budget::{Budget, meter};
use super::crew::{Ceilings, Crew};
use super::worker::{Surroundings, Watches};
use crate::clock;
use crate::rules::Rules;
use crate::settings::Desk;
use crate::sources::{Moment, Rows, SourceStatistics};

/// Longest time between two looks at the sources and at intervals the collector changed.
const STEP: Duration = Duration::from_secs(1);

/// What the supervisor's own figures stand under, among those of the sources.
const OWN_NAME: &str = "supervisor";

/// Collector's clock minus the agent's, ms, once known.
#[derive(Debug)]
pub struct ClockOffset(AtomicI64);

impl Default for ClockOffset {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl ClockOffset {
    /// Keeps a new estimate.
    pub fn set(&self, offset_ms: i64) {
        self.0.store(offset_ms, Ordering::Relaxed);
    }

    /// The newest estimate.
    #[must_use]
    pub fn get(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&offset_ms| offset_ms != i64::MIN)
    }
}

/// What the last heartbeat says.
#[derive(Clone, Copy, Debug)]
struct Goodbye {
    host_stops: bool,
}

/// See the module.
pub struct Supervisor {
    surroundings: Surroundings,
    watches: Arc<Watches>,
    ceilings: Arc<Ceilings>,
    /// Of each source, as they stand there.
    reported: Vec<[u64; SourceMetric::COUNT]>,
    own_reported: [u64; SourceMetric::COUNT],
    clock_offset: Arc<ClockOffset>,
    beat: u64,
    heartbeat_due: Instant,
    flush_due: Instant,
    flushed: Instant,
    own_statistics: SourceStatistics,
    budget: BudgetWatch,
    rules: Arc<Rules>,
    desk: Arc<Desk>,
    notifier: Arc<Notifier>,
    watchdog: Watchdog,
}

impl Supervisor {
    /// Watches over the sources given.
    #[must_use]
    pub fn new(
        surroundings: Surroundings,
        crew: &Crew,
        clock_offset: Arc<ClockOffset>,
        budget: Budget,
        rules: Arc<Rules>,
        desk: Arc<Desk>,
        notifier: Arc<Notifier>,
    ) -> Self {
        let now = Instant::now();
        Self {
            reported: Vec::new(),
            own_reported: [0; SourceMetric::COUNT],
            heartbeat_due: now,
            flush_due: now + surroundings.settings.batch_interval(),
            flushed: now,
            budget: BudgetWatch::new(budget, Arc::clone(&surroundings.economy)),
            surroundings,
            watches: Arc::clone(crew.watches()),
            ceilings: Arc::clone(crew.ceilings()),
            clock_offset,
            beat: 0,
            own_statistics: SourceStatistics::default(),
            rules,
            desk,
            watchdog: notifier.watchdog(),
            notifier,
        }
    }

    /// Beats and flushes for ever; to be dropped at the end.
    pub async fn run(&mut self) {
        loop {
            let due = self.heartbeat_due.min(self.flush_due);
            let due = self.watchdog.due().map_or(due, |beat| due.min(beat));
            tokio::time::sleep_until(due.min(Instant::now() + STEP).into()).await;
            let now = Instant::now();
            // Here, and on no thread of its own: an agent of which this loop hangs is silent.
            self.watchdog.beat(now, &self.notifier);
            self.watches.check_overdue();
            self.surroundings.outbox.sync_due(now);
            self.adjust(now);
            self.budget.look(now, &self.surroundings.outbox);
            if now >= self.heartbeat_due {
                self.heartbeat(None);
                self.heartbeat_due += self.surroundings.settings.heartbeat_interval();
                if self.heartbeat_due <= now {
                    self.heartbeat_due = now + self.surroundings.settings.heartbeat_interval();
                }
            }
            if now >= self.flush_due {
                self.flush();
                self.flush_due = now + self.surroundings.settings.batch_interval();
            }
        }
    }

    /// Puts other ceilings into force, where there are some.
    fn adjust(&mut self, now: Instant) {
        let mut ceilings = self.ceilings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((config, subjects)) = ceilings.take() {
            drop(ceilings);
            self.budget.adjust(now, config, &subjects);
        }
    }

    /// After the workers ended: the last rows, and a heartbeat that says the stop was meant, and whether
    /// the host stops with the agent.
    pub fn finish(&mut self, host_stops: bool) {
        self.flush();
        self.heartbeat(Some(Goodbye { host_stops }));
    }

    fn flush(&mut self) {
        self.report_sources();
        let shed = self.surroundings.gatherer.flush(&self.surroundings.outbox);
        self.own_statistics.add(SourceMetric::Dropped, shed);
    }

    fn report_sources(&mut self) {
        let moment = Moment::now();
        let interval_ms = u32::try_from(self.flushed.elapsed().as_millis()).unwrap_or(u32::MAX);
        self.flushed = Instant::now();
        let mut contents = Contents::default();
        let ignored = SourceStatistics::default();
        let mut rows = Rows::new(&mut contents, &ignored);
        let watches = self.watches.all();
        self.reported
            .resize(watches.len(), [0; SourceMetric::COUNT]);
        let sources = watches.iter().zip(&mut self.reported);
        let sources = sources.map(|(watch, reported)| {
            let is_running = watch.is_running();
            let statistics = &watch.statistics;
            (
                watch.name,
                watch.reads_logs,
                is_running,
                statistics,
                reported,
            )
        });
        // The supervisor is no source: it speaks only of what it had to drop. So does one that was turned
        // off, of what it did before.
        let own = (
            OWN_NAME,
            false,
            false,
            &self.own_statistics,
            &mut self.own_reported,
        );
        for (name, reads_logs, is_running, statistics, reported) in sources.chain([own]) {
            let counters = statistics.read();
            if !is_running && counters == *reported {
                continue;
            }
            let values: [Option<u64>; SourceMetric::COUNT] = std::array::from_fn(|position| {
                let has = reads_logs || !SourceMetric::is_of_logs(position);
                has.then(|| counters[position] - reported[position])
            });
            *reported = counters;
            if let Err(error) =
                rows.series(SeriesKind::Source, &[name], moment, interval_ms, &values)
            {
                tracing::error!(source = name, %error, "telemetry row does not fit; this is a bug");
            }
        }
        if let Err(error) = self.budget.report(moment, interval_ms, &mut rows) {
            tracing::error!(%error, "row of the budget does not fit; this is a bug");
        }
        self.surroundings.gatherer.merge(contents);
    }

    fn heartbeat(&mut self, goodbye: Option<Goodbye>) {
        // The first one that a disk refuses may be on it or not. It is not given again: another
        // one follows at once, and goes another way.
        for _ in 0..2 {
            let heartbeat = self.next_heartbeat(goodbye);
            let beat = heartbeat.beat;
            let tells_refusals = !heartbeat.refused_rules.is_empty();
            match self.surroundings.outbox.beat(heartbeat) {
                Ok(()) => {
                    if tells_refusals {
                        self.rules.refusals_told(Instant::now());
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!(%error, beat, "heartbeat cannot be spooled; this beat is missing");
                }
            }
        }
    }

    fn next_heartbeat(&mut self, goodbye: Option<Goodbye>) -> Heartbeat {
        self.beat += 1;
        let clock = clock::read();
        let (rules, refused_rules) = self.rules.report(Instant::now());
        Heartbeat {
            uptime_ms: clock.boottime_ms,
            clock: Some(clock),
            beat: self.beat,
            agent_cpu_us: meter::cpu_us(),
            agent_resident_bytes: self.budget.resident_bytes(),
            clock_offset_ms: self.clock_offset.get(),
            config_version: self.surroundings.settings.version(),
            goodbye: goodbye.is_some(),
            host_stops: goodbye.is_some_and(|goodbye| goodbye.host_stops),
            rules,
            refused_rules,
            settings: Some(self.desk.state()),
            // The outbox says how its lanes and its disk do.
            ..Heartbeat::default()
        }
    }
}
