//! Acts on the budget: looks once a second, puts the economy in force, says what changed and why,
//! and reports what was shed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::catalog::{SeriesKind, SheddingMetric};

use super::account::Account;
use super::meter::Meter;
use super::{Budget, Ceiling, Economy, SharedEconomy, Subject, Verdict};
use crate::outbox::Outbox;
use crate::sources::{Moment, Rows, SourceError};

/// Time between looks. Wake-ups of other reasons serve it, so it is a little less than a second.
const LOOK_INTERVAL: Duration = Duration::from_millis(900);

/// See the module.
#[derive(Debug)]
pub struct BudgetWatch {
    budget: Budget,
    account: Account,
    meter: Meter,
    economy: Arc<SharedEconomy>,
    look_due: Instant,
}

impl BudgetWatch {
    /// Watches over a budget, whose economy others read.
    #[must_use]
    pub fn new(budget: Budget, economy: Arc<SharedEconomy>) -> Self {
        Self {
            budget,
            account: Account::default(),
            meter: Meter::default(),
            economy,
            look_due: Instant::now(),
        }
    }

    /// Measures, if it is time.
    pub fn look(&mut self, now: Instant, outbox: &Outbox) {
        if now < self.look_due {
            return;
        }
        self.look_due = now + LOOK_INTERVAL;
        let reading = self.meter.read(now, outbox);
        let Some(verdict) = self.budget.observe(reading) else {
            return;
        };
        self.economy.set(Economy::of(self.budget.shed()));
        self.advance(now);
        say(&verdict, self.budget.shed());
    }

    /// Other ceilings from now on, and sources that can shed other subjects.
    pub fn adjust(&mut self, now: Instant, config: super::Config, subjects: &[Subject]) {
        self.advance(now);
        self.budget.adjust(config, subjects);
        self.economy.set(Economy::of(self.budget.shed()));
    }

    /// Puts a row for each subject and cause that was shed since the last report.
    ///
    /// # Errors
    /// When a row does not fit the catalog: a bug.
    pub fn report(
        &mut self,
        moment: Moment,
        interval_ms: u32,
        rows: &mut Rows<'_>,
    ) -> Result<(), SourceError> {
        self.advance(moment.monotonic);
        let mut values = [None; SheddingMetric::COUNT];
        values[SheddingMetric::Level as usize] = Some(self.budget.level() as u64);
        for entry in self.account.take() {
            values[SheddingMetric::Shed as usize] = Some(entry.shed_ms);
            let labels = [entry.subject.name(), entry.cause.name()];
            rows.series(SeriesKind::Shedding, &labels, moment, interval_ms, &values)?;
        }
        Ok(())
    }

    /// Resident memory, for the heartbeat.
    pub fn resident_bytes(&mut self) -> u64 {
        self.meter.resident_bytes()
    }

    fn advance(&mut self, now: Instant) {
        let now_ms = self.meter.at_ms(now);
        self.account
            .advance(now_ms, self.budget.shed(), self.budget.cause());
    }
}

fn say(verdict: &Verdict, shed: &[Subject]) {
    let Verdict {
        before,
        level,
        shares,
        cause,
        excess,
    } = verdict;
    let percent = |ceiling| shares.of(ceiling) / 10;
    let (cpu, memory) = (percent(Ceiling::Cpu), percent(Ceiling::Memory));
    let (disk, network) = (percent(Ceiling::Disk), percent(Ceiling::Network));
    let names: Vec<_> = shed.iter().map(|subject| subject.name()).collect();
    let shed = names.join(",");
    let cause = cause.name();
    if level > before {
        tracing::warn!(
            level,
            shed,
            cause,
            cpu_percent_of_ceiling = cpu,
            memory_percent_of_ceiling = memory,
            disk_percent_of_ceiling = disk,
            network_percent_of_ceiling = network,
            "near a ceiling of the budget; less is measured"
        );
    } else if level < before {
        tracing::info!(
            level,
            shed,
            cause,
            cpu_percent_of_ceiling = cpu,
            memory_percent_of_ceiling = memory,
            disk_percent_of_ceiling = disk,
            network_percent_of_ceiling = network,
            "the budget is kept; more is measured again"
        );
    }
    if *excess {
        tracing::error!(
            level,
            shed,
            cause,
            cpu_percent_of_ceiling = cpu,
            memory_percent_of_ceiling = memory,
            disk_percent_of_ceiling = disk,
            network_percent_of_ceiling = network,
            "above a ceiling of the budget with all shed that can be; raise the ceiling or give the agent less to watch"
        );
    }
}
