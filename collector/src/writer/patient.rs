//! Trying until it works: what ClickHouse does not take now, it is given again unchanged.
//!
//! Owns the pauses between attempts, and who hears of them: the log, the counter, the readiness.
//! Promises never to give up by itself, and to stop between attempts when it is told to.

use std::collections::BTreeSet;

use tokio::sync::watch;

use crate::error::Error;
use crate::readiness::Readiness;
use crate::storage::Storage;
use crate::storage::retry::Backoff;
use crate::writer::block::Insert;
use crate::writer::config::Config;
use crate::writer::marks::Marks;
use crate::writer::metrics::Metrics;

/// Agents asked about in one question.
const MARKS_QUESTION: usize = 500;

/// Storage, as a writer uses it.
#[derive(Clone, Debug)]
pub struct Patient {
    /// ClickHouse.
    pub storage: Storage,
    readiness: Readiness,
    metrics: Metrics,
    retry_initial_ms: u64,
    retry_max_ms: u64,
}

impl Patient {
    /// One with the writer's pauses.
    #[must_use]
    pub fn new(config: &Config, storage: Storage, readiness: Readiness, metrics: Metrics) -> Self {
        Self {
            storage,
            readiness,
            metrics,
            retry_initial_ms: config.retry_initial_ms,
            retry_max_ms: config.retry_max_ms,
        }
    }

    /// Tries until it works. What is in hand stays in memory, and what bounds it holds the rest.
    pub async fn until_done<T, A>(&self, what: &'static str, mut act: impl FnMut() -> A) -> T
    where
        A: Future<Output = Result<T, Error>>,
    {
        let mut backoff = self.backoff();
        loop {
            if let Some(done) = self.attempt(what, &mut backoff, act().await).await {
                return done;
            }
        }
    }

    /// Tries until it works or `stop` is true; then `None`. An attempt under way is not broken off.
    pub async fn unless<T, A>(
        &self,
        stop: &watch::Receiver<bool>,
        what: &'static str,
        mut act: impl FnMut() -> A,
    ) -> Option<T>
    where
        A: Future<Output = Result<T, Error>>,
    {
        let mut backoff = self.backoff();
        let mut stopped = stop.clone();
        loop {
            if *stop.borrow() {
                return None;
            }
            let outcome = act().await;
            let done = tokio::select! {
                done = self.attempt(what, &mut backoff, outcome) => done,
                _ = stopped.wait_for(|stop| *stop) => return None,
            };
            if done.is_some() {
                return done;
            }
        }
    }

    /// A new row of pauses.
    #[must_use]
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.retry_initial_ms, self.retry_max_ms)
    }

    /// The outcome of an attempt, when it is good; else a pause.
    pub async fn attempt<T>(
        &self,
        what: &'static str,
        backoff: &mut Backoff,
        outcome: Result<T, Error>,
    ) -> Option<T> {
        match outcome {
            Ok(done) => {
                // Always: whoever met the failure may not be there any more.
                self.readiness.storage_works();
                if backoff.attempts() > 0 {
                    tracing::info!(what, attempts = backoff.attempts(), "worked at last");
                }
                Some(done)
            }
            Err(error) => {
                self.metrics.retry(what);
                self.readiness.storage_fails(&error.message);
                let pause = backoff.next_pause();
                tracing::warn!(what, %error, pause_ms = pause.as_millis(), "will be repeated");
                tokio::time::sleep(pause).await;
                None
            }
        }
    }

    /// Forgets a failure that nobody tries to mend any more; readiness asks for itself.
    pub fn give_up(&self) {
        self.readiness.storage_works();
    }

    /// Inserts, for as long as it takes.
    pub async fn insert(&self, insert: &Insert) {
        self.until_done(insert.table, || self.storage.insert(insert))
            .await;
    }

    /// Asks the ledger about those of the agents whose marks are not there yet. Returns whether it
    /// got to the end before `stop`, where there is one.
    pub async fn load_marks<'a>(
        &self,
        stop: Option<&watch::Receiver<bool>>,
        marks: &mut Marks,
        agents: impl Iterator<Item = &'a str>,
    ) -> bool {
        let unknown: BTreeSet<&str> = agents.filter(|agent_id| !marks.knows(agent_id)).collect();
        let unknown: Vec<&str> = unknown.into_iter().collect();
        for asked in unknown.chunks(MARKS_QUESTION) {
            let ask = || self.storage.high_water(asked);
            let answer = match stop {
                None => Some(self.until_done("reading high-water marks", ask).await),
                Some(stop) => self.unless(stop, "reading high-water marks", ask).await,
            };
            let Some(answer) = answer else {
                return false;
            };
            marks.load(asked, answer);
        }
        true
    }
}
