//! The judgement on one batch: what is stored, what is rejected and why.
//!
//! Owns every check that looks into a batch. Promises: a pure function of the batch and the time
//! it was received, so that a replay out of the journal judges as the door did. Leaves duplicates
//! to the writer and connections to ingest.

use bytes::Bytes;
use crmscope_proto::limits::{BATCH_MAX_BYTES, TIMESTAMP_MAX_FUTURE_MS, TIMESTAMP_MAX_PAST_MS};
use crmscope_proto::payload::{Contents, SecurityRow};
use crmscope_proto::v1::{Batch, DropRange, Heartbeat};
use crmscope_proto::{Id, Lane, check_agent_id, open};
use prost::Message;

/// Highest sequence: the ledger's queries add to sequences, and must never overflow.
const SEQUENCE_MAX: u64 = 1 << 62;

/// What a batch is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Agent.
    pub agent_id: String,
    /// Boot of the host in which the batch was made.
    pub boot_id: Id,
    /// Start of the agent in which it was made.
    pub start_id: Id,
    /// Spool it was kept in.
    pub spool_id: Id,
    /// Lane; never unspecified.
    pub lane: Lane,
    /// Sequence; from 1.
    pub sequence: u64,
}

/// A batch with its judgement.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// What it is known by.
    pub identity: Identity,
    /// When the collector received it, Unix ms: the only clock in anything that is stored.
    pub received_ms: i64,
    /// Agent's time of making it; the received one where that is out of range.
    pub created_ms: i64,
    /// Rows, as the envelope says.
    pub items: u32,
    /// The batch as it came, encoded.
    pub encoded: Bytes,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What becomes of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Its rows are stored.
    Stored(Contents),
    /// It goes to the dead letters.
    Rejected(Rejection),
}

/// Why a batch is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// A short word, of which there are few: the ledger's reason.
    pub reason: &'static str,
    /// The whole sentence, for the dead letter and the agent.
    pub detail: String,
}

/// An envelope that names no batch: it can be neither recorded nor acknowledged.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Agent id that is none.
    #[error("batch: {0}")]
    AgentId(crmscope_proto::identity::IdentityError),
    /// One of the ids is none.
    #[error("batch: {which}: {error}")]
    Id {
        /// Which id.
        which: &'static str,
        /// What is wrong with it.
        error: crmscope_proto::identity::IdentityError,
    },
    /// No lane, or one this version does not know.
    #[error("batch: {0} is no lane")]
    Lane(i32),
    /// Sequences start at 1, and none comes near the end of its type.
    #[error("batch: sequence {0} is not between 1 and {SEQUENCE_MAX}")]
    Sequence(u64),
}

impl EnvelopeError {
    /// A short word for the counter.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AgentId(_) => "agent_id",
            Self::Id { .. } => "id",
            Self::Lane(_) => "lane",
            Self::Sequence(_) => "sequence",
        }
    }
}

impl Entry {
    /// Rows this entry puts into tables.
    #[must_use]
    pub fn rows(&self) -> usize {
        match &self.verdict {
            Verdict::Rejected(_) => 2,
            Verdict::Stored(contents) => {
                let lanes: usize = contents.heartbeats.iter().map(|h| h.lanes.len()).sum();
                contents.items() + lanes + 1
            }
        }
    }

    /// About how much memory the entry holds, bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        const ENTRY: usize = 512;
        self.encoded.len() + ENTRY + self.contents().map_or(0, weigh)
    }

    /// The contents, when they are stored.
    #[must_use]
    pub const fn contents(&self) -> Option<&Contents> {
        match &self.verdict {
            Verdict::Stored(contents) => Some(contents),
            Verdict::Rejected(_) => None,
        }
    }
}

