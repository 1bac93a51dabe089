//! A source over some pollers, and what it gave.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crmscope_proto::catalog::SourceMetric;
use crmscope_proto::payload::{Contents, SecurityRow};

use super::super::PolledSource;
use super::super::engine::Poller;
use crate::rules::Rules;
use crate::sources::{Moment, Rows, Source as _, SourceStatistics};

/// Longest wait: machines are shared.
const PATIENCE: Duration = Duration::from_secs(90);

/// Cases at once: each waits for its service most of the time.
const AT_ONCE: usize = 6;

/// Checks cases that have nothing to do with each other, some at once.
pub(in super::super) fn each<T: Send>(cases: Vec<T>, check: impl Fn(T) + Sync) {
    let cases = std::sync::Mutex::new(cases);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let case = cases.lock().unwrap().pop();
                    let Some(case) = case else { return };
                    check(case);
                }
            });
        }
    });
}

pub(in super::super) struct Harness<P: Poller> {
    source: PolledSource<P>,
    pub(in super::super) contents: Contents,
    statistics: SourceStatistics,
    pub(in super::super) state: Result<(), String>,
}

impl<P: Poller + Send> Harness<P> {
    pub(in super::super) fn of(configs: Vec<P::Config>) -> Self {
        let rules = std::sync::Arc::new(Rules::default());
        Self {
            source: PolledSource::new("polled", configs, &rules),
            contents: Contents::default(),
            statistics: SourceStatistics::default(),
            state: Ok(()),
        }
    }

    /// One that goes on where another stood.
    pub(in super::super) fn resumed(configs: Vec<P::Config>, checkpoint: &[u8]) -> Self {
        let mut harness = Self::of(configs);
        harness.source.restore(checkpoint);
        harness
    }

    pub(in super::super) fn checkpoint(&mut self) -> Vec<u8> {
        self.source.checkpoint().unwrap()
    }

    pub(in super::super) fn look(&mut self) {
        let mut rows = Rows::new(&mut self.contents, &self.statistics);
        let outcome = self.source.collect(Moment::now(), &mut rows);
        self.state = outcome.map_err(|error| error.to_string());
    }

    pub(in super::super) fn until(&mut self, what: &str, fits: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        loop {
            self.look();
            if fits(self) {
                return;
            }
            let events = self.contents.security.len();
            assert!(
                Instant::now() < end,
                "{what}: {events} events, {:?}",
                self.state
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a poll of each began after now and ended.
    pub(in super::super) fn polled(&mut self) {
        for _ in 0..2 {
            self.source.states.fill(None);
            self.until("a whole poll", |harness| {
                harness.source.states.iter().all(Option::is_some)
            });
        }
    }

    /// The same, and ended well.
    pub(in super::super) fn settled(&mut self) {
        self.polled();
        assert_eq!(self.state, Ok(()));
    }

    pub(in super::super) fn fails(&mut self, with: &str) {
        self.until(with, |harness| {
            harness
                .state
                .as_ref()
                .is_err_and(|error| error.contains(with))
        });
    }

    pub(in super::super) fn users(&self) -> Vec<&str> {
        self.contents
            .security
            .iter()
            .map(|row| &*row.event.user)
            .collect()
    }

    /// The ids of events, each once.
    pub(in super::super) fn ids(&self) -> BTreeSet<&[u8]> {
        self.contents
            .security
            .iter()
            .map(|row| &*row.event.event_id)
            .collect()
    }

    pub(in super::super) fn count(&self, metric: SourceMetric) -> u64 {
        self.statistics.read()[metric as usize]
    }

    pub(in super::super) fn of_user(&self, user: &str) -> &SecurityRow {
        let mut rows = self.contents.security.iter();
        rows.find(|row| row.event.user == user).unwrap()
    }
}
