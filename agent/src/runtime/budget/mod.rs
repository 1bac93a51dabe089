//! The budget: what the agent may cost, and what it gives up to stay within.
//!
//! Owns the ceilings, the [`order`] in which subjects are shed, the level (how many are), and the
//! [`account`] of what was shed, which travels as series of kind shedding. Promises: a level is
//! changed only on what a whole window measured at that level; a step back takes a longer calm; of
//! several ceilings the worst counts; nothing is shed that no running source could spare. The core
//! reads no clock: [`meter`] reads this process, [`watch`] acts. Leaves to sources how to do
//! with less, and to the uplink to send no faster than the network ceiling.

pub mod account;
mod config;
pub mod meter;
pub mod order;
#[cfg(test)]
mod tests;
pub mod watch;

use std::sync::atomic::{AtomicU8, Ordering};

pub use self::config::Config;
pub use self::order::{Economy, Means, Subject};

/// Share of a ceiling, per mille, from which the agent is near it.
const NEAR_PERMILLE: u64 = 850;

/// Share from which two steps are taken at once.
const OVERSHOOT_PERMILLE: u64 = 2_000;

/// How long the same excess is not reported again.
const EXCESS_INTERVAL_MS: u64 = 60_000;

/// What has a ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ceiling {
    /// CPU time.
    Cpu,
    /// Resident memory.
    Memory,
    /// The spool.
    Disk,
    /// Bytes to send.
    Network,
}

impl Ceiling {
    /// Every ceiling.
    pub const ALL: [Self; 4] = [Self::Cpu, Self::Memory, Self::Disk, Self::Network];

    /// Its name in tables and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Network => "network",
        }
    }

    /// Share below which it is calm. Rates jump, so they must fall far; what is held moves slowly.
    const fn calm_permille(self) -> u64 {
        match self {
            Self::Cpu | Self::Network => 600,
            Self::Memory | Self::Disk => 750,
        }
    }
}

/// What the agent cost up to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The moment, monotonic, ms.
    pub at_ms: u64,
    /// CPU time since the start, µs.
    pub cpu_us: u64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Bytes of batches made since the start. What is made must be sent, whenever that is: a
    /// replay after an outage, which only catches up, sheds nothing.
    pub made_bytes: u64,
    /// What the fullest lane of the spool holds.
    pub spool_used_bytes: u64,
    /// That lane's quota.
    pub spool_max_bytes: u64,
}

/// Shares of the ceilings over a window, per mille, in the order of [`Ceiling::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares([u64; 4]);

impl Shares {
    /// The share of one.
    #[must_use]
    pub const fn of(&self, ceiling: Ceiling) -> u64 {
        self.0[ceiling as usize]
    }

    /// The ceiling that is nearest.
    fn worst(&self) -> Ceiling {
        Ceiling::ALL
            .into_iter()
            .rev()
            .max_by_key(|&ceiling| self.of(ceiling))
            .unwrap_or(Ceiling::Cpu)
    }

    fn calm(&self, ceiling: Ceiling) -> bool {
        self.of(ceiling) < ceiling.calm_permille()
    }
}

/// What the end of a window brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The level before.
    pub before: usize,
    /// The level from now on.
    pub level: usize,
    /// What was measured.
    pub shares: Shares,
    /// The ceiling that counts.
    pub cause: Ceiling,
    /// A ceiling is passed although all is shed, and that was not said lately.
    pub excess: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Budget {
    config: Config,
    /// What the running sources can shed, in the declared order.
    steps: Vec<Subject>,
    level: usize,
    cause: Ceiling,
    /// Where the present window began.
    begin: Option<Reading>,
    /// Sum and number of the window's memory readings.
    resident: (u64, u64),
    calm_ms: u64,
    excess_said_ms: Option<u64>,
}

impl Budget {
    /// A budget for sources that can shed `subjects`, in any order, some of them several times.
    #[must_use]
    pub fn new(config: Config, subjects: &[Subject]) -> Self {
        Self {
            config,
            steps: steps(subjects),
            level: 0,
            cause: Ceiling::Cpu,
            begin: None,
            resident: (0, 0),
            calm_ms: 0,
            excess_said_ms: None,
        }
    }

    /// Other ceilings from now on, and sources that can shed other subjects. So much is shed as before,
    /// where there is so much.
    pub fn adjust(&mut self, config: Config, subjects: &[Subject]) {
        self.config = config;
        self.steps = steps(subjects);
        self.level = self.level.min(self.steps.len());
        // A window is of one set of ceilings.
        self.begin = None;
        self.resident = (0, 0);
        self.calm_ms = 0;
    }

