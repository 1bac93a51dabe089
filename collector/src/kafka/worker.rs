//! The writer of one partition: from its records to its rows, each once.
//!
//! Owns how the actions of [`super::claim`] are done. Promises that a block is inserted only while
//! its plan stands in the group; that a block is a function of its records, its plan and the ledger
//! before it, so that whoever repeats it builds the same bytes; that what cannot be inserted is
//! tried again unchanged, without an end and without losing the membership; that it holds no more
//! memory than the room it shares with the other partitions, one record, and one repeated block.
//! Leaves order and gaps of records to [`super::intake`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::block::{Gathered, Prepared, Source};
use super::claim::{Action, Claim, Mark, Outcome};
use super::intake::{Intake, Refusal};
use super::lease::Lease;
use super::plan::{Plan, PlanError};
use super::writers::Shared;
use crate::clock::now_ms;
use crate::error::Error;
use crate::storage::Since;
use crate::storage::retry::Backoff;
use crate::writer::marks::Marks;

/// Age of the last commit at which a plan is announced again before the next insert: below any
/// session's time-out, so that a writer that was frozen notices what it lost before it writes.
const DOUBT_AFTER: Duration = Duration::from_secs(5);

/// Pause after a refused commit, when no rebalance follows that takes the partition away.
const CLAIM_AGAIN: Duration = Duration::from_secs(1);

/// Flush intervals for which a block grows on, while its partition is so far behind that the next
/// record is always here.
const BEHIND_FLUSHES: u32 = 8;

/// Lanes asked about in one question.
const SINCE_QUESTION: usize = 100;

/// The writer of one partition for as long as it is assigned.
pub(super) struct Worker {
    shared: Arc<Shared>,
    source: Source,
    lease: Arc<Lease>,
    lost: watch::Receiver<bool>,
    claim: Claim,
    intake: Option<Intake>,
    marks: Marks,
    prepared: Option<Prepared>,
    /// Records of the block after, read while this one is inserted.
    ahead: Ahead,
    committed_at: Instant,
    /// Pauses of the insert under way.
    backoff: Backoff,
}

/// See [`Worker::ahead`].
#[derive(Default)]
struct Ahead {
    gathered: Gathered,
    /// When the first of them was read.
    since: Option<Instant>,
    /// No more of them, for want of room or because the block is full.
    ended: bool,
}

