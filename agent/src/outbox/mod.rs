//! The outbox: from rows to durable batches, shared by every thread that makes or sends them.
//!
//! Owns the lock around the spool and the signal that something new can be sent. Promises that
//! [`Outbox::append`] returns only after the spool took the batch: a security batch is durable then,
//! any other before it is sent. While the disk takes no heartbeats, they go aside: into a spool in
//! memory with an id of its own, so that no number waits for the disk and none is given out twice.
//! Leaves the disk format to [`crate::spool`] and sending to [`crate::uplink`].

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crmscope_proto::payload::Contents;
use crmscope_proto::v1::{DropRange, Heartbeat, LaneState, SpoolState};
use crmscope_proto::{Id, Lane};
use tokio::sync::Notify;

use crate::spool::{self, Opening, Origin, Record, Sealed, Spool, SpoolError};

/// See the module.
#[derive(Debug)]
pub struct Outbox {
    origin: Origin,
    place: Mutex<Place>,
    appended: Notify,
    /// For heartbeats while the disk takes none; it has none itself.
    aside: Option<Arc<Self>>,
}

/// Where batches are kept.
#[derive(Debug)]
enum Place {
    Open(Box<Spool>),
    /// Not yet: what is there cannot be read.
    Closed(Box<Opening>),
}

impl Outbox {
    /// Opens the spool, and records what of it was lost.
    ///
    /// # Errors
    /// When the spool cannot be used.
    pub fn open(path: &Path, config: spool::Config, origin: Origin) -> Result<Self, SpoolError> {
        let (spool, lost) = Spool::open(path, config)?;
        Ok(Self::new(spool, lost, origin))
    }

    /// An outbox over an open spool, of which `lost` is to be recorded.
    #[must_use]
    pub fn new(mut spool: Spool, lost: Vec<DropRange>, origin: Origin) -> Self {
        record(&mut spool, lost, &origin);
        Self::over(Place::Open(Box::new(spool)), origin)
    }

    /// An outbox over a spool that cannot be opened yet; [`Outbox::sync_due`] tries again.
    #[must_use]
    pub fn closed(opening: Opening, origin: Origin) -> Self {
        Self::over(Place::Closed(Box::new(opening)), origin)
    }

    fn over(place: Place, origin: Origin) -> Self {
        Self {
            origin,
            place: Mutex::new(place),
            appended: Notify::new(),
            aside: None,
        }
    }

    /// The same with a spool in memory beside it, for heartbeats that the disk does not take.
    ///
    /// # Errors
    /// Never for want of a disk; see [`Spool::in_memory`].
    pub fn with_aside(self) -> Result<Self, SpoolError> {
        let aside = Self::new(Spool::in_memory()?, Vec::new(), self.origin.clone());
        Ok(Self {
            aside: Some(Arc::new(aside)),
            ..self
        })
    }

    /// What holds heartbeats while the disk takes none, to be sent on a stream of its own.
    #[must_use]
    pub const fn aside(&self) -> Option<&Arc<Self>> {
        self.aside.as_ref()
    }

    /// Who makes the batches.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Identifier of the spool's numbering; `None` while it is not open.
    #[must_use]
    pub fn spool_id(&self) -> Option<Id> {
        self.look(Spool::spool_id)
    }

    /// Spools contents and wakes the uplink. Of empty contents only the position is kept.
    ///
    /// # Errors
    /// When the disk refuses; nothing was stored then, so keep the contents and try again.
    pub fn append(
        &self,
        lane: Lane,
        contents: &Contents,
        checkpoint: Option<Vec<u8>>,
    ) -> Result<(), SpoolError> {
        if contents.items() == 0 {
            return match checkpoint {
                Some(checkpoint) => self.with(|spool| spool.keep_checkpoint(lane, checkpoint)),
                None => Ok(()),
            };
        }
        // While it is closed nothing is sealed in vain.
        self.with(|_| Ok(()))?;
        let now_ms = crate::clock::wall_ms();
        // Outside of the lock: nobody waits for another's rows to be compressed.
        let sealed = Sealed::new(&self.origin, lane, contents, now_ms);
        self.with(|spool| spool.append_sealed(&self.origin, &sealed, checkpoint))?;
        self.appended.notify_one();
        Ok(())
    }

