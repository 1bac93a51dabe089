//! What `verify` finds and counts. Names of agents are a stranger's text.

use std::collections::BTreeMap;

use serde::Serialize;

/// Findings that a report lists; more are only counted.
pub(super) const FINDINGS_MAX: usize = 1000;

/// What was done to a chain or its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// As many rows as there were, and others.
    RowsEdited,
    /// Fewer rows than were sealed.
    RowsDeleted,
    /// More rows than were sealed.
    RowsInserted,
    /// Rows of a batch that is not known of.
    RowsOfNoBatch,
    /// The rows were others already when the collector received them.
    RowsDiffered,
    /// A link that is not what it says it is made of.
    LinkEdited,
    /// Two links of one sequence.
    LinkRepeated,
    /// A link that follows another one than the one that is stored there.
    LinkDoesNotFollow,
    /// A link that follows one that others followed before.
    ChainForked,
    /// A chain that begins in its midst.
    ChainBeginsAnew,
    /// Batches that others follow, or that were acknowledged, and of which nothing is stored.
    BatchesDeleted,
    /// Sequences that the chain passes over, and of which nothing tells why.
    BatchesMissing,
    /// Batches that are stored and that the chain does not have.
    BatchesUnlinked,
    /// Batches that were sealed long ago and have not come.
    Silenced,
    /// Another link than somebody else was told.
    HeadDiffers,
    /// A head that somebody kept is in no chain of the agent.
    HeadUnknown,
    /// The agent does not tell of a chain any more.
    ChainStopped,
}

impl Kind {
    /// What was found, in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::RowsEdited => "rows were edited",
            Self::RowsDeleted => "rows were deleted",
            Self::RowsInserted => "rows were inserted",
            Self::RowsOfNoBatch => "rows of a batch that nothing knows of",
            Self::RowsDiffered => "the collector received other rows than were sealed",
            Self::LinkEdited => "a link was edited",
            Self::LinkRepeated => "two links of one batch",
            Self::LinkDoesNotFollow => "a link does not follow the one before it",
            Self::ChainForked => "the chain forks",
            Self::ChainBeginsAnew => "the chain begins anew in its midst",
            Self::BatchesDeleted => "batches were deleted",
            Self::BatchesMissing => "the chain passes over batches",
            Self::BatchesUnlinked => "batches that are not in the chain",
            Self::Silenced => "batches that were sealed did not come",
            Self::HeadDiffers => "the chain was replaced",
            Self::HeadUnknown => "the head is in no chain of the agent",
            Self::ChainStopped => "the agent tells of no chain any more",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::RowsEdited
            | Self::RowsDeleted
            | Self::RowsInserted
            | Self::RowsOfNoBatch
            | Self::LinkEdited
            | Self::LinkRepeated
            | Self::BatchesUnlinked => {
                "look in system.query_log and system.mutations for who changed the tables; with Kafka, the batches as they came are in its security topic for as long as it keeps them"
            }
            Self::RowsDiffered => {
                "something between agent and collector changed them, or the agent has a bug: compare versions"
            }
            Self::LinkDoesNotFollow | Self::HeadDiffers | Self::HeadUnknown => {
                "believe nothing from this batch on; compare with a backup, with Kafka, and with heads that were kept elsewhere. An agent's disk that lost what was sent already looks the same: see its log"
            }
            Self::ChainForked | Self::ChainBeginsAnew => {
                "an agent whose state_dir was set back or lost, or an earlier version that ran in between, looks the same: see its log; otherwise links before it were replaced"
            }
            Self::BatchesDeleted => {
                "look in system.query_log and system.mutations, and compare with the ledger; batches that a collector without chains stored (before migration 0042) have no link either"
            }
            Self::BatchesMissing => {
                "the agent has not told of a drop: see its log, and ask again once its heartbeats are through"
            }
            Self::Silenced => {
                "heartbeats of the host come, its security batches do not: see the agent and what is between it and the collector"
            }
            Self::ChainStopped => "see which version of the agent runs there, and who installed it",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Finding {
    /// Agent.
    pub agent_id: String,
    /// Spool; empty where none is known.
    pub spool_id: String,
    /// First batch that is concerned; 0 where none is known.
    pub first_sequence: u64,
    /// Last one.
    pub last_sequence: u64,
    /// What was done.
    pub kind: Kind,
    /// When a batch that is concerned, or the one before, was made, Unix ms of the agent's clock; 0 where
    /// nothing tells.
    pub created_ms: i64,
    /// More of it.
    pub detail: String,
}

/// The account of one spool's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Agent.
    pub agent_id: String,
    /// Spool.
    pub spool_id: String,
    /// Links.
    pub links: u64,
    /// Rows that are what their links say.
    pub verified_rows: u64,
    /// Batches that the agent dropped and told of.
    pub dropped: u64,
    /// Batches in the dead letters: their rows are not looked at.
    pub rejected: u64,
    /// Batches of agents or times without a chain. Of their rows only the number is looked at.
    pub not_chained: u64,
    /// Links whose rows went for their age.
    pub rows_expired: u64,
    /// Up to which batch links went for their age; 0 for none.
    pub links_expired_to: u64,
    /// Links whose rows a later version digested.
    pub unknown_version: u64,
    /// Batches that were sealed a short time ago and have not come yet.
    pub in_flight: u64,
    /// Sequence of the newest link; 0 without any.
    pub head_sequence: u64,
    /// When its batch was made, Unix ms of the agent's clock.
    pub head_created_ms: i64,
    /// The newest link.
    pub head: String,
    /// What is not as it was sealed.
    pub findings: u64,
}

/// Outcome of a walk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Each spool's chain.
    pub chains: Vec<Summary>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Findings that were only counted.
    pub unlisted_findings: u64,
    /// Rows of which no batch is known, by agent: stored before there were chains.
    pub rows_without_batch: BTreeMap<String, u64>,
    /// Heads in Kafka that were compared; none where there is no Kafka.
    pub kafka_heads: Option<u64>,
    /// What could not be looked at, and why.
    pub notes: Vec<String>,
}

impl Report {
    /// Whether nothing was found.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.findings.is_empty() && self.unlisted_findings == 0
    }

    /// Adds findings, as far as there is room.
    pub fn add(&mut self, findings: Vec<Finding>) {
        let room = FINDINGS_MAX.saturating_sub(self.findings.len());
        self.unlisted_findings += findings.len().saturating_sub(room) as u64;
        self.findings.extend(findings.into_iter().take(room));
    }
}
