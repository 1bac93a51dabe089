//! What the collector is doing, for whoever asks whether it works.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Stages from start to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The schema is being brought up to date, or ClickHouse is waited for.
    Migrating,
    /// The journal's open end is being repeated.
    Recovering,
    /// Batches are stored.
    Serving,
    /// The queue is being emptied before the end.
    Draining,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Migrating => "bringing the schema up to date",
            Self::Recovering => "recovering the journal",
            Self::Serving => "serving",
            Self::Draining => "draining",
        })
    }
}

#[derive(Debug)]
struct State {
    stage: Stage,
    storage_error: Option<String>,
    /// What goes wrong on the way to Kafka and back, by the part that says so.
    log_errors: [Option<String>; 2],
    stores: bool,
}

/// Who speaks to Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogUser {
    /// Ingest, which writes the log.
    Producer,
    /// The writer, which reads it.
    Consumer,
}

/// Shared by those who know and those who ask.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<State>>);

impl Default for Readiness {
    fn default() -> Self {
        Self::new(true)
    }
}

impl Readiness {
    /// Of a collector that has just begun; `stores` says whether it is ready only if ClickHouse
    /// takes rows from it.
    #[must_use]
    pub fn new(stores: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            stage: Stage::Migrating,
            storage_error: None,
            log_errors: [None, None],
            stores,
        })))
    }

    /// Whether readiness means that ClickHouse takes rows.
    #[must_use]
    pub fn stores(&self) -> bool {
        self.with(|state| state.stores)
    }

    /// Notes that the log cannot be written or read at present, and why.
    pub fn log_fails(&self, user: LogUser, error: &str) {
        self.with(|state| state.log_errors[user as usize] = Some(error.to_owned()));
    }

    /// Notes that it can again.
    pub fn log_works(&self, user: LogUser) {
        self.with(|state| state.log_errors[user as usize] = None);
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Enters a stage. Draining is the last one.
    pub fn enter(&self, stage: Stage) {
        self.with(|state| {
            if state.stage != Stage::Draining {
                tracing::info!(%stage, "stage");
                state.stage = stage;
            }
        });
    }

    /// Notes that the writer cannot store at present.
    pub fn storage_fails(&self, error: &str) {
        self.with(|state| state.storage_error = Some(error.to_owned()));
    }

    /// Notes that it can again.
    pub fn storage_works(&self) {
        self.with(|state| state.storage_error = None);
    }

    /// Whether the start is over: it serves, or it is known what it waits for, and told as its obstacle.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.with(|state| {
            let waits = state.stores && state.storage_error.is_some();
            state.stage == Stage::Serving || waits || state.log_errors.iter().any(Option::is_some)
        })
    }

    /// Why the collector is not ready, as far as is known without asking ClickHouse.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        self.with(|state| {
            // Who only hands batches to Kafka does so while ClickHouse is away.
            let storage = state.storage_error.iter().filter(|_| state.stores);
            let errors: Vec<&str> = state
                .log_errors
                .iter()
                .flatten()
                .chain(storage)
                .map(String::as_str)
                .collect();
            if state.stage == Stage::Serving && errors.is_empty() {
                return None;
            }
            let stage = state.stage.to_string();
            let all: Vec<&str> = std::iter::once(stage.as_str()).chain(errors).collect();
            Some(all.join("; "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_does_not_store_is_ready_without_storage() {
        for stores in [true, false] {
            let readiness = Readiness::new(stores);
            assert!(readiness.obstacle().is_some());
            readiness.enter(Stage::Serving);
            assert_eq!(readiness.obstacle(), None);
            readiness.storage_fails("no ClickHouse");
            assert_eq!(readiness.obstacle().is_some(), stores);
            readiness.log_fails(LogUser::Producer, "no topics");
            readiness.log_fails(LogUser::Consumer, "no group");
            let text = readiness.obstacle().unwrap();
            assert!(text.contains("no topics; no group"), "{text}");
            readiness.storage_works();
            readiness.log_works(LogUser::Producer);
            readiness.log_works(LogUser::Consumer);
            assert_eq!(readiness.obstacle(), None);
        }
    }
}