/// Why a partition is not written.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("it is given up")]
    Lost,
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Bug(Error),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.to_string())
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, source: Source, lease: Arc<Lease>) -> Self {
        let lost = lease.lost();
        let backoff = shared.patient.backoff();
        Self {
            backoff,
            shared,
            source,
            lease,
            lost,
            claim: Claim::default(),
            intake: None,
            marks: Marks::default(),
            prepared: None,
            ahead: Ahead::default(),
            committed_at: Instant::now(),
        }
    }

    /// Writes until the partition is given up or the collector stops.
    ///
    /// # Errors
    /// When there is a bug.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let name = self.source.partition.name().to_owned();
        let ended = self.write().await;
        // What was read is read again by the next owner.
        self.intake = None;
        self.shared.forget(&name);
        match ended {
            Ok(()) => Ok(()),
            Err(Stop::Lost) => {
                self.shared.patient.give_up();
                tracing::debug!(partition = name, "given up");
                Ok(())
            }
            Err(Stop::Bug(error)) => Err(error),
            Err(Stop::Refused(why)) => {
                tracing::error!(partition = name, "this partition is not written: {why}");
                self.shared.refuse(&name, &why);
                let _ = self.lost.wait_for(|lost| *lost).await;
                self.shared.admit(&name);
                Ok(())
            }
        }
    }

    async fn write(&mut self) -> Result<(), Stop> {
        loop {
            if self.lease.is_lost() {
                return Err(Stop::Lost);
            }
            match self.claim.action() {
                Action::Read => self.read_mark().await?,
                Action::Commit(mark) => self.commit(mark).await?,
                Action::Gather(begin) => {
                    let Some(gathered) = self.gather(begin).await? else {
                        return Ok(());
                    };
                    self.announce(gathered).await?;
                }
                Action::Insert(plan) | Action::Repeat(plan) => {
                    if self.prepared.as_ref().map(Prepared::plan) == Some(plan) {
                        self.insert().await?;
                    } else if matches!(self.claim.action(), Action::Repeat(_)) {
                        self.prepare_again(plan).await?;
                    } else {
                        self.claim_anew();
                    }
                }
                Action::Stop => {
                    self.pause(CLAIM_AGAIN).await?;
                    tracing::info!(
                        partition = self.source.partition.name(),
                        "a commit was refused, but the partition is still assigned: it is claimed again"
                    );
                    self.claim_anew();
                }
            }
        }
    }

    /// Begins as a new owner would.
    fn claim_anew(&mut self) {
        self.claim = Claim::default();
        self.intake = None;
        self.marks = Marks::default();
        self.prepared = None;
        self.ahead = Ahead::default();
    }

    async fn pause(&mut self, pause: Duration) -> Result<(), Stop> {
        tokio::select! {
            () = tokio::time::sleep(pause) => Ok(()),
            _ = self.lost.wait_for(|lost| *lost) => Err(Stop::Lost),
        }
    }

    async fn read_mark(&mut self) -> Result<(), Stop> {
        let (topic, number) = (
            &self.source.partition.topic,
            self.source.partition.partition,
        );
        let mut backoff = self.shared.patient.backoff();
        let mark = loop {
            match self.shared.group.mark(topic, number).await {
                Ok(mark) => break mark,
                Err(error) => {
                    let pause = backoff.next_pause();
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "will be repeated");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = self.lost.wait_for(|lost| *lost) => return Err(Stop::Lost),
                    }
                }
            }
        };
        if mark.is_none() {
            self.prove_unused().await?;
        }
        // From here on the partition has a lag, also while its first block does not get in.
        let position = mark.as_ref().map_or(0, |mark| mark.offset);
        self.shared.reached(&self.source, position);
        self.claim
            .read(mark)
            .map_err(|error: PlanError| Stop::Refused(error.to_string()))
    }

    /// Without a committed offset a partition begins at 0, unless the ledger knows it: then its
    /// blocks would have tokens that other blocks had before.
    async fn prove_unused(&mut self) -> Result<(), Stop> {
        let name = self.source.partition.name();
        let storage = &self.shared.patient.storage;
        let ask = || storage.has_blocks_of(name);
        let what = "reading the ledger";
        let known = self.shared.patient.unless(&self.lost, what, ask).await;
        match known {
            None => Err(Stop::Lost),
            Some(false) => Ok(()),
            Some(true) => Err(Stop::Refused(format!(
                "{name}: the group has no position, and the ledger has blocks of this partition: the topic was made anew, or the group was away for longer than the brokers keep offsets (offsets.retention.minutes); set kafka.topic_prefix or kafka.group to a name that was never used, and start again: what is stored already is known by its sequences"
            ))),
        }
    }

    async fn commit(&mut self, mark: Mark) -> Result<(), Stop> {
        let partition = Arc::clone(&self.source.partition);
        let group = &self.shared.group;
        let mut backoff = self.shared.patient.backoff();
        loop {
            let (outcome, error) = group
                .commit(&self.lease, &partition.topic, partition.partition, &mark)
                .await;
            self.shared.metrics.commit(outcome);
            match (outcome, error) {
                (Outcome::Unknown, error) => {
                    let error = error.map_or_else(String::new, |error| error.to_string());
                    let pause = backoff.next_pause();
                    tracing::warn!(
                        partition = partition.name(),
                        error,
                        pause_ms = pause.as_millis(),
                        "the outcome of a commit is not known; it will be repeated"
                    );
                    self.claim.committed(outcome);
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        _ = self.lost.wait_for(|lost| *lost) => return Err(Stop::Lost),
                    }
                    continue;
                }
                (Outcome::Fenced, error) => tracing::info!(
                    partition = partition.name(),
                    error = error.map(tracing::field::display),
                    "a commit was refused: the partition is somebody else's"
                ),
                (Outcome::Done, _) => self.committed_at = Instant::now(),
            }
            self.claim.committed(outcome);
            break;
        }
        if let Action::Gather(position) = self.claim.action() {
            self.shared.reached(&self.source, position);
            if let Some(prepared) = self.prepared.take() {
                prepared.settle(&self.shared.counts);
            }
        }
        Ok(())
    }

    /// Records from `begin` on, or `None` when the collector stops.
    async fn gather(&mut self, begin: i64) -> Result<Option<Gathered>, Stop> {
        let intake = match &mut self.intake {
            Some(intake) => intake,
            closed => closed.insert(self.shared.open(&self.source, begin)),
        };
        let mut draining = self.shared.draining.clone();
        let flush = Duration::from_millis(self.shared.config.flush_interval_ms);
        let ahead = std::mem::take(&mut self.ahead);
        let mut gathered = ahead.gathered;
        let deadline = if let Some(since) = ahead.since {
            since + flush
        } else {
            let first = tokio::select! {
                biased;
                _ = self.lost.wait_for(|lost| *lost) => return Err(Stop::Lost),
                _ = draining.wait_for(|draining| *draining) => return Ok(None),
                first = intake.next() => first?,
            };
            let deadline = Instant::now() + flush;
            let permit = self.shared.room_until(first.bytes, deadline).await;
            gathered.push(first, permit);
            deadline
        };
        // What is here already is late: it goes into one large block rather than many small ones.
        let behind = deadline + flush * BEHIND_FLUSHES;
        while !self.shared.is_full(&gathered) && Instant::now() < behind {
            let next = tokio::select! {
                biased;
                _ = self.lost.wait_for(|lost| *lost) => return Err(Stop::Lost),
                _ = draining.wait_for(|draining| *draining) => return Ok(None),
                next = intake.next() => next?,
                () = tokio::time::sleep_until(deadline) => break,
            };
            // Others make room as they store: better waited for than a block of a few records.
            let permit = tokio::select! {
                biased;
                _ = self.lost.wait_for(|lost| *lost) => return Err(Stop::Lost),
                _ = draining.wait_for(|draining| *draining) => return Ok(None),
                permit = self.shared.room_until(next.bytes, deadline) => permit,
            };
            let Some(permit) = permit else {
                // What is here makes room once it is stored.
                intake.put_back(next);
                break;
            };
            gathered.push(next, Some(permit));
        }
        Ok(Some(gathered))
    }

    /// Builds the block before its plan is announced: the marks are those of the ledger before it.
    async fn announce(&mut self, gathered: Gathered) -> Result<(), Stop> {
        let agents = gathered.agents();
        let patient = &self.shared.patient;
        if !patient
            .load_marks(Some(&self.lost), &mut self.marks, agents)
            .await
        {
            return Err(Stop::Lost);
        }
        let Some(plan) = self.claim.gathered(gathered.end(), now_ms()) else {
            self.claim_anew();
            return Ok(());
        };
        let prepared = gathered.prepare(&self.source, plan, false, &mut self.marks);
        self.prepared = Some(prepared.await.map_err(Stop::Bug)?);
        self.marks.trim(self.shared.marks_max);
        Ok(())
    }

    /// Reads the block of a plan that an owner before announced, and builds it as it was.
    async fn prepare_again(&mut self, plan: Plan) -> Result<(), Stop> {
        // Such a block is as large as it was, whatever room is left: one at a time.
        let turn = Arc::clone(&self.shared.repeating).acquire_owned();
        let turn: Option<OwnedSemaphorePermit> = tokio::select! {
            turn = turn => turn.ok(),
            _ = self.lost.wait_for(|lost| *lost) => return Err(Stop::Lost),
        };
        tracing::info!(
            partition = self.source.partition.name(),
            from_offset = plan.begin,
            to_offset = plan.end,
            "repeating the block that the owner before announced"
        );
        self.ahead = Ahead::default();
        let intake = self
            .intake
            .insert(self.shared.open(&self.source, plan.begin));
        let mut gathered = Gathered::default();
        while intake.position() < plan.end {
            let item = tokio::select! {
                biased;
                _ = self.lost.wait_for(|lost| *lost) => return Err(Stop::Lost),
                item = intake.next() => item?,
            };
            if item.offset >= plan.end {
                intake.put_back(item);
                break;
            }
            gathered.push(item, None);
        }
        let missing = plan.offsets() - i64::try_from(gathered.len()).unwrap_or(i64::MAX);
        if missing > 0 {
            tracing::error!(
                partition = self.source.partition.name(),
                from_offset = plan.begin,
                to_offset = plan.end,
                missing,
                "records of an announced block are gone; what is left of it is inserted in its place"
            );
        }
        let mut marks = self.marks_before(plan, &gathered).await?;
        let prepared = gathered.prepare(&self.source, plan, true, &mut marks);
        let mut prepared = prepared.await.map_err(Stop::Bug)?;
        prepared.hold(turn);
        self.prepared = Some(prepared);
        self.shared.metrics.repeated();
        Ok(())
    }

    async fn marks_before(&mut self, plan: Plan, gathered: &Gathered) -> Result<Marks, Stop> {
        let lanes: Vec<Since> = gathered.lanes();
        let block = plan.begin.unsigned_abs();
        let name = self.source.partition.name();
        let patient = &self.shared.patient;
        let mut marks = Marks::default();
        let agents: Vec<&str> = gathered.agents().collect();
        marks.load(&agents, Vec::new());
        for asked in lanes.chunks(SINCE_QUESTION) {
            let ask = || patient.storage.high_water_before(name, block, asked);
            let what = "reading marks before a block";
            match patient.unless(&self.lost, what, ask).await {
                Some(answer) => marks.load(&[], answer),
                None => return Err(Stop::Lost),
            }
        }
        Ok(marks)
    }

    /// Inserts what is left of the block, or stops to prove that it is still ours.
    async fn insert(&mut self) -> Result<(), Stop> {
        let Some(prepared) = &mut self.prepared else {
            return Ok(());
        };
        let patient = &self.shared.patient;
        while let Some(insert) = prepared.next_insert() {
            if self.lease.is_lost() {
                return Err(Stop::Lost);
            }
            if self.committed_at.elapsed() > DOUBT_AFTER {
                self.claim.doubt();
                return Ok(());
            }
            let table = insert.table;
            let ahead = (&mut self.ahead, &mut self.intake);
            let outcome = beside(patient.storage.insert(insert), &self.shared, ahead).await;
            let done = tokio::select! {
                done = patient.attempt(table, &mut self.backoff, outcome) => done,
                _ = self.lost.wait_for(|lost| *lost) => return Err(Stop::Lost),
            };
            if done.is_some() {
                prepared.inserted();
                self.backoff = patient.backoff();
            }
        }
        self.shared.heads.publish(prepared.heads());
        self.claim.inserted();
        Ok(())
    }
}

/// Does the insert, and reads on meanwhile: what comes next is decoded when the insert is done.
async fn beside<T>(
    insert: impl Future<Output = T>,
    shared: &Shared,
    (ahead, intake): (&mut Ahead, &mut Option<Intake>),
) -> T {
    let mut insert = std::pin::pin!(insert);
    loop {
        let full = shared.is_full(&ahead.gathered);
        let Some(intake) = intake.as_mut().filter(|_| !full && !ahead.ended) else {
            return insert.await;
        };
        let next = tokio::select! {
            biased;
            outcome = &mut insert => return outcome,
            next = intake.next() => next,
        };
        match next.map(|next| (shared.room_ahead(next.bytes), next)) {
            Ok((Some(permit), next)) => {
                ahead.since.get_or_insert_with(Instant::now);
                ahead.gathered.push(next, Some(permit));
            }
            Ok((None, next)) => {
                intake.put_back(next);
                ahead.ended = true;
            }
            // It is refused again when it is gathered: this block is finished first.
            Err(_) => ahead.ended = true,
        }
        // There may be many records, and others have to get on too: the connection, for one.
        tokio::task::consume_budget().await;
    }
}
