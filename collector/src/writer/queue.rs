//! The queue between ingest and writer: the direct log.
//!
//! Owns the bound on what waits. Promises: a batch that was reserved for is taken, in the order of
//! sending; memory in the queue and in the block under way stays below the bound, because a batch
//! gives its room back only when it is settled. Nothing is ever dropped: who finds no room waits.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::judge::Entry;
use crate::writer::settle::Board;

/// Unit of the bound, bytes.
const UNIT: usize = 1024;

/// A batch on its way to the writer.
#[derive(Debug)]
pub struct Arrival {
    /// The judged batch.
    pub entry: Entry,
    /// Where its stream learns that it is settled.
    pub board: Arc<Board>,
    /// Its room, given back when this is dropped.
    room: Room,
}

/// Room for one batch.
#[derive(Debug)]
pub struct Room {
    _permit: OwnedSemaphorePermit,
    bytes: i64,
    gauges: Gauges,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.gauges.batches.dec();
        self.gauges.bytes.dec_by(self.bytes);
    }
}

#[derive(Clone, Debug, Default)]
struct Gauges {
    batches: Gauge<i64, AtomicI64>,
    bytes: Gauge<i64, AtomicI64>,
}

/// How near the room is to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowding {
    /// Far from it.
    None,
    /// What can wait should.
    Some,
    /// Everything should.
    Severe,
}

/// Room for batches that are under way, up to a bound; clones share it.
#[derive(Clone, Debug)]
pub struct Rooms {
    room: Arc<Semaphore>,
    units: u32,
    throttle_above: i64,
    throttle_all_above: i64,
    gauges: Gauges,
}

impl Rooms {
    /// Room of `max_bytes`, in which streams are asked to pause from `throttle_percent` on.
    #[must_use]
    pub fn new(max_bytes: usize, throttle_percent: u8, registry: &mut Registry) -> Self {
        let gauges = Gauges::default();
        registry.register(
            "queue_batches",
            "Batches that were received and are not settled yet",
            gauges.batches.clone(),
        );
        registry.register(
            "queue_bytes",
            "Memory of batches that were received and are not settled yet",
            gauges.bytes.clone(),
        );
        let units = u32::try_from(max_bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let throttle_above =
            i64::try_from(max_bytes / 100).unwrap_or(i64::MAX) * i64::from(throttle_percent);
        let max_bytes = i64::try_from(max_bytes).unwrap_or(i64::MAX);
        Self {
            room: Arc::new(Semaphore::new(units as usize)),
            units,
            throttle_above,
            // Half of what is left between the first pauses and no room at all.
            throttle_all_above: throttle_above + (max_bytes - throttle_above) / 2,
            gauges,
        }
    }

    /// Waits for room for a batch of this weight. A batch heavier than all of it takes all of it.
    pub async fn reserve(&self, weight: usize) -> Option<Room> {
        let units = u32::try_from(weight.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let units = units.clamp(1, self.units);
        let permit = Arc::clone(&self.room)
            .acquire_many_owned(units)
            .await
            .ok()?;
        let bytes = i64::try_from(weight).unwrap_or(i64::MAX);
        self.gauges.batches.inc();
        self.gauges.bytes.inc_by(bytes);
        Some(Room {
            _permit: permit,
            bytes,
            gauges: self.gauges.clone(),
        })
    }

    /// Waits until nothing is under way.
    pub async fn empty(&self) {
        // An error means that the room was closed, which nobody does.
        let _ = self.room.acquire_many(self.units).await;
    }

    /// Whether agents should pause.
    #[must_use]
    pub fn crowding(&self) -> Crowding {
        match self.gauges.bytes.get() {
            bytes if bytes > self.throttle_all_above => Crowding::Severe,
            bytes if bytes > self.throttle_above => Crowding::Some,
            _ => Crowding::None,
        }
    }
}

/// The sending end; one for each stream.
#[derive(Clone, Debug)]
pub struct Sender {
    arrivals: mpsc::UnboundedSender<Arrival>,
    rooms: Rooms,
}

/// The writer's end.
pub type Receiver = mpsc::UnboundedReceiver<Arrival>;

/// A queue of at most `max_bytes`, in which streams are asked to pause from `throttle_percent` on.
#[must_use]
pub fn queue(
    max_bytes: usize,
    throttle_percent: u8,
    registry: &mut Registry,
) -> (Sender, Receiver) {
    // Unbounded in itself: the room is the bound, and every batch takes at least one unit.
    let (arrivals, receiver) = mpsc::unbounded_channel();
    let rooms = Rooms::new(max_bytes, throttle_percent, registry);
    (Sender { arrivals, rooms }, receiver)
}

impl Sender {
    /// Waits for room for a batch of this weight. A batch heavier than the whole queue takes all of it.
    ///
    /// Returns `None` when the writer is gone.
    pub async fn reserve(&self, weight: usize) -> Option<Room> {
        self.rooms.reserve(weight).await
    }

    /// Hands a batch over. Returns whether the writer is still there.
    #[must_use]
    pub fn send(&self, entry: Entry, board: Arc<Board>, room: Room) -> bool {
        let arrival = Arrival { entry, board, room };
        self.arrivals.send(arrival).is_ok()
    }

    /// Whether agents should pause.
    #[must_use]
    pub fn crowding(&self) -> Crowding {
        self.rooms.crowding()
    }
}

impl Arrival {
    /// The batch, its stream's board, and its room.
    #[must_use]
    pub fn into_parts(self) -> (Entry, Arc<Board>, Room) {
        (self.entry, self.board, self.room)
    }

    /// Memory the batch holds, bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        usize::try_from(self.room.bytes).unwrap_or_default()
    }
}
