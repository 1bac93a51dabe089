//! The writer of one collector without Kafka: one task from the queue to the tables.
//!
//! Owns the order of things: a block is gathered, journaled, inserted into every table, entered in
//! the ledger, and only then acknowledged. Promises: an acknowledged batch is in its tables once.
//! Leaves bounds to [`super::queue`].

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::config::Config;
use super::journal::Recovery;
use super::marks::Marks;
use super::metrics::{Disposition, Metrics};
use super::patient::Patient;
use super::queue::{Arrival, Receiver};
use super::settle::Receipt;
use super::{block, journal};
use crate::clock::now_ms;
use crate::error::{Code, Error};
use crate::judge::{Entry, Verdict};
use crate::readiness::{Readiness, Stage};
use crate::storage::{JournalTable, Storage};

/// How often the journal is looked at for blocks of another collector.
const RIVAL_CHECK: Duration = Duration::from_secs(10);

/// The writer and what it holds between blocks.
#[derive(Debug)]
pub struct Writer {
    config: Config,
    patient: Patient,
    arrivals: Receiver,
    readiness: Readiness,
    metrics: Metrics,
    draining: watch::Receiver<bool>,
    /// True once nothing more comes.
    complete: watch::Receiver<bool>,
    marks: Marks,
    last_block: u64,
    /// Journal partitions before this one were dropped.
    journal_begin: u64,
    rival_checked: Instant,
}

impl Writer {
    /// A writer that has not looked at anything yet.
    #[must_use]
    pub fn new(
        config: Config,
        storage: Storage,
        arrivals: Receiver,
        readiness: Readiness,
        metrics: Metrics,
        draining: watch::Receiver<bool>,
        complete: watch::Receiver<bool>,
    ) -> Self {
        Self {
            patient: Patient::new(&config, storage, readiness.clone(), metrics.clone()),
            config,
            arrivals,
            readiness,
            metrics,
            draining,
            complete,
            marks: Marks::default(),
            last_block: 0,
            journal_begin: 0,
            rival_checked: Instant::now(),
        }
    }

    /// Recovers the journal's open end, then writes blocks until nothing more comes.
    ///
    /// # Errors
    /// When going on would not be exact: a damaged journal, or another collector on the same tables.
    pub async fn run(mut self) -> Result<(), Error> {
        self.readiness.enter(Stage::Recovering);
        self.recover().await?;
        self.readiness.enter(Stage::Serving);
        while let Some(arrivals) = self.gather().await {
            self.refuse_rival().await?;
            let agents = arrivals.iter();
            let agents = agents.map(|arrival| arrival.entry.identity.agent_id.as_str());
            self.patient.load_marks(None, &mut self.marks, agents).await;
            let (entries, receipts) = self.sort_out(arrivals);
            if !entries.is_empty() {
                let block = journal::next_block(self.last_block, now_ms());
                let journaled = journal::insert(block, &entries);
                self.patient.insert(&journaled).await;
                self.write(block, entries).await?;
            }
            for receipt in receipts {
                self.metrics
                    .batch(receipt.lane, receipt.disposition, receipt.items);
                receipt.settle();
            }
            self.marks.trim(self.config.marks_max);
            self.metrics.marks_agents(self.marks.agents());
        }
        Ok(())
    }

    /// Repeats the newest block of the journal: if it was whole already, nothing changes.
    async fn recover(&mut self) -> Result<(), Error> {
        let storage = self.patient.storage.clone();
        let newest = self
            .patient
            .until_done("reading the journal", || storage.newest_journal_block())
            .await;
        let ledger = self
            .patient
            .until_done("reading the ledger", || storage.newest_ledger_block())
            .await;
        let table = self
            .patient
            .until_done("reading the journal's table", || storage.journal_table())
            .await;
        let first_block = journal::first_block(newest.max(ledger), now_ms());
        self.last_block = first_block - 1;
        let recovery = Recovery::of(newest, ledger, table);
        if let Some(entries) = recovery.entries(newest, &self.patient).await? {
            self.write(newest, entries).await?;
            self.last_block = first_block - 1;
            self.metrics.recovered();
        }
        let known_from = match table {
            JournalTable::KnownFrom(_) => return Ok(()),
            JournalTable::Unnoted => 0,
            JournalTable::Restored => first_block,
        };
        self.patient
            .until_done("noting the journal's table", || {
                storage.note_journal_table(known_from)
            })
            .await;
        Ok(())
    }