    /// Spools a heartbeat with the accounting of the lanes it is numbered with, or puts it aside
    /// while the disk is known to take none.
    ///
    /// # Errors
    /// When the disk refuses for the first time. Whether the heartbeat is on it nobody knows then,
    /// so it must not be given again; the next one goes aside.
    pub fn beat(&self, heartbeat: Heartbeat) -> Result<(), SpoolError> {
        let taken = self.look(Spool::takes_heartbeats).unwrap_or(false);
        let state = self.spool_state().to_wire();
        match &self.aside {
            Some(aside) if !taken => aside.put_beat(heartbeat, state),
            _ => self.put_beat(heartbeat, state),
        }
    }

    fn put_beat(&self, heartbeat: Heartbeat, state: SpoolState) -> Result<(), SpoolError> {
        let heartbeat = Heartbeat {
            lanes: self.states(),
            spool_state: state.into(),
            ..heartbeat
        };
        let contents = Contents {
            heartbeats: vec![heartbeat],
            ..Contents::default()
        };
        self.append(Lane::Presence, &contents, None)
    }

    /// Where the lane's source goes on from, empty for nowhere; `None` while nobody knows, because
    /// the spool is not open.
    #[must_use]
    pub fn checkpoint(&self, lane: Lane) -> Option<Vec<u8>> {
        self.look(|spool| spool.checkpoint(lane).to_vec())
    }

    /// Batches to send; see [`Spool::read`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn read(
        &self,
        lane: Lane,
        after: u64,
        max_batches: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, SpoolError> {
        self.with(|spool| spool.read(lane, after, max_batches, max_bytes))
    }

    /// Frees what the collector settled.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn acknowledge(&self, lane: Lane, sequence: u64) -> Result<(), SpoolError> {
        self.with(|spool| spool.acknowledge(lane, sequence))
    }

    /// For a new connection: everything unacknowledged is to be sent again.
    pub fn rewind(&self) {
        if let Place::Open(spool) = &mut *self.lock() {
            spool.rewind();
        }
    }

    /// Accounting of every lane; of none while the spool is not open.
    #[must_use]
    pub fn states(&self) -> Vec<LaneState> {
        self.look(Spool::states).unwrap_or_default()
    }

    /// Batches that wait in all lanes.
    #[must_use]
    pub fn queued_batches(&self) -> u64 {
        self.look(Spool::queued_batches).unwrap_or_default()
    }

    /// What the spool holds, and what went through it.
    #[must_use]
    pub fn usage(&self) -> spool::Usage {
        self.look(Spool::usage).unwrap_or_default()
    }

    /// Makes durable what waits for it longer than the sync interval, or opens the spool where it
    /// could not be opened before.
    pub fn sync_due(&self, now: Instant) {
        let mut place = self.lock();
        let news = match &mut *place {
            // After trouble, that is when it can be sent.
            Place::Open(spool) => spool.sync_due(now),
            Place::Closed(opening) => match opening.open_again(now) {
                Some(mut opened) => {
                    record(&mut opened.spool, opened.lost, &self.origin);
                    *place = Place::Open(Box::new(opened.spool));
                    true
                }
                None => false,
            },
        };
        if news {
            self.appended.notify_one();
        }
    }

    /// How the spool's disk does.
    #[must_use]
    pub fn spool_state(&self) -> spool::SpoolState {
        match &*self.lock() {
            Place::Open(spool) => spool.spool_state(),
            Place::Closed(opening) => opening.spool_state(),
        }
    }

    /// Waits until something was appended since the last wait.
    pub async fn appended(&self) {
        self.appended.notified().await;
    }

    /// Does something with the spool.
    fn with<T>(
        &self,
        action: impl FnOnce(&mut Spool) -> Result<T, SpoolError>,
    ) -> Result<T, SpoolError> {
        match &mut *self.lock() {
            Place::Open(spool) => action(spool),
            Place::Closed(opening) => Err(opening.refusal()),
        }
    }

    /// What the spool says; `None` while it is not open.
    fn look<T>(&self, question: impl FnOnce(&Spool) -> T) -> Option<T> {
        match &*self.lock() {
            Place::Open(spool) => Some(question(spool)),
            Place::Closed(_) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Place> {
        // A panic while the lock was held left the files consistent: every step can end anywhere.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record(spool: &mut Spool, lost: Vec<DropRange>, origin: &Origin) {
    if let Err(error) = spool.record_drops(origin, lost, crate::clock::wall_ms()) {
        // A full disk is no reason not to watch.
        tracing::error!(%error, "what was lost of the spool cannot be recorded yet");
    }
}
