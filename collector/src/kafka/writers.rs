//! The writers of this process: one for each partition that the group assigns to it.
//!
//! Owns membership, reader, the room that all partitions share, and what the collector says of
//! them: lag, refusals, readiness. Promises that a partition has one writer here at a time, and
//! that a bug in one ends the process instead of leaving its partition unwritten in silence.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use crmscope_proto::{Id, Lane};
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::block::{Counts, Gathered, Source};
use super::config::Config;
use super::group::{Group, News};
use super::heads::{self, Publisher};
use super::intake::Intake;
use super::lease::Lease;
use super::metrics::Metrics;
use super::positions::{self, Position};
use super::reader::Reader;
use super::worker::Worker;
use crate::error::Error;
use crate::readiness::{LogUser, Readiness, Stage};
use crate::storage::Storage;
use crate::writer::block::LogPartition;
use crate::writer::journal::Recovery;
use crate::writer::patient::Patient;
use crate::writer::{self, block};

/// Unit of the room, bytes.
const UNIT: usize = 1024;

/// How often lag and obstacles are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The writers.
#[derive(Debug)]
pub struct Writers {
    config: writer::Config,
    kafka: Config,
    patient: Patient,
    readiness: Readiness,
    counts: Counts,
    heads: heads::Metrics,
    draining: watch::Receiver<bool>,
}

/// What the writers of all partitions share.
pub(super) struct Shared {
    pub(super) config: writer::Config,
    pub(super) patient: Patient,
    pub(super) group: Arc<Group>,
    pub(super) metrics: Metrics,
    pub(super) counts: Counts,
    /// Where heads of chains are published.
    pub(super) heads: Publisher,
    pub(super) draining: watch::Receiver<bool>,
    /// Marks that each partition may keep.
    pub(super) marks_max: usize,
    /// One repeated block at a time.
    pub(super) repeating: Arc<Semaphore>,
    reader: Arc<Reader>,
    room: Arc<Semaphore>,
    room_units: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    reached: BTreeMap<String, (Source, i64)>,
    refused: BTreeMap<String, String>,
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn open(&self, source: &Source, position: i64) -> Intake {
        Intake::open(
            Arc::clone(&source.partition),
            source.lane,
            Arc::clone(&self.group),
            Arc::clone(&self.reader),
            self.metrics.clone(),
            position,
        )
    }

    /// Whether a block takes no more records.
    pub(super) const fn is_full(&self, gathered: &Gathered) -> bool {
        gathered.rows() >= self.config.block_max_rows
            || gathered.bytes() >= self.config.block_max_bytes
    }

    fn units(&self, bytes: usize) -> u32 {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        units.clamp(1, self.room_units)
    }

