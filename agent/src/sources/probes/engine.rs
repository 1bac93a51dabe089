//! The thread on which targets are probed.
//!
//! Owns one thread with a runtime of its own, which begins with the first look for results and only
//! where targets are configured. Every target has its own time: the first run falls anywhere within
//! an interval (a minute at most), so a fleet that starts together does not ask together. Promises:
//! at most [`CONCURRENT_MAX`] at a time; a run ends at its deadline, whatever the target does, and
//! holds up no other; results wait in a bounded queue, and what does not fit is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use crmscope_proto::catalog::ProbeReason;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::config::CONCURRENT_MAX;
use super::helpers::Helper;
use super::outcome::{Failure, Figures, Values};
use super::target::Check;
use super::tls::{self, SystemTrust, Trust};
use super::{http, network};
use crate::runtime::worker::STRETCHED_MAX;
use crate::sources::Moment;

/// Results that may wait to be fetched.
const RESULTS_MAX: usize = 1024;

/// How long the trusted certificates' disk may take.
const TRUST_DEADLINE: Duration = Duration::from_secs(10);

/// The first run comes within this, however long the interval is.
const FIRST_MAX: Duration = Duration::from_secs(60);

/// What came of a run.
#[derive(Debug)]
pub(super) struct Report {
    /// Position of the target.
    pub(super) target: usize,
    /// When the run began.
    pub(super) moment: Moment,
    /// A row; or why the agent could not ask.
    pub(super) values: Result<Values, String>,
}

#[derive(Debug)]
struct Shared {
    interval: Duration,
    deadline: Duration,
    /// Every how manieth run is done.
    stretch: AtomicU32,
    dropped: AtomicU64,
}

/// The running thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Engine {
    results: Receiver<Report>,
    shared: Arc<Shared>,
    /// Dropped at the end, which the thread notices.
    _stop: oneshot::Sender<()>,
}

impl Engine {
    /// Starts it.
    ///
    /// # Errors
    /// When the system has no more threads.
    pub(super) fn start(
        checks: Vec<Check>,
        interval: Duration,
        deadline: Duration,
    ) -> std::io::Result<Self> {
        let (sender, results) = sync_channel(RESULTS_MAX);
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = Arc::new(Shared {
            interval,
            deadline,
            stretch: AtomicU32::new(1),
            dropped: AtomicU64::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("probes".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = run_all(checks, of_thread, sender) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            results,
            shared,
            _stop: stop,
        })
    }

    /// The next result; `Disconnected` when the thread has ended, which it should not.
    pub(super) fn result(&self) -> Result<Report, TryRecvError> {
        self.results.try_recv()
    }

    /// Results that did not fit since the last call.
    pub(super) fn take_dropped(&self) -> u64 {
        self.shared.dropped.swap(0, Ordering::Relaxed)
    }

    /// From now on only every so manieth run is done.
    pub(super) fn stretch(&self, times: u32) {
        self.shared.stretch.store(times, Ordering::Relaxed);
    }
}

/// Returns when a target's task has ended, which is a bug: the source says so and begins anew.
async fn run_all(checks: Vec<Check>, shared: Arc<Shared>, results: SyncSender<Report>) {
    let helper = Helper::new();
    let system = SystemTrust::default();
    let slots = Arc::new(Semaphore::new(CONCURRENT_MAX));
    let mut tasks = JoinSet::new();
    for (target, check) in checks.into_iter().enumerate() {
        let prober = Prober {
            target,
            check,
            trust: None,
            helper: helper.another(),
            system: Arc::clone(&system),
        };
        let slots = Arc::clone(&slots);
        let (shared, results) = (Arc::clone(&shared), results.clone());
        tasks.spawn(prober.run_for_ever(slots, shared, results));
    }
    drop(results);
    tasks.join_next().await;
}

struct Prober {
    target: usize,
    check: Check,
    /// Of https, once it is known whom to trust.
    trust: Option<Trust>,
    helper: Helper,
    system: SystemTrust,
}

impl Prober {
    async fn run_for_ever(
        mut self,
        slots: Arc<Semaphore>,
        shared: Arc<Shared>,
        results: SyncSender<Report>,
    ) {
        let first = shared.interval.min(FIRST_MAX);
        let first_ms = u64::try_from(first.as_millis()).unwrap_or(u64::MAX);
        let mut due = Instant::now() + Duration::from_millis(fastrand::u64(0..=first_ms));
        loop {
            sleep_until(due).await;
            let Ok(slot) = slots.acquire().await else {
                return;
            };
            let moment = Moment::now();
            let values = self.run(shared.deadline).await;
            drop(slot);
            let report = Report {
                target: self.target,
                moment,
                values,
            };
            if results.try_send(report).is_err() {
                shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
            let stretched = shared.interval * shared.stretch.load(Ordering::Relaxed);
            let interval = stretched.min(shared.interval.max(STRETCHED_MAX));
            due += interval;
            // Missed runs are skipped, not made up for.
            if due <= Instant::now() {
                due = Instant::now() + interval;
            }
        }
    }

    /// One run; the error is what keeps the agent from asking.
    async fn run(&mut self, deadline: Duration) -> Result<Values, String> {
        self.prepare().await?;
        let mut figures = Figures::default();
        let started = Instant::now();
        let until = started + deadline;
        let outcome = timeout_at(until, self.ask(&mut figures, until)).await;
        let reason = match outcome {
            Ok(Ok(())) => ProbeReason::None,
            Ok(Err(Failure::Target(reason))) => reason,
            Ok(Err(Failure::Agent(error))) => return Err(error),
            Err(_) => ProbeReason::TimedOut,
        };
        if reason == ProbeReason::CertificateNotTrusted {
            // The file may have been renewed with the certificate.
            self.trust = self.trust.take().filter(Trust::is_of_system);
        }
        Ok(figures.finish(reason, started.elapsed()))
    }

    /// Reads whom to trust, which is no part of the target's time.
    async fn prepare(&mut self) -> Result<(), String> {
        let Check::Http(check) = &self.check else {
            return Ok(());
        };
        if check.tls_name.is_none() || self.trust.is_some() {
            return Ok(());
        }
        let file = check.server_ca_file.as_deref();
        let trust = tls::trust(file, &self.system, &self.helper);
        match timeout_at(Instant::now() + TRUST_DEADLINE, trust).await {
            Ok(Ok(trust)) => self.trust = Some(trust),
            Ok(Err(Failure::Agent(error))) => return Err(error),
            Ok(Err(Failure::Target(_))) | Err(_) => {
                return Err(
                    "trusted certificates cannot be read: their disk did not answer".to_owned(),
                );
            }
        }
        Ok(())
    }

    async fn ask(&self, figures: &mut Figures, until: Instant) -> Result<(), Failure> {
        match &self.check {
            Check::Http(check) => {
                http::run(check, self.trust.as_ref(), &self.helper, figures, until).await
            }
            Check::Tcp(place) => {
                network::connect(place, &self.helper, figures, until).await?;
                Ok(())
            }
            Check::Dns(check) => network::dns(check, &self.helper, figures, until).await,
        }
    }
}
