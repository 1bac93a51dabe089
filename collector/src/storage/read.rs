//! What writers ask: the open end of the journal, and how far each agent is settled.

use bytes::{Buf, Bytes};
use crmscope_proto::{Id, Lane};
use serde::Deserialize;

use super::Storage;
use crate::error::{Code, Error};

/// Journal partitions hold this many block numbers.
pub const JOURNAL_PARTITION_BLOCKS: u64 = 1_000_000;

/// The id that the journal's table has now. A restored one has another; one that was renamed, attached
/// or truncated keeps it.
const JOURNAL_ID: &str =
    "(SELECT uuid FROM system.tables WHERE database = 'crmscope' AND name = 'journal')";

/// One batch as the journal has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalRow {
    /// When it was received, Unix ms.
    pub received_ms: i64,
    /// The batch, encoded.
    pub batch: Bytes,
}

/// What is known of the journal's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JournalTable {
    /// No collector noted any table yet: one of an older version wrote it.
    Unnoted,
    /// Its blocks from this one on were written here, so that repetitions of them are known.
    KnownFrom(u64),
    /// Collectors noted others and not this one: it was restored from a backup.
    Restored,
}

/// Highest settled sequence of one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HighWater {
    /// Agent.
    pub agent_id: String,
    /// Boot.
    pub boot_id: Id,
    /// Spool.
    pub spool_id: Id,
    /// Lane.
    pub lane: Lane,
    /// Sequence.
    pub sequence: u64,
}

/// A lane of an agent, from a sequence on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Since {
    /// Agent.
    pub agent_id: String,
    /// Spool.
    pub spool_id: Id,
    /// Lane.
    pub lane: Lane,
    /// First sequence that matters.
    pub sequence: u64,
}

#[derive(clickhouse::Row, Deserialize)]
struct JournalTableRow {
    noted: u64,
    of_this: u64,
    known_from: u64,
}

#[derive(clickhouse::Row, Deserialize)]
struct HighWaterRow {
    agent_id: String,
    boot_id: String,
    spool_id: String,
    lane: i8,
    sequence: u64,
}