    /// Room for one record more, when there is any.
    fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.room);
        room.try_acquire_many_owned(self.units(bytes)).ok()
    }

    /// Room for a record of a block after the next: half of all is left to blocks that are next.
    pub(super) fn room_ahead(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let free = self.room.available_permits();
        (free > self.room_units as usize / 2).then(|| self.room(bytes))?
    }

    /// Room for one record more. When others hold all of it until the deadline, there is none, and a
    /// partition's first record is taken without: none must ever wait for another to be stored.
    pub(super) async fn room_until(
        &self,
        bytes: usize,
        deadline: Instant,
    ) -> Option<OwnedSemaphorePermit> {
        let room = Arc::clone(&self.room).acquire_many_owned(self.units(bytes));
        tokio::time::timeout_at(deadline, room).await.ok()?.ok()
    }

    /// Notes that everything before this offset is in the tables.
    pub(super) fn reached(&self, source: &Source, position: i64) {
        let name = source.partition.name().to_owned();
        self.with(|state| state.reached.insert(name, (source.clone(), position)));
    }

    /// Notes that a partition is not this process's any more.
    pub(super) fn forget(&self, partition: &str) {
        self.with(|state| state.reached.remove(partition));
    }

    pub(super) fn refuse(&self, partition: &str, why: &str) {
        self.metrics.refused();
        self.with(|state| state.refused.insert(partition.to_owned(), why.to_owned()));
    }

    pub(super) fn admit(&self, partition: &str) {
        self.with(|state| state.refused.remove(partition));
    }

    /// Measures how far the writers are, for the metric of each lane.
    async fn measure(&self) -> Vec<Position> {
        let held = self.with(|state| state.reached.values().cloned().collect::<Vec<_>>());
        let mut positions = Vec::with_capacity(held.len());
        for (source, position) in held {
            let partition = &source.partition;
            let bounds = self.group.bounds(&partition.topic, partition.partition);
            if let Ok((_, end)) = bounds.await {
                positions.push(Position::new(&source, position, end));
            }
        }
        for lane in Lane::BY_URGENCY {
            let of_lane = positions.iter().filter(|of| of.lane == lane);
            let lag = of_lane.fold(0, |lag: i64, of| lag.saturating_add(of.lag()));
            self.metrics.lag(lane, lag);
        }
        positions
    }

    /// Measures again and again, and now and then tells pages of it; until it is aborted.
    async fn keep_measuring(&self) {
        let collector_id = Id(fastrand::u128(..).to_be_bytes());
        let mut told: Option<Instant> = None;
        loop {
            tokio::time::sleep(LOOK).await;
            let positions = self.measure().await;
            if told.is_none_or(|told| told.elapsed() >= positions::EVERY) {
                told = (!positions.is_empty()).then(Instant::now);
                positions::store(&self.patient.storage, collector_id, &positions).await;
            }
        }
    }

    /// Why the log is not being written to the tables, if anything is in the way.
    fn obstacle(&self) -> Option<String> {
        let refused = self.with(|state| state.refused.values().next().cloned());
        refused.or_else(|| self.group.last_error())
    }
}

impl Writers {
    /// Writers that have not done anything yet.
    #[must_use]
    pub fn new(
        config: writer::Config,
        kafka: Config,
        storage: Storage,
        readiness: Readiness,
        registry: &mut Registry,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let counts = Counts {
            writer: writer::metrics::Metrics::register(registry),
            log: Metrics::register(registry),
        };
        Self {
            patient: Patient::new(&config, storage, readiness.clone(), counts.writer.clone()),
            config,
            kafka,
            readiness,
            counts,
            heads: heads::Metrics::register(registry),
            draining,
        }
    }

    /// Writes what is assigned until the collector drains.
    ///
    /// # Errors
    /// When going on would not be exact, or the settings cannot be used.
    pub async fn run(self) -> anyhow::Result<()> {
        self.readiness.enter(Stage::Recovering);
        let mut draining = self.draining.clone();
        tokio::select! {
            settled = settle_journal(&self.patient) => settled?,
            _ = draining.wait_for(|draining| *draining) => return Ok(()),
        }
        let partitions = &self.kafka.partitions;
        let all: i32 = Lane::BY_URGENCY
            .map(|lane| partitions.of(lane))
            .iter()
            .sum();
        let all = usize::try_from(all).unwrap_or(1).max(1);
        let feed_max_bytes = (self.config.read_max_bytes / 4 / all).clamp(256 << 10, 4 << 20);
        let (group, news) = Group::join(&self.kafka).context("kafka: joining the group")?;
        let reader = Reader::start(&self.kafka, feed_max_bytes).context("kafka: the reader")?;
        let units = self.config.read_max_bytes / UNIT;
        let room_units = u32::try_from(units).unwrap_or(u32::MAX).min(1 << 30);
        let shared = Arc::new(Shared {
            patient: self.patient,
            group: Arc::new(group),
            reader: Arc::new(reader),
            metrics: self.counts.log.clone(),
            counts: self.counts,
            heads: Publisher::new(&self.kafka, self.heads)?,
            draining,
            marks_max: (self.config.marks_max / all).max(1000),
            repeating: Arc::new(Semaphore::new(1)),
            room: Arc::new(Semaphore::new(room_units as usize)),
            room_units,
            state: Mutex::default(),
            config: self.config,
        });
        self.readiness.enter(Stage::Serving);
        let ended = serve(&shared, news, &self.kafka, &self.readiness).await;
        let group = Arc::clone(&shared.group);
        let left = tokio::task::spawn_blocking(move || {
            shared.heads.flush();
            group.leave();
        })
        .await;
        ended.and_then(|()| left.context("leaving the group"))
    }
}

