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
}

/// Shared by those who know and those who ask.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<Mutex<State>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State {
            stage: Stage::Migrating,
            storage_error: None,
        })))
    }
}

impl Readiness {
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

    /// Why the collector is not ready, as far as is known without asking ClickHouse.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        self.with(|state| match (state.stage, &state.storage_error) {
            (Stage::Serving, None) => None,
            (stage, None) => Some(stage.to_string()),
            (stage, Some(error)) => Some(format!("{stage}; {error}")),
        })
    }
}
