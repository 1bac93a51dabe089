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

use crate::spool::{self, Origin, Record, Spool, SpoolError};

/// See the module.
#[derive(Debug)]
pub struct Outbox {
    origin: Origin,
    spool_id: Id,
    spool: Mutex<Spool>,
    appended: Notify,
    /// For heartbeats while the disk takes none; it has none itself.
    aside: Option<Arc<Self>>,
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
        if let Err(error) = spool.record_drops(&origin, lost, crate::clock::wall_ms()) {
            // A full disk is no reason not to watch.
            tracing::error!(%error, "what was lost of the spool cannot be recorded yet");
        }
        Self {
            spool_id: spool.spool_id(),
            origin,
            spool: Mutex::new(spool),
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

    /// Identifier of the spool's numbering.
    #[must_use]
    pub const fn spool_id(&self) -> Id {
        self.spool_id
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
                Some(checkpoint) => self.lock().keep_checkpoint(lane, checkpoint),
                None => Ok(()),
            };
        }
        self.lock().append(
            &self.origin,
            lane,
            contents,
            checkpoint,
            crate::clock::wall_ms(),
        )?;
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
        let (taken, state) = {
            let spool = self.lock();
            (spool.takes_heartbeats(), spool.spool_state().to_wire())
        };
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

    /// Where the lane's source goes on from.
    #[must_use]
    pub fn checkpoint(&self, lane: Lane) -> Vec<u8> {
        self.lock().checkpoint(lane).to_vec()
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
        self.lock().read(lane, after, max_batches, max_bytes)
    }

    /// Frees what the collector settled.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn acknowledge(&self, lane: Lane, sequence: u64) -> Result<(), SpoolError> {
        self.lock().acknowledge(lane, sequence)
    }

    /// For a new connection: everything unacknowledged is to be sent again.
    pub fn rewind(&self) {
        self.lock().rewind();
    }

    /// Accounting of every lane.
    #[must_use]
    pub fn states(&self) -> Vec<LaneState> {
        self.lock().states()
    }

    /// Batches that wait in all lanes.
    #[must_use]
    pub fn queued_batches(&self) -> u64 {
        self.lock().queued_batches()
    }

    /// What the spool holds, and what went through it.
    #[must_use]
    pub fn usage(&self) -> spool::Usage {
        self.lock().usage()
    }

    /// Makes durable what waits for it longer than the sync interval.
    pub fn sync_due(&self, now: Instant) {
        // After trouble, that is when it can be sent.
        if self.lock().sync_due(now) {
            self.appended.notify_one();
        }
    }

    /// How the spool's disk does.
    #[must_use]
    pub fn spool_state(&self) -> spool::SpoolState {
        self.lock().spool_state()
    }

    /// Waits until something was appended since the last wait.
    pub async fn appended(&self) {
        self.appended.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Spool> {
        // A panic while the lock was held left the files consistent: every step can end anywhere.
        self.spool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