async fn serve(
    shared: &Arc<Shared>,
    mut news: mpsc::UnboundedReceiver<News>,
    kafka: &Config,
    readiness: &Readiness,
) -> anyhow::Result<()> {
    let mut writing: HashMap<(String, i32), JoinHandle<()>> = HashMap::new();
    let (broken, mut alarms) = mpsc::unbounded_channel();
    let mut draining = shared.draining.clone();
    let mut look = tokio::time::interval(LOOK);
    let measuring = tokio::spawn({
        let shared = Arc::clone(shared);
        async move { shared.keep_measuring().await }
    });
    let ended = loop {
        tokio::select! {
            _ = draining.wait_for(|draining| *draining) => break Ok(()),
            Some(alarm) = alarms.recv() => break Err(alarm),
            told = news.recv() => match told {
                Some(News::Assigned(partitions)) => {
                    count(shared, kafka, &partitions);
                    for (topic, partition, lease) in partitions {
                        let Some(lane) = kafka.lane_of(&topic) else { continue };
                        let source = Source {
                            partition: Arc::new(LogPartition::new(&topic, partition, &kafka.group)),
                            lane,
                        };
                        let worker = Worker::new(Arc::clone(shared), source, lease);
                        let before = writing.remove(&(topic.clone(), partition));
                        let alarm = Alarm(Some(broken.clone()), format!("{topic}/{partition}"));
                        let task = tokio::spawn(follow(before, worker, alarm));
                        writing.insert((topic, partition), task);
                    }
                }
                Some(News::Fatal(text)) => break Err(anyhow::anyhow!(text)),
                None => break Err(anyhow::anyhow!("kafka: the membership ended; start the collector again")),
            },
            _ = look.tick() => match shared.obstacle() {
                Some(obstacle) => readiness.log_fails(LogUser::Consumer, &obstacle),
                None => readiness.log_works(LogUser::Consumer),
            },
        }
    };
    measuring.abort();
    if ended.is_ok() {
        for (_, task) in writing {
            let _ = task.await;
        }
    }
    ended
}

fn count(shared: &Shared, kafka: &Config, partitions: &[(String, i32, Arc<Lease>)]) {
    for lane in Lane::BY_URGENCY {
        let of_lane = partitions.iter();
        let of_lane = of_lane.filter(|(topic, ..)| kafka.lane_of(topic) == Some(lane));
        shared.metrics.partitions(lane, of_lane.count());
    }
}

/// Writes a partition once the writer it had here before is done.
async fn follow(before: Option<JoinHandle<()>>, worker: Worker, mut alarm: Alarm) {
    if let Some(before) = before {
        let _ = before.await;
    }
    match worker.run().await {
        Ok(()) => alarm.0 = None,
        Err(error) => alarm.ring(&error),
    }
}

/// Tells of a writer that ends otherwise than it should, by a panic too.
struct Alarm(Option<mpsc::UnboundedSender<anyhow::Error>>, String);

impl Alarm {
    fn ring(&mut self, error: &Error) {
        if let Some(broken) = self.0.take() {
            let _ = broken.send(anyhow::anyhow!("the writer of {}: {error}", self.1));
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(broken) = self.0.take() {
            let _ = broken.send(anyhow::anyhow!("the writer of {} panicked", self.1));
        }
    }
}

/// Finishes the open block of a collector that ran without Kafka before, once: then the journal is
/// empty, and stays so.
async fn settle_journal(patient: &Patient) -> Result<(), Error> {
    let storage = &patient.storage;
    let newest = patient
        .until_done("reading the journal", || storage.newest_journal_block())
        .await;
    if newest == 0 {
        return Ok(());
    }
    let ledger = patient
        .until_done("reading the ledger", || storage.newest_ledger_block())
        .await;
    let table = patient
        .until_done("reading the journal's table", || storage.journal_table())
        .await;
    let recovery = Recovery::of(newest, ledger, table);
    if let Some(entries) = recovery.entries(newest, patient).await? {
        for insert in block::build(newest, &entries) {
            patient.insert(&insert).await;
        }
    }
    patient
        .until_done("dropping the journal", || {
            storage.drop_journal_before(u64::MAX)
        })
        .await;
    Ok(())
}
