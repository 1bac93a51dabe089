//! Where a stream learns which of its batches are settled.
//!
//! The writer notes; the stream reads and sends one `Ack` per lane, however many batches it covers.

use std::sync::{Arc, Mutex};

use crmscope_proto::Lane;
use crmscope_proto::v1::{Ack, Reject, RejectCode};
use tokio::sync::Notify;

use crate::writer::metrics::Disposition;
use crate::writer::queue::Room;

const LANES: usize = Lane::BY_URGENCY.len();

/// What one stream has under way and what is settled of it.
#[derive(Debug, Default)]
pub struct Board {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    lanes: [LaneProgress; LANES],
    rejects: Vec<Reject>,
}

#[derive(Clone, Copy, Debug, Default)]
struct LaneProgress {
    batches: usize,
    bytes: usize,
    settled: u64,
    acked: u64,
}

/// What is to be told to the agent.
#[derive(Debug, Default, PartialEq)]
pub struct News {
    /// Rejected batches; to be sent before the acks.
    pub rejects: Vec<Reject>,
    /// One ack for each lane that moved.
    pub acks: Vec<Ack>,
}

impl Board {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        // A panic while the lock is held cannot leave half a change: there is no call in between.
        act(&mut self
            .state
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Notes that a batch was handed to the writer.
    pub fn sent(&self, lane: Lane, bytes: usize) {
        self.with(|state| {
            if let Some(progress) = lane.position().and_then(|lane| state.lanes.get_mut(lane)) {
                progress.batches += 1;
                progress.bytes += bytes;
            }
        });
    }

    /// Notes that a batch is settled; `rejected` has the reason when it went to the dead letters.
    pub fn settled(&self, lane: Lane, sequence: u64, bytes: usize, rejected: Option<String>) {
        self.with(|state| {
            if let Some(progress) = lane.position().and_then(|lane| state.lanes.get_mut(lane)) {
                progress.batches = progress.batches.saturating_sub(1);
                progress.bytes = progress.bytes.saturating_sub(bytes);
                progress.settled = progress.settled.max(sequence);
            }
            if let Some(reason) = rejected {
                state.rejects.push(Reject {
                    lane: lane.into(),
                    sequence,
                    code: RejectCode::Discard.into(),
                    reason,
                });
            }
        });
        self.changed.notify_one();
    }

    /// Waits until there may be news.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes what the agent has not been told yet.
    pub fn take_news(&self) -> News {
        self.with(|state| {
            let mut acks = Vec::new();
            for lane in Lane::BY_URGENCY {
                let progress = lane.position().and_then(|lane| state.lanes.get_mut(lane));
                if let Some(progress) = progress
                    && progress.settled > progress.acked
                {
                    progress.acked = progress.settled;
                    acks.push(Ack {
                        lane: lane.into(),
                        sequence: progress.settled,
                    });
                }
            }
            News {
                rejects: std::mem::take(&mut state.rejects),
                acks,
            }
        })
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.with(|state| state.lanes.iter().all(|progress| progress.batches == 0))
    }

    /// Whether the lane has as much under way as the window allows.
    pub fn is_window_full(&self, lane: Lane, batches: usize, bytes: usize) -> bool {
        self.with(|state| {
            let progress = lane.position().and_then(|lane| state.lanes.get(lane));
            progress.is_some_and(|progress| progress.batches >= batches || progress.bytes >= bytes)
        })
    }
}

/// What is owed to a stream once its batch's block is settled.
#[derive(Debug)]
pub struct Receipt {
    /// The stream's board.
    pub board: Arc<Board>,
    /// Lane.
    pub lane: Lane,
    /// Sequence.
    pub sequence: u64,
    /// Bytes as they came.
    pub bytes: usize,
    /// Rows, as the envelope says.
    pub items: u32,
    /// What became of it.
    pub disposition: Disposition,
    /// The reason, when the batch went to the dead letters.
    pub rejected: Option<String>,
    /// The batch's room in the queue, given back now.
    pub room: Room,
}

impl Receipt {
    /// Gives the room back, then tells the stream: whoever has the ack finds the room free.
    pub fn settle(self) {
        drop(self.room);
        self.board
            .settled(self.lane, self.sequence, self.bytes, self.rejected);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acks_are_one_per_lane_and_never_repeat() {
        let board = Board::default();
        for _ in 0..3 {
            board.sent(Lane::Metrics, 10);
        }
        let full = |lane, batches, bytes| board.is_window_full(lane, batches, bytes);
        assert!(full(Lane::Metrics, 3, 1000) && full(Lane::Metrics, 9, 30));
        assert!(!full(Lane::Metrics, 4, 31) && !full(Lane::Security, 1, 1));
        assert!(!board.is_idle());
        board.settled(Lane::Metrics, 7, 10, None);
        board.settled(Lane::Metrics, 8, 10, Some("why".to_owned()));
        let news = board.take_news();
        assert_eq!(news.acks.len(), 1);
        assert_eq!(news.acks[0].sequence, 8);
        assert_eq!(news.rejects[0].sequence, 8);
        assert_eq!(board.take_news(), News::default());
        // A batch that came again is settled again, and its ack says no less than before.
        board.settled(Lane::Metrics, 7, 10, None);
        assert_eq!(board.take_news(), News::default());
        assert!(board.is_idle());
    }
}
