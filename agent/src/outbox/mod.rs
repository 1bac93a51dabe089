//! The outbox: from rows to durable batches, shared by every thread that makes or sends them.
//!
//! Owns the lock around the spool and the signal that something new can be sent. Promises that
//! [`Outbox::append`] returns only after the spool took the batch: a security batch is durable then,
//! any other before it is sent. Leaves the disk format to
//! [`crate::spool`] and sending to [`crate::uplink`].

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crmscope_proto::payload::Contents;
use crmscope_proto::v1::{DropRange, LaneState};
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
        }
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
