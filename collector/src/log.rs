//! Where ingest hands judged batches to: the direct queue of this collector's writer, or Kafka.
//!
//! Promises the same of both: who finds no room waits, and nothing is dropped; batches of a stream
//! are taken in the order of sending; a batch's board hears of it only once the batch is durable.

use std::sync::Arc;

use crate::judge::Entry;
use crate::kafka::producer::Producer;
use crate::writer::queue::{Crowding, Room, Sender};
use crate::writer::settle::Board;

/// A bounded log; one end for each stream.
#[derive(Clone, Debug)]
pub enum BoundedLog {
    /// To the writer in this process; durable means committed to ClickHouse.
    Direct(Sender),
    /// To Kafka; durable means in all replicas that are in step.
    Kafka(Producer),
}

/// A batch that was not taken; the stream that sent it must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// Nobody takes anything any more.
    Gone,
    /// This batch was not taken, and the reason.
    Refused(String),
}

impl BoundedLog {
    /// Memory the batch holds until it is settled, bytes.
    #[must_use]
    pub fn weigh(&self, entry: &Entry) -> usize {
        match self {
            Self::Direct(_) => entry.weight(),
            Self::Kafka(_) => Producer::weigh(entry),
        }
    }

    /// Waits for room for a batch of this weight. `None` when nobody takes anything any more.
    pub async fn reserve(&self, weight: usize) -> Option<Room> {
        match self {
            Self::Direct(queue) => queue.reserve(weight).await,
            Self::Kafka(producer) => producer.reserve(weight).await,
        }
    }

    /// Hands a batch over.
    ///
    /// # Errors
    /// When it was not taken: the stream must hand over nothing behind it.
    pub fn send(&self, entry: Entry, board: Arc<Board>, room: Room) -> Result<(), SendError> {
        match self {
            Self::Direct(queue) => {
                let sent = queue.send(entry, board, room);
                if sent { Ok(()) } else { Err(SendError::Gone) }
            }
            Self::Kafka(producer) => producer
                .send(&entry, board, room)
                .map_err(SendError::Refused),
        }
    }

    /// Whether agents should pause.
    #[must_use]
    pub fn crowding(&self) -> Crowding {
        match self {
            Self::Direct(queue) => queue.crowding(),
            Self::Kafka(producer) => producer.crowding(),
        }
    }
}
