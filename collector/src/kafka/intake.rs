//! The records of one partition, in order, with nothing missing unsaid.
//!
//! Owns what a gap between offsets means. Promises that records come in order from the position
//! on; that a range is believed gone only when the broker said so and its leader said so twice
//! more, and then it is an error in the log and a counter; and that a position behind the log's end
//! is refused. Leaves blocks to [`super::worker`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crmscope_proto::Lane;
use rdkafka::message::{Message as _, OwnedMessage};
use tokio::sync::watch;

use super::group::Group;
use super::metrics::Metrics;
use super::reader::{Feed, Reader};
use super::record;
use crate::judge::Entry;
use crate::writer::block::LogPartition;

/// Pause between two answers about the same bounds.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// Answers that must agree before a position counts as behind the log's end.
const BEHIND_ANSWERS: u32 = 5;

/// A record, read.
#[derive(Debug)]
pub(super) struct Item {
    /// Offset.
    pub(super) offset: i64,
    /// About how much memory it holds, bytes.
    pub(super) bytes: usize,
    /// The batch, or what is wrong with the record.
    pub(super) content: Result<Entry, Unread>,
}

/// A record that is no batch.
#[derive(Debug)]
pub(super) struct Unread {
    /// Why.
    pub(super) poison: record::Poison,
    /// Key, as it is.
    pub(super) key: Bytes,
    /// Value, as it is.
    pub(super) value: Bytes,
}

/// A partition that cannot be written exactly.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// There is no such offset yet.
    #[error(
        "{partition}: the group's position is {position} and the log ends at {end}: the topic was made anew or lost records; set kafka.topic_prefix or kafka.group to a name that was never used, and start again"
    )]
    BehindEnd {
        /// Which partition.
        partition: String,
        /// Committed position.
        position: i64,
        /// Where the log ends.
        end: i64,
    },
    /// The reader is gone.
    #[error("{partition}: the reader of the log ended; start the collector again")]
    NoReader {
        /// Which partition.
        partition: String,
    },
}

/// Records from a position on.
#[derive(Debug)]
pub(super) struct Intake {
    partition: Arc<LogPartition>,
    lane: Lane,
    group: Arc<Group>,
    reader: Arc<Reader>,
    metrics: Metrics,
    faults: watch::Receiver<u64>,
    feed: Arc<Feed>,
    /// Offset of the next record.
    position: i64,
    /// A position at which the log seemed to jump, and was opened again to be sure.
    jumped_at: Option<i64>,
    /// A record that belongs to the next block.
    ahead: Option<Item>,
}

impl Intake {
    /// Opens a partition at a position.
    #[must_use]
    pub(super) fn open(
        partition: Arc<LogPartition>,
        lane: Lane,
        group: Arc<Group>,
        reader: Arc<Reader>,
        metrics: Metrics,
        position: i64,
    ) -> Self {
        let mut faults = reader.faults();
        faults.mark_unchanged();
        let feed = reader.open(&partition.topic, partition.partition, position);
        Self {
            partition,
            lane,
            group,
            reader,
            metrics,
            faults,
            feed,
            position,
            jumped_at: None,
            ahead: None,
        }
    }

    /// Offset of the next record, as far as is known.
    #[must_use]
    pub(super) const fn position(&self) -> i64 {
        self.position
    }

    /// The next record; may be called again after it was broken off.
    ///
    /// # Errors
    /// When the partition cannot be written exactly.
    pub(super) async fn next(&mut self) -> Result<Item, Refusal> {
        if let Some(item) = self.ahead.take() {
            self.position = item.offset + 1;
            return Ok(item);
        }
        loop {
            if let Some(record) = self.feed.take() {
                if let Some(record) = self.in_order(record) {
                    self.position = record.offset() + 1;
                    return Ok(read(self.lane, record));
                }
                continue;
            }
            tokio::select! {
                () = self.feed.filled() => {}
                changed = self.faults.changed() => {
                    if changed.is_err() {
                        let partition = self.partition.name().to_owned();
                        return Err(Refusal::NoReader { partition });
                    }
                    // Marked as seen only when it is dealt with: this may be broken off.
                    self.faults.mark_changed();
                    self.look().await?;
                    self.faults.mark_unchanged();
                }
            }
        }
    }

