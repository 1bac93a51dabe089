//! The thread on which services and databases are polled.
//!
//! Owns one thread with a runtime of its own, which begins with the first look for results and only
//! where something is configured. Pollers take turns on it without waiting for each other. What one
//! read is handed over as a whole, with its position behind it ([`Chunk`]), through a bounded queue:
//! a poller waits where nobody takes. Ends when the engine is dropped.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

use super::reader::Polled;
use crate::sources::line_counts::LineCounts;

/// Chunks that may wait to be taken.
const CHUNKS_MAX: usize = 4;

/// Longest time between tries of what fails, or the interval where that is longer.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// What a poller read.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) events: Vec<Polled>,
    pub(super) counts: LineCounts,
    /// Where it stands behind these events.
    pub(super) position: Option<String>,
}

/// What a poller tells.
#[derive(Debug)]
pub(super) enum Report {
    Read(Chunk),
    /// How a poll ended.
    Ended(Result<(), String>),
}

/// Why a poll ended early.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PollError {
    pub(super) message: String,
    /// The server asked not to come again before.
    pub(super) retry_after: Option<Duration>,
}

impl From<String> for PollError {
    fn from(message: String) -> Self {
        Self {
            message,
            retry_after: None,
        }
    }
}

/// One service or database that is asked again and again.
pub(super) trait Poller: 'static {
    /// Settings of one.
    type Config: Clone + Send + 'static;

    /// Bytes of the positions of all pollers of this kind, as they are stored.
    const POSITIONS_MAX_BYTES: usize;

    /// A poller for a validated config, that goes on from `position` where there is one. It is one of
    /// `sharers`, whose positions together are bounded.
    fn new(config: &Self::Config, position: Option<&str>, sharers: usize) -> Self;

    /// What it is called: in errors, and for its position.
    fn name(config: &Self::Config) -> &str;

    /// Service of events that do not name their own.
    fn service(config: &Self::Config) -> &str;

    /// Time between polls.
    fn interval(config: &Self::Config) -> Duration;

    /// Asks for what is new. What was handed over before an error stays.
    async fn poll(&mut self, hand: &Hand) -> Result<(), PollError>;
}

/// A poller's way to the source.
#[derive(Debug)]
pub(super) struct Hand {
    poller: usize,
    sender: mpsc::Sender<(usize, Report)>,
}

impl Hand {
    /// Waits until there is room. Fails when nobody will take any more: then the thread ends soon.
    async fn give(&self, chunk: Chunk) -> Result<(), PollError> {
        let sent = self.sender.send((self.poller, Report::Read(chunk))).await;
        sent.map_err(|_| PollError::from("the agent stops".to_owned()))
    }
}

/// What a poller handed over last: a position that did not change is not handed over again.
#[derive(Debug, Default)]
pub(super) struct Handed(String);

impl Handed {
    /// Where a poller goes on that was restored.
    pub(super) fn restored(&mut self, position: &str) {
        position.clone_into(&mut self.0);
    }

    /// Hands over events with the position behind them, if there is anything new.
    pub(super) async fn give(
        &mut self,
        hand: &Hand,
        chunk: Chunk,
        position: String,
    ) -> Result<(), PollError> {
        if chunk.events.is_empty() && position == self.0 && !chunk.counts.any() {
            return Ok(());
        }
        let given = Chunk {
            position: Some(position.clone()),
            ..chunk
        };
        hand.give(given).await?;
        self.0 = position;
        Ok(())
    }
}

/// The running thread.
#[derive(Debug)]
pub(super) struct Engine {
    reports: mpsc::Receiver<(usize, Report)>,
    /// Dropped at the end, which the thread notices.
    _stop: oneshot::Sender<()>,
}

impl Engine {
    /// Starts it, with a config and a position for each poller.
    pub(super) fn start<P: Poller>(
        name: &str,
        pollers: Vec<(P::Config, Option<String>)>,
    ) -> std::io::Result<Self> {
        let (sender, reports) = mpsc::channel(CHUNKS_MAX);
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // Resolvers, whose threads end after a while.
            .max_blocking_threads(4)
            .build()?;
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let local = LocalSet::new();
                let mut tasks = JoinSet::new();
                let sharers = pollers.len();
                for (poller, (config, position)) in pollers.into_iter().enumerate() {
                    let sender = sender.clone();
                    let hand = Hand { poller, sender };
                    let poller = P::new(&config, position.as_deref(), sharers);
                    tasks.spawn_local_on(run(poller, config, hand), &local);
                }
                drop(sender);
                local.block_on(&runtime, async {
                    tokio::select! {
                        _ = stopped => {}
                        // One that panicked: all begin anew, from what was taken.
                        _ = tasks.join_next() => {}
                    }
                });
                drop((tasks, local));
                // A resolver that hangs is left behind.
                runtime.shutdown_background();
            })?;
        Ok(Self {
            reports,
            _stop: stop,
        })
    }

    /// The next report; `Disconnected` when a poller has ended, which it should not.
    pub(super) fn report(&mut self) -> Result<(usize, Report), mpsc::error::TryRecvError> {
        self.reports.try_recv()
    }
}

async fn run<P: Poller>(mut poller: P, config: P::Config, hand: Hand) {
    let interval = P::interval(&config);
    let mut failures = 0_u32;
    loop {
        let started = Instant::now();
        let outcome = poller.poll(&hand).await;
        let next = match &outcome {
            Ok(()) => {
                failures = 0;
                started + interval
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let longer = interval.saturating_mul(1 << failures.min(8)) / 2;
                let longer = longer.min(BACKOFF_MAX.max(interval));
                let pause = error.retry_after.map_or(longer, |asked| asked.max(longer));
                // What fails slowly would be asked again at once.
                Instant::now() + pause
            }
        };
        let ended = Report::Ended(outcome.map_err(|error| error.message));
        if hand.sender.send((hand.poller, ended)).await.is_err() {
            return;
        }
        sleep_until(next).await;
    }
}