impl Storage {
    /// The newest block in the journal, 0 when there is none.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn newest_journal_block(&self) -> Result<u64, Error> {
        self.caught_up(&["journal"]).await?;
        let sql = "SELECT max(block) FROM crmscope.journal";
        let question = self.client.query(sql).fetch_one::<u64>();
        self.within("the journal's newest block", question).await
    }

    /// The newest block in the ledger, 0 when there is none.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn newest_ledger_block(&self) -> Result<u64, Error> {
        self.caught_up(&["ledger"]).await?;
        // A block out of the log is known by an offset.
        let sql = "SELECT max(block) FROM crmscope.ledger WHERE log_partition = ''";
        let question = self.client.query(sql).fetch_one::<u64>();
        self.within("the ledger's newest block", question).await
    }

    /// The rows of a journal block, in order.
    ///
    /// # Errors
    /// When ClickHouse does not answer, or the answer is cut short.
    pub async fn journal_rows(&self, block: u64) -> Result<Vec<JournalRow>, Error> {
        self.caught_up(&["journal"]).await?;
        let sql = "SELECT toUnixTimestamp64Milli(received_at), batch FROM crmscope.journal \
                   WHERE block = ? ORDER BY position";
        let question = async {
            let mut cursor = self
                .client
                .query(sql)
                .bind(block)
                .fetch_bytes("RowBinary")?;
            cursor.collect().await
        };
        let bytes = self.within("a journal block", question).await?;
        decode_rows(bytes).ok_or_else(|| {
            Error::new(
                Code::Unavailable,
                format!("ClickHouse: journal block {block}: the answer is cut short"),
            )
        })
    }

    /// Whether the journal's table is the one that its blocks were written to.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn journal_table(&self) -> Result<JournalTable, Error> {
        let sql = format!(
            "SELECT count() AS noted, countIf(table_id IN {JOURNAL_ID}) AS of_this, \
             minIf(first_block, table_id IN {JOURNAL_ID}) AS known_from \
             FROM crmscope.journal_tables"
        );
        let question = self.client.query(&sql).fetch_one();
        let row: JournalTableRow = self.within("the journal's table", question).await?;
        Ok(match row {
            JournalTableRow { noted: 0, .. } => JournalTable::Unnoted,
            JournalTableRow { of_this: 0, .. } => JournalTable::Restored,
            JournalTableRow { known_from, .. } => JournalTable::KnownFrom(known_from),
        })
    }

    /// Notes that blocks of the journal's table are known from `first_block` on.
    ///
    /// # Errors
    /// When ClickHouse does not answer; a second note changes nothing.
    pub async fn note_journal_table(&self, first_block: u64) -> Result<(), Error> {
        let sql = format!(
            "INSERT INTO crmscope.journal_tables (table_id, first_block) \
             SELECT uuid, {first_block} FROM {JOURNAL_ID}"
        );
        let insert = self.client.query(&sql).execute();
        self.within("a note of the journal's table", insert).await
    }

    /// Drops journal partitions that lie wholly before the one of `block`.
    ///
    /// # Errors
    /// When ClickHouse does not answer; nothing depends on it, so it may be tried again later.
    pub async fn drop_journal_before(&self, block: u64) -> Result<usize, Error> {
        let keep = block / JOURNAL_PARTITION_BLOCKS;
        let sql = "SELECT DISTINCT intDiv(block, 1000000) AS part FROM crmscope.journal \
                   WHERE part < ? ORDER BY part";
        let question = self.client.query(sql).bind(keep).fetch_all::<u64>();
        let partitions = self.within("old journal partitions", question).await?;
        for partition in &partitions {
            let sql = format!("ALTER TABLE crmscope.journal DROP PARTITION {partition}");
            self.within(
                "dropping a journal partition",
                self.client.query(&sql).execute(),
            )
            .await?;
        }
        Ok(partitions.len())
    }

    /// How far the agents are settled.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn high_water(&self, agents: &[&str]) -> Result<Vec<HighWater>, Error> {
        self.caught_up(&["ledger_high_water"]).await?;
        let sql = "SELECT toString(agent_id) AS agent_id, toString(boot_id) AS boot_id, \
                   toString(spool_id) AS spool_id, toInt8(lane) AS lane, \
                   max(last_sequence) AS sequence FROM crmscope.ledger_high_water \
                   WHERE agent_id IN ? GROUP BY agent_id, boot_id, spool_id, lane";
        let question = self.client.query(sql).bind(agents).fetch_all();
        let rows: Vec<HighWaterRow> = self.within("high-water marks", question).await?;
        marks(rows)
    }

    /// How far lanes were settled before a block of the log, as far as it matters to batches from
    /// [`Since::sequence`] on. Asks for a handful of rows of each, by the ledger's key.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn high_water_before(
        &self,
        log_partition: &str,
        block: u64,
        lanes: &[Since],
    ) -> Result<Vec<HighWater>, Error> {
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        self.caught_up(&["ledger"]).await?;
        let one =
            "(l.agent_id = ? AND l.spool_id = toUUID(?) AND l.lane = ? AND l.first_sequence >= ?)";
        let any = vec![one; lanes.len()].join(" OR ");
        // What came later from the same partition may be there already.
        let sql = format!(
            "SELECT toString(l.agent_id) AS agent_id, toString(l.boot_id) AS boot_id, \
             toString(l.spool_id) AS spool_id, toInt8(l.lane) AS lane, \
             max(l.last_sequence) AS sequence FROM crmscope.ledger AS l \
             WHERE l.disposition != 'dropped' AND NOT (l.log_partition = ? AND l.block >= ?) \
             AND ({any}) GROUP BY l.agent_id, l.boot_id, l.spool_id, l.lane"
        );
        let mut query = self.client.query(&sql).bind(log_partition).bind(block);
        for since in lanes {
            query = query
                .bind(&since.agent_id)
                .bind(since.spool_id.to_string())
                .bind(since.lane.name())
                .bind(since.sequence);
        }
        let question = query.fetch_all();
        marks(self.within("marks before a block", question).await?)
    }

    /// Whether the ledger has blocks of a partition of the log.
    ///
    /// # Errors
    /// When ClickHouse does not answer.
    pub async fn has_blocks_of(&self, log_partition: &str) -> Result<bool, Error> {
        self.caught_up(&["ledger"]).await?;
        let sql = "SELECT toUInt64(1) FROM crmscope.ledger WHERE log_partition = ? LIMIT 1";
        let question = self.client.query(sql).bind(log_partition);
        let found = question.fetch_optional::<u64>();
        let found = self.within("blocks of a partition", found).await?;
        Ok(found.is_some())
    }
}

fn marks(rows: Vec<HighWaterRow>) -> Result<Vec<HighWater>, Error> {
    rows.into_iter()
        .map(|row| {
            let id = |text: &str| {
                Id::parse(text)
                    .map_err(|error| Error::new(Code::Internal, format!("ledger: {error}")))
            };
            Ok(HighWater {
                boot_id: id(&row.boot_id)?,
                spool_id: id(&row.spool_id)?,
                agent_id: row.agent_id,
                lane: Lane::try_from(i32::from(row.lane)).unwrap_or(Lane::Unspecified),
                sequence: row.sequence,
            })
        })
        .collect()
}

/// RowBinary: Int64, then a string (varint length, bytes).
fn decode_rows(mut bytes: Bytes) -> Option<Vec<JournalRow>> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let received_ms = bytes.try_get_i64_le().ok()?;
        let length = usize::try_from(prost::encoding::decode_varint(&mut bytes).ok()?).ok()?;
        if bytes.len() < length {
            return None;
        }
        rows.push(JournalRow {
            received_ms,
            batch: bytes.split_to(length),
        });
    }
    Some(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn journal_rows_are_read_and_a_cut_answer_is_noticed() {
        let mut bytes = 7i64.to_le_bytes().to_vec();
        bytes.extend_from_slice(b"\x02ab");
        bytes.extend_from_slice(&8i64.to_le_bytes());
        bytes.extend_from_slice(b"\x00");
        let rows = decode_rows(bytes.clone().into()).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].received_ms, &rows[0].batch[..]), (7, &b"ab"[..]));
        assert_eq!(rows[1].batch.len(), 0);
        for length in [1, 8, 9, 10, 12] {
            assert_eq!(
                decode_rows(bytes[..length].to_vec().into()),
                None,
                "{length}"
            );
        }
    }
}