    /// Gives a record back: it is the next one again.
    pub(super) fn put_back(&mut self, item: Item) {
        self.position = item.offset;
        self.ahead = Some(item);
    }

    /// The record, when it is the next one.
    fn in_order(&mut self, record: OwnedMessage) -> Option<OwnedMessage> {
        let offset = record.offset();
        if offset < self.position {
            return None;
        }
        if offset > self.position {
            if self.jumped_at != Some(self.position) {
                // A damaged answer is skipped by the client; asked again, it may be whole.
                self.jumped_at = Some(self.position);
                self.open_again();
                return None;
            }
            self.gone(offset, "there is no record between them");
        }
        Some(record)
    }

    fn gone(&mut self, next: i64, why: &str) {
        tracing::error!(
            partition = self.partition.name(),
            from_offset = self.position,
            to_offset = next,
            "offsets of the log are gone: {why}; the ledger shows which batches are missing"
        );
        self.metrics.gone(self.lane, next - self.position);
        self.position = next;
    }

    fn open_again(&mut self) {
        let (topic, partition) = (&self.partition.topic, self.partition.partition);
        self.feed = self.reader.open(topic, partition, self.position);
    }

    /// Some partition could not be read on: finds out whether it is this one.
    async fn look(&mut self) -> Result<(), Refusal> {
        let mut agreed = 0;
        let mut before = None;
        loop {
            let (topic, partition) = (&self.partition.topic, self.partition.partition);
            let (low, high) = match self.group.bounds(topic, partition).await {
                Ok(bounds) => bounds,
                Err(error) => {
                    tracing::debug!(%error, "asked again");
                    tokio::time::sleep(ASK_AGAIN).await;
                    continue;
                }
            };
            let finding = place(self.position, low, high);
            agreed = if before == Some(finding) {
                agreed + 1
            } else {
                1
            };
            before = Some(finding);
            match finding {
                Place::Within => {
                    // Whatever it was, reading may have stopped.
                    self.open_again();
                    return Ok(());
                }
                Place::Before if agreed >= 2 => {
                    self.gone(low, "the log begins later, by its retention or by hand");
                    self.open_again();
                    return Ok(());
                }
                Place::Behind if agreed >= BEHIND_ANSWERS => {
                    return Err(Refusal::BehindEnd {
                        partition: self.partition.name().to_owned(),
                        position: self.position,
                        end: high,
                    });
                }
                Place::Before | Place::Behind => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        let (topic, partition) = (&self.partition.topic, self.partition.partition);
        self.reader.close(topic, partition, &self.feed);
    }
}

/// Where a position lies in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Its record is gone.
    Before,
    /// Its record is there, or is the next to come.
    Within,
    /// Behind the end.
    Behind,
}

const fn place(position: i64, low: i64, high: i64) -> Place {
    if position < low {
        Place::Before
    } else if position > high {
        Place::Behind
    } else {
        Place::Within
    }
}

fn read(lane: Lane, record: OwnedMessage) -> Item {
    const RECORD: usize = 512;
    let offset = record.offset();
    match record::decode_message(lane, &record) {
        Ok(entry) => Item {
            offset,
            bytes: entry.weight(),
            content: Ok(entry),
        },
        Err(poison) => {
            let copy = |bytes: Option<&[u8]>| Bytes::copy_from_slice(bytes.unwrap_or_default());
            let (key, value) = (copy(record.key()), copy(record.payload()));
            Item {
                offset,
                bytes: RECORD + key.len() + value.len(),
                content: Err(Unread { poison, key, value }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_at_the_end_waits_for_its_record() {
        for (position, low, high, want) in [
            (0, 0, 0, Place::Within),
            (5, 0, 5, Place::Within),
            (5, 5, 9, Place::Within),
            (4, 5, 9, Place::Before),
            (10, 5, 9, Place::Behind),
        ] {
            assert_eq!(place(position, low, high), want, "{position} {low} {high}");
        }
    }
}