fn weigh(contents: &Contents) -> usize {
    const VALUE: usize = 8;
    const BUCKET: usize = 24;
    const ROW: usize = 256;
    let series: usize = contents
        .series
        .iter()
        .map(|table| {
            let labels: usize = table.labels().iter().map(String::len).sum();
            let columns = table.columns().iter().flatten().count() + 2;
            ROW + labels + table.len() * columns * VALUE
        })
        .sum();
    let requests: usize = contents
        .requests
        .iter()
        .map(|row| {
            let text = row.service.len() + row.route.len() + row.method.len();
            ROW + text + row.latency.buckets().len() * BUCKET
        })
        .sum();
    let security: usize = contents.security.iter().map(weigh_security).sum();
    series + requests + security + (contents.heartbeats.len() + contents.drops.len()) * ROW
}

fn weigh_security(row: &SecurityRow) -> usize {
    let event = &row.event;
    512 + row.kind.len()
        + row.service.len()
        + row.method.len()
        + event.user.len()
        + event.target_user.len()
        + event.source_address.len()
        + event.detail.len()
}

/// Judges a batch that was received at `received_ms`.
///
/// # Errors
/// When the envelope does not name a batch.
pub fn judge(batch: &Batch, received_ms: i64) -> Result<Entry, EnvelopeError> {
    let identity = identify(batch)?;
    let encoded = Bytes::from(batch.encode_to_vec());
    let verdict = match examine(batch, identity.lane, encoded.len(), received_ms) {
        Ok(contents) => Verdict::Stored(contents),
        Err(rejection) => Verdict::Rejected(rejection),
    };
    Ok(Entry {
        identity,
        received_ms,
        created_ms: if in_range(batch.created_ms, received_ms) {
            batch.created_ms
        } else {
            received_ms
        },
        items: batch.items,
        encoded,
        verdict,
    })
}

fn identify(batch: &Batch) -> Result<Identity, EnvelopeError> {
    check_agent_id(&batch.agent_id).map_err(EnvelopeError::AgentId)?;
    let id = |which, bytes: &[u8]| {
        Id::from_wire(bytes).map_err(|error| EnvelopeError::Id { which, error })
    };
    let lane = Lane::try_from(batch.lane)
        .ok()
        .filter(|lane| lane.position().is_some())
        .ok_or(EnvelopeError::Lane(batch.lane))?;
    if !(1..=SEQUENCE_MAX).contains(&batch.sequence) {
        return Err(EnvelopeError::Sequence(batch.sequence));
    }
    Ok(Identity {
        agent_id: batch.agent_id.clone(),
        boot_id: id("boot_id", &batch.boot_id)?,
        start_id: id("start_id", &batch.start_id)?,
        spool_id: id("spool_id", &batch.spool_id)?,
        lane,
        sequence: batch.sequence,
    })
}

const fn in_range(time_ms: i64, received_ms: i64) -> bool {
    time_ms >= received_ms.saturating_sub(TIMESTAMP_MAX_PAST_MS)
        && time_ms <= received_ms.saturating_add(TIMESTAMP_MAX_FUTURE_MS)
}

fn reject<T>(reason: &'static str, detail: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection {
        reason,
        detail: detail.into(),
    })
}

fn examine(
    batch: &Batch,
    lane: Lane,
    encoded_bytes: usize,
    received_ms: i64,
) -> Result<Contents, Rejection> {
    if encoded_bytes > BATCH_MAX_BYTES {
        return reject(
            "too_large",
            format!("batch has {encoded_bytes} bytes, the limit is {BATCH_MAX_BYTES}"),
        );
    }
    let contents = match open(batch) {
        Ok(contents) => contents,
        Err(error) => return reject("undecodable", error.to_string()),
    };
    let time = |what: &str, time_ms: i64| {
        if in_range(time_ms, received_ms) {
            return Ok(());
        }
        reject(
            "time_out_of_range",
            format!(
                "{what} {time_ms} ms is {} ms away from the collector's clock; the limits are {TIMESTAMP_MAX_PAST_MS} ms back and {TIMESTAMP_MAX_FUTURE_MS} ms ahead",
                time_ms.saturating_sub(received_ms)
            ),
        )
    };
    time("created_ms", batch.created_ms)?;
    check_lane(lane, &contents)?;
    for table in &contents.series {
        for &timestamp_ms in table.timestamps_ms() {
            time("a row's time", timestamp_ms)?;
        }
    }
    for row in &contents.requests {
        time("a request bucket", row.bucket_start_ms)?;
        if row
            .latency
            .buckets()
            .try_fold(0u64, |sum, (_, count)| sum.checked_add(count))
            .is_none()
        {
            return reject("value_out_of_range", "latency counts of a row overflow");
        }
    }
    for row in &contents.security {
        time("an event's time", row.event.time_ms)?;
        check_event(row)?;
    }
    for beat in &contents.heartbeats {
        let Some(clock) = &beat.clock else {
            return reject("value_missing", "a heartbeat has no clock reading");
        };
        time("a heartbeat's clock", clock.wall_ms)?;
        check_beat(beat)?;
    }
    contents.drops.iter().try_for_each(check_drop)?;
    Ok(contents)
}

