//! A batch between the wire and the log.
//!
//! A batch may unfold to hundreds of times its size, so it stays as it came until one of the few
//! places for open batches is free, and keeps that place until it has room in the log.

use crmscope_proto::v1::{Batch, Lane};
use tokio::sync::OwnedSemaphorePermit;

use crate::error::{Code, Error};
use crate::ingest::end::End;
use crate::judge::{Entry, judge};
use crate::log::BoundedLog;

/// What a stream has read and not handed over.
#[derive(Default)]
pub(super) enum Pending {
    #[default]
    None,
    /// As it came, and when, Unix ms.
    Received(Box<Batch>, i64),
    /// Judged.
    Opened {
        entry: Box<Entry>,
        _place: OwnedSemaphorePermit,
    },
}

impl Pending {
    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Lane of what was received and is not open yet; `Unspecified` where it names none.
    pub(super) fn lane(&self) -> Option<Lane> {
        match self {
            Self::Received(batch, _) => Some(batch.lane()),
            Self::None | Self::Opened { .. } => None,
        }
    }

    /// Memory an open batch would hold in the log; 0 when there is none.
    pub(super) fn weight(&self, log: &BoundedLog) -> usize {
        match self {
            Self::Opened { entry, .. } => log.weigh(entry),
            Self::None | Self::Received(..) => 0,
        }
    }

    /// Judges what was received.
    pub(super) fn open(&mut self, place: OwnedSemaphorePermit) -> Result<(), End> {
        if let Self::Received(batch, received_ms) = std::mem::take(self) {
            let entry = judge(&batch, received_ms).map_err(|error| {
                let status = Error::new(Code::InvalidArgument, error.to_string());
                End(error.reason(), status)
            })?;
            *self = Self::Opened {
                entry: Box::new(entry),
                _place: place,
            };
        }
        Ok(())
    }

    /// Takes an open batch, and gives its place back.
    pub(super) fn take(&mut self) -> Option<Entry> {
        match std::mem::take(self) {
            Self::Opened { entry, .. } => Some(*entry),
            Self::None | Self::Received(..) => None,
        }
    }
}