    /// Waits for a batch, then takes what comes within the flush interval or fills a block.
    async fn gather(&mut self) -> Option<Vec<Arrival>> {
        let first = tokio::select! {
            biased;
            first = self.arrivals.recv() => first?,
            _ = self.complete.wait_for(|complete| *complete) => return None,
        };
        let deadline = Instant::now() + Duration::from_millis(self.config.flush_interval_ms);
        let (mut rows, mut bytes) = (first.entry.rows(), first.bytes());
        let mut arrivals = vec![first];
        while rows < self.config.block_max_rows && bytes < self.config.block_max_bytes {
            let next = tokio::select! {
                biased;
                next = self.arrivals.recv() => next,
                () = tokio::time::sleep_until(deadline) => None,
                _ = self.draining.wait_for(|draining| *draining) => None,
            };
            let Some(next) = next else { break };
            rows += next.entry.rows();
            bytes += next.bytes();
            arrivals.push(next);
        }
        Some(arrivals)
    }

    /// Looks now and then whether somebody else writes blocks: two writers cannot both be exact.
    async fn refuse_rival(&mut self) -> Result<(), Error> {
        if self.rival_checked.elapsed() < RIVAL_CHECK {
            return Ok(());
        }
        let storage = self.patient.storage.clone();
        let newest = self
            .patient
            .until_done("reading the journal's end", || {
                storage.newest_journal_block()
            })
            .await;
        self.rival_checked = Instant::now();
        if newest > self.last_block {
            return Err(Error::new(
                Code::Internal,
                format!(
                    "another collector writes to the same ClickHouse: it journaled block {newest}, this one's last is {}; without Kafka there can be only one, stop one of them",
                    self.last_block
                ),
            ));
        }
        Ok(())
    }

    /// Tells the fresh batches from those that are stored already.
    fn sort_out(&mut self, arrivals: Vec<Arrival>) -> (Vec<Entry>, Vec<Receipt>) {
        let mut entries = Vec::with_capacity(arrivals.len());
        let mut receipts = Vec::with_capacity(arrivals.len());
        for arrival in arrivals {
            let (entry, board, room) = arrival.into_parts();
            let fresh = self.marks.advance(&entry.identity);
            let rejected = match &entry.verdict {
                Verdict::Rejected(rejection) if fresh => Some(rejection.detail.clone()),
                _ => None,
            };
            let disposition = Disposition::of(fresh, &entry.verdict);
            receipts.push(Receipt {
                board,
                lane: entry.identity.lane,
                sequence: entry.identity.sequence,
                bytes: entry.encoded.len(),
                items: entry.items,
                disposition,
                rejected,
                room,
            });
            if fresh {
                entries.push(entry);
            }
        }
        (entries, receipts)
    }

    /// Inserts a journaled block into every table.
    async fn write(&mut self, block: u64, entries: Vec<Entry>) -> Result<(), Error> {
        let started = Instant::now();
        let build = tokio::task::spawn_blocking(move || block::build(block, &entries));
        let inserts = build.await.map_err(|error| {
            Error::new(Code::Internal, format!("building block {block}: {error}"))
        })?;
        for insert in inserts {
            self.patient.insert(&insert).await;
        }
        self.metrics.block(started.elapsed());
        self.forget_settled(block).await;
        Ok(())
    }

    /// The block is whole: journal partitions before its own are of no use any more.
    async fn forget_settled(&mut self, block: u64) {
        let partition = block / crate::storage::JOURNAL_PARTITION_BLOCKS;
        if partition > self.journal_begin {
            self.journal_begin = partition;
            let dropped = self.patient.storage.drop_journal_before(block).await;
            if let Err(error) = dropped {
                tracing::warn!(%error, "old journal partitions stay until the next one begins");
            }
        }
        self.last_block = block;
    }
}