fn check_lane(lane: Lane, contents: &Contents) -> Result<(), Rejection> {
    let here = [
        (Lane::Metrics, "series", contents.series.is_empty()),
        (Lane::Requests, "requests", contents.requests.is_empty()),
        (
            Lane::Security,
            "security events",
            contents.security.is_empty(),
        ),
        (Lane::Presence, "heartbeats", contents.heartbeats.is_empty()),
        (Lane::Presence, "drop ranges", contents.drops.is_empty()),
    ];
    match here
        .iter()
        .find(|(right, _, empty)| !empty && *right != lane)
    {
        None => Ok(()),
        Some((right, what, _)) => reject(
            "wrong_lane",
            format!(
                "{what} belong in lane {}, not in {}",
                right.name(),
                lane.name()
            ),
        ),
    }
}

fn check_event(row: &SecurityRow) -> Result<(), Rejection> {
    let event = &row.event;
    let bounds = [
        ("class_uid", event.class_uid, u32::from(u16::MAX)),
        ("activity_id", event.activity_id, 99),
        ("status_id", event.status_id, u32::from(u8::MAX)),
        ("severity_id", event.severity_id, u32::from(u8::MAX)),
        ("source_port", event.source_port, u32::from(u16::MAX)),
    ];
    match bounds.iter().find(|(_, value, limit)| value > limit) {
        None => Ok(()),
        Some((what, value, limit)) => reject(
            "value_out_of_range",
            format!("{what} of an event is {value}, the limit is {limit}"),
        ),
    }
}

/// A heartbeat of few bytes may announce lanes without end; there are four.
fn check_beat(beat: &Heartbeat) -> Result<(), Rejection> {
    let mut seen = [false; Lane::BY_URGENCY.len()];
    for state in &beat.lanes {
        if state.next_sequence > SEQUENCE_MAX || state.acked_sequence > SEQUENCE_MAX {
            return reject(
                "value_out_of_range",
                "a sequence of a heartbeat's lane is too high",
            );
        }
        let position = Lane::try_from(state.lane).ok().and_then(Lane::position);
        match position.and_then(|position| seen.get_mut(position)) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                return reject(
                    "value_out_of_range",
                    format!(
                        "lane {} of a heartbeat is unknown or stands twice",
                        state.lane
                    ),
                );
            }
        }
    }
    Ok(())
}

fn check_drop(range: &DropRange) -> Result<(), Rejection> {
    let lane = Lane::try_from(range.lane).ok().and_then(Lane::position);
    if lane.is_none() || Id::from_wire(&range.spool_id).is_err() {
        return reject(
            "value_out_of_range",
            "a drop range names no lane or no spool",
        );
    }
    if range.first_sequence == 0
        || range.last_sequence < range.first_sequence
        || range.last_sequence > SEQUENCE_MAX
    {
        return reject(
            "value_out_of_range",
            format!(
                "a drop range goes from {} to {}",
                range.first_sequence, range.last_sequence
            ),
        );
    }
    Ok(())
}

/// Wall-clock time for a row about the range: the agent's, where it is one.
#[must_use]
pub fn drop_time_ms(range: &DropRange, entry: &Entry) -> i64 {
    if range.last_ms != 0 && in_range(range.last_ms, entry.received_ms) {
        range.last_ms
    } else {
        entry.created_ms
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