    /// How many subjects are shed.
    #[must_use]
    pub const fn level(&self) -> usize {
        self.level
    }

    /// What is shed.
    #[must_use]
    pub fn shed(&self) -> &[Subject] {
        &self.steps[..self.level]
    }

    /// The ceiling because of which it is shed.
    #[must_use]
    pub const fn cause(&self) -> Ceiling {
        self.cause
    }

    /// Takes a reading; says something when it ends a window.
    pub fn observe(&mut self, reading: Reading) -> Option<Verdict> {
        let Some(begin) = self.begin else {
            self.begin = Some(reading);
            return None;
        };
        self.resident.0 = self.resident.0.saturating_add(reading.resident_bytes);
        self.resident.1 += 1;
        let span_ms = reading.at_ms.saturating_sub(begin.at_ms);
        if span_ms < self.config.hold_ms {
            return None;
        }
        let shares = self.shares(&begin, &reading, span_ms);
        self.begin = Some(reading);
        self.resident = (0, 0);

        let before = self.level;
        let worst = shares.worst();
        let share = shares.of(worst);
        if share >= NEAR_PERMILLE {
            let steps = if share >= OVERSHOOT_PERMILLE { 2 } else { 1 };
            self.level = (self.level + steps).min(self.steps.len());
        }
        if Ceiling::ALL.iter().all(|&ceiling| shares.calm(ceiling)) {
            self.calm_ms = self.calm_ms.saturating_add(span_ms);
            if self.calm_ms >= self.config.calm_ms {
                self.level = self.level.saturating_sub(1);
                self.calm_ms = 0;
            }
        } else {
            self.calm_ms = 0;
            // The cause stays while it lasts, so that two ceilings near each other do not take turns.
            if self.level > before || shares.calm(self.cause) {
                self.cause = worst;
            }
        }
        Some(Verdict {
            before,
            level: self.level,
            shares,
            cause: if self.level < before {
                self.cause
            } else {
                worst
            },
            excess: self.excess(&reading, before, share),
        })
    }

    /// Whether to say that nothing more can be shed, which is said once in a while.
    fn excess(&mut self, reading: &Reading, before: usize, share: u64) -> bool {
        let excess = share > 1_000 && before == self.steps.len();
        let silent = self
            .excess_said_ms
            .is_some_and(|said| reading.at_ms.saturating_sub(said) < EXCESS_INTERVAL_MS);
        if excess && !silent {
            self.excess_said_ms = Some(reading.at_ms);
        }
        excess && !silent
    }

    fn shares(&self, begin: &Reading, end: &Reading, span_ms: u64) -> Shares {
        let Config {
            cpu_max_percent,
            memory_max_bytes,
            network_max_bytes_per_s,
            ..
        } = self.config;
        // In 128 bits: a counter may hold anything.
        let permille = |used: u64, most: u128| {
            u64::try_from(u128::from(used) * 1_000 / most.max(1)).unwrap_or(u64::MAX)
        };
        let span = u128::from(span_ms);
        Shares([
            // A percent of a core is 10 µs a millisecond.
            permille(
                end.cpu_us.saturating_sub(begin.cpu_us),
                u128::from(cpu_max_percent) * 10 * span,
            ),
            permille(
                self.resident.0 / self.resident.1.max(1),
                memory_max_bytes.into(),
            ),
            permille(end.spool_used_bytes, end.spool_max_bytes.into()),
            permille(
                end.made_bytes.saturating_sub(begin.made_bytes),
                u128::from(network_max_bytes_per_s) * span / 1_000,
            ),
        ])
    }
}

/// Subjects in the declared order, each once.
fn steps(subjects: &[Subject]) -> Vec<Subject> {
    let all = Subject::ORDER.iter().copied();
    all.filter(|subject| subjects.contains(subject)).collect()
}

/// The economy in force, shared by every thread.
#[derive(Debug, Default)]
pub struct SharedEconomy(AtomicU8);

impl SharedEconomy {
    /// Puts an economy in force.
    pub fn set(&self, economy: Economy) {
        self.0.store(economy.bits(), Ordering::Relaxed);
    }

    /// The economy in force.
    #[must_use]
    pub fn get(&self) -> Economy {
        Economy::from_bits(self.0.load(Ordering::Relaxed))
    }
}
