//! The judgement on one batch: what is stored, what is rejected and why.
//!
//! Owns every check that looks into a batch. Promises: a pure function of the batch and the time
//! it was received, so that a replay out of the journal judges as the door did. Leaves duplicates
//! to the writer and connections to ingest.

mod checks;
mod requests;
mod weight;

use bytes::Bytes;
use crmscope_proto::chain::Link;
use crmscope_proto::payload::Contents;
use crmscope_proto::v1::{Batch, DropRange};
use crmscope_proto::{Id, Lane, check_agent_id};
use prost::Message;

use self::checks::{examine, in_range, reject};

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
    /// Its link, where it belongs to a chain.
    pub chain: Option<Link>,
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
                let beats = contents.heartbeats.iter();
                let lanes: usize = beats.map(|h| h.lanes.len() + h.refused_rules.len()).sum();
                contents.items() + lanes + 1
            }
        }
    }

    /// About how much memory the entry holds, bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        const ENTRY: usize = 512;
        self.encoded.len() + ENTRY + self.contents().map_or(0, weight::weigh)
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

/// Judges a batch that was received at `received_ms`.
///
/// # Errors
/// When the envelope does not name a batch.
pub fn judge(batch: &Batch, received_ms: i64) -> Result<Entry, EnvelopeError> {
    let identity = identify(batch)?;
    let encoded = Bytes::from(batch.encode_to_vec());
    let examined = examine(batch, identity.lane, encoded.len(), received_ms);
    let (chain, examined) = match Link::of(batch) {
        Ok(chain) => (chain, examined),
        Err(error) => (None, reject("chain", error.to_string())),
    };
    let verdict = match examined {
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
        chain,
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

/// Wall-clock times of the first and the last batch of the range: the agent's, where they are some.
#[must_use]
pub fn drop_times_ms(range: &DropRange, entry: &Entry) -> (i64, i64) {
    let known = |time_ms| time_ms != 0 && in_range(time_ms, entry.received_ms);
    let last_ms = if known(range.last_ms) {
        range.last_ms
    } else {
        entry.created_ms
    };
    let first_ms = if known(range.first_ms) {
        range.first_ms.min(last_ms)
    } else {
        last_ms
    };
    (first_ms, last_ms)
}

#[cfg(test)]
mod tests;
