//! Which settings are in force, on probation, or known to be bad.
//!
//! Pure: the caller supplies the time, whether the collector is there, and what fails. Settings that are
//! tried become good at the end of the probation. They are taken back where something fails before, or
//! where the collector is not there at the end and does not come back in twice that time more; or where a
//! start finds them on probation and not stopped in good order. What was taken back is remembered until
//! others passed.

use std::time::{Duration, Instant};

use crmscope_proto::payload::truncate;
use crmscope_proto::v1::SettingsState;

use super::kept::{BAD_MAX, Bad, Entry, Kept};

/// So many times the probation, a collector that is not there at its end is waited for.
const WAITS: u32 = 3;

/// Longest reason that is told and kept, bytes.
const REASON_MAX_BYTES: usize = 400;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Trials {
    probation: Duration,
    good: Option<Entry>,
    trial: Option<(Entry, Instant)>,
    bad: Vec<Bad>,
    attempted: u64,
    refusal: Option<Refusal>,
}

/// Why what came last is not in force.
#[derive(Debug)]
struct Refusal {
    rolled_back: bool,
    reason: String,
}

/// What to do with settings that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// They are in force.
    InForce,
    /// They were taken back before.
    Bad,
    /// They worked before, or are the agent's own: no probation.
    Proven,
    /// Nobody knows.
    New,
}

/// What a look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// Nothing changes.
    Open,
    /// They are good.
    Passed,
    /// These are taken back; what was good before is to be in force.
    RolledBack(Entry),
}

impl Trials {
    pub(super) fn new(probation: Duration) -> Self {
        Self {
            probation,
            ..Self::default()
        }
    }

    /// What was kept over a restart. Whether that changes what is to be kept.
    pub(super) fn recall(&mut self, kept: Kept, now: Instant) -> bool {
        self.good = kept.good;
        self.bad = kept.bad;
        self.attempted = version(self.good.as_ref());
        match kept.trial {
            None => false,
            Some(entry) if kept.stopped => {
                self.attempted = entry.version;
                self.trial = Some((entry, now));
                false
            }
            Some(entry) => {
                let reason = "the agent ended without being stopped while they were on probation";
                self.blame(entry.version, reason);
                true
            }
        }
    }

    /// In force; `None` for the agent's own.
    pub(super) fn in_force(&self) -> Option<&Entry> {
        self.trial
            .as_ref()
            .map(|(entry, _)| entry)
            .or(self.good.as_ref())
    }

    /// In force, as a number; 0 for the agent's own.
    pub(super) fn version(&self) -> u64 {
        version(self.in_force())
    }

    /// Came last, whatever became of it.
    pub(super) const fn attempted(&self) -> u64 {
        self.attempted
    }

    pub(super) const fn is_on_probation(&self) -> bool {
        self.trial.is_some()
    }

    /// Whether the probation has lasted as long as it is to.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let age = |began: Instant| now.saturating_duration_since(began);
        self.trial
            .as_ref()
            .is_some_and(|(_, began)| age(*began) >= self.probation)
    }

    /// What to do with settings that came.
    pub(super) fn offered(&self, wanted: u64) -> Offered {
        if self.version() == wanted {
            Offered::InForce
        } else if self.bad.iter().any(|bad| bad.version == wanted) {
            Offered::Bad
        } else if wanted == 0 || version(self.good.as_ref()) == wanted {
            Offered::Proven
        } else {
            Offered::New
        }
    }

    /// They came, and are in force already.
    pub(super) fn confirm(&mut self) {
        self.attempted = self.version();
        self.refusal = None;
    }

    /// They came, and were taken back before.
    pub(super) fn refuse_bad(&mut self, wanted: u64) {
        let known = self.bad.iter().find(|bad| bad.version == wanted);
        let reason = known.map(|bad| bad.reason.clone()).unwrap_or_default();
        self.attempted = wanted;
        self.refusal = Some(Refusal {
            rolled_back: true,
            reason,
        });
    }

    /// They came, and cannot be.
    pub(super) fn refuse(&mut self, wanted: u64, reason: &str) {
        self.attempted = wanted;
        self.refusal = Some(Refusal {
            rolled_back: false,
            reason: cut(reason),
        });
    }

    /// They came, and worked before.
    pub(super) fn give_back(&mut self, wanted: u64) {
        self.trial = None;
        if wanted == 0 {
            self.good = None;
        }
        self.confirm();
    }

    /// They came, and are tried.
    pub(super) fn begin(&mut self, entry: Entry, now: Instant) {
        self.trial = Some((entry, now));
        self.confirm();
    }

    /// What is in force cannot be, beside this configuration of the agent: what was before is.
    pub(super) fn unfit(&mut self, reason: &str) {
        let unfit = match self.trial.take() {
            Some((entry, _)) => Some(entry),
            None => self.good.take(),
        };
        self.refuse(version(unfit.as_ref()), reason);
    }

    /// A look at settings on probation.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        is_connected: bool,
        failing: Option<String>,
    ) -> Judgement {
        let Some((_, began)) = &self.trial else {
            return Judgement::Open;
        };
        let age = now.saturating_duration_since(*began);
        let is_over = age >= self.probation;
        let reason = match failing {
            Some(reason) => reason,
            None if !is_over => return Judgement::Open,
            None if is_connected => {
                self.good = self.trial.take().map(|(entry, _)| entry);
                self.bad.clear();
                return Judgement::Passed;
            }
            None if age < self.probation.saturating_mul(WAITS) => return Judgement::Open,
            None => format!(
                "the connection to the collector was lost while they were on probation, and did not come back within {} s",
                age.as_secs()
            ),
        };
        match self.trial.take() {
            Some((entry, _)) => {
                self.blame(entry.version, &reason);
                Judgement::RolledBack(entry)
            }
            None => Judgement::Open,
        }
    }

    /// What is to be kept. `stopped` where the agent is stopped in good order.
    pub(super) fn kept(&self, stopped: bool) -> Kept {
        let trial = self.trial.as_ref().map(|(entry, _)| entry.clone());
        Kept {
            good: self.good.clone(),
            stopped: stopped && trial.is_some(),
            trial,
            bad: self.bad.clone(),
        }
    }

    /// What is to be kept before settings are tried.
    pub(super) fn kept_before(&self, entry: &Entry) -> Kept {
        Kept {
            trial: Some(entry.clone()),
            ..self.kept(false)
        }
    }

    /// What is told.
    pub(super) fn state(&self) -> SettingsState {
        let refusal = self.refusal.as_ref();
        SettingsState {
            takes_delivered: true,
            version: self.version(),
            attempted_version: self.attempted,
            on_probation: self.is_on_probation(),
            rolled_back: refusal.is_some_and(|refusal| refusal.rolled_back),
            error: refusal.map_or_else(String::new, |refusal| refusal.reason.clone()),
        }
    }

    fn blame(&mut self, version: u64, reason: &str) {
        self.bad.retain(|bad| bad.version != version);
        if self.bad.len() >= BAD_MAX {
            self.bad.remove(0);
        }
        self.bad.push(Bad {
            version,
            reason: cut(reason),
        });
        self.refuse_bad(version);
    }
}

fn version(entry: Option<&Entry>) -> u64 {
    entry.map_or(0, |entry| entry.version)
}

/// A reason that may quote anything.
fn cut(reason: &str) -> String {
    truncate(reason, REASON_MAX_BYTES).replace(char::is_control, "?")
}
