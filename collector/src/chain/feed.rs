//! What ClickHouse is asked, and the shape of its answers.

use crmscope_proto::Id;
use crmscope_proto::chain::{Digest, Head, Link};
use serde::Deserialize;

use super::lines::Lines;
use super::walk::{Found, Recorded, StoredLink, StoredRows, Teller, Witness};
use crate::error::Error;
use crate::schema::queries::{CHAIN_LEDGER, CHAIN_LINKS, CHAIN_MARKS, CHAIN_ROWS, CHAIN_WITNESSES};
use crate::storage::Storage;

/// A spool of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) agent_id: String,
    pub(super) spool_id: String,
}

/// A row that belongs to a batch of a spool.
pub(super) trait Of {
    fn agent_id(&self) -> &str;
    fn spool_id(&self) -> &str;
    fn sequence(&self) -> u64;
}

macro_rules! of {
    ($($row:ty: $sequence:ident;)+) => {
        $(impl Of for $row {
            fn agent_id(&self) -> &str {
                &self.agent_id
            }
            fn spool_id(&self) -> &str {
                &self.spool_id
            }
            fn sequence(&self) -> u64 {
                self.$sequence
            }
        })+
    };
}

of! {
    LinkRow: sequence;
    LedgerRow: first_sequence;
    RowsRow: sequence;
    WitnessRow: sequence;
    MarkRow: settled_sequence;
}

#[derive(Debug, Deserialize)]
pub(super) struct LinkRow {
    agent_id: String,
    spool_id: String,
    sequence: u64,
    boot_id: String,
    version: u32,
    created_ms: i64,
    rows: u64,
    rows_digest: String,
    previous_sequence: u64,
    previous_created_ms: i64,
    previous_link: String,
    link: String,
    found: String,
    received_ms: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct LedgerRow {
    agent_id: String,
    spool_id: String,
    pub(super) first_sequence: u64,
    pub(super) last_sequence: u64,
    disposition: String,
    items: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct RowsRow {
    agent_id: String,
    spool_id: String,
    sequence: u64,
    pub(super) rows: u64,
    rows_digest: String,
    newest_ms: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct WitnessRow {
    agent_id: String,
    spool_id: String,
    sequence: u64,
    link: String,
    created_ms: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct MarkRow {
    agent_id: String,
    spool_id: String,
    pub(super) settled_sequence: u64,
    told_ms: i64,
    chain_sequence: u64,
}

impl LinkRow {
    pub(super) fn read(&self) -> StoredLink {
        // Whatever stands there that is no digest or id makes another link than the stored one.
        let digest = |text: &str| Digest::parse(text).ok();
        let id = |text: &str| Id::parse(text).unwrap_or_default();
        StoredLink {
            link: Link {
                version: self.version,
                agent_id: self.agent_id.clone(),
                boot_id: id(&self.boot_id),
                spool_id: id(&self.spool_id),
                sequence: self.sequence,
                created_ms: self.created_ms,
                rows: self.rows,
                rows_digest: digest(&self.rows_digest).unwrap_or_default(),
                previous: Head {
                    sequence: self.previous_sequence,
                    created_ms: self.previous_created_ms,
                    link: digest(&self.previous_link).unwrap_or_default(),
                },
            },
            digest: digest(&self.link),
            found: match self.found.as_str() {
                "rejected" => Found::Rejected,
                "differed" => Found::Differed,
                "unknown" => Found::Unknown,
                _ => Found::Matched,
            },
            received_ms: self.received_ms,
        }
    }
}

impl LedgerRow {
    /// What it says of one batch; `None` of a dropped range.
    pub(super) fn read(&self) -> Option<Recorded> {
        (self.disposition != "dropped").then(|| Recorded {
            items: self.items,
            rejected: self.disposition == "rejected",
        })
    }
}

impl RowsRow {
    pub(super) fn read(&self) -> StoredRows {
        StoredRows {
            rows: self.rows,
            digest: Digest::parse(&self.rows_digest).unwrap_or_default(),
            newest_ms: self.newest_ms,
        }
    }

    /// Whether no batch is known of which they came.
    pub(super) fn is_unnamed(&self) -> bool {
        self.sequence == 0 && Id::parse(&self.spool_id) == Ok(Id::default())
    }
}

impl WitnessRow {
    pub(super) fn read(&self) -> Witness {
        Witness {
            head: Head {
                sequence: self.sequence,
                created_ms: self.created_ms,
                link: Digest::parse(&self.link).unwrap_or_default(),
            },
            teller: Teller::Heartbeat,
        }
    }
}

impl MarkRow {
    /// Whether the newest heartbeat tells of no chain.
    pub(super) const fn stopped(&self) -> bool {
        self.told_ms > 0 && self.chain_sequence == 0
    }
}

/// Times, Unix seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) from: u64,
    pub(super) to: u64,
    /// Heartbeats before it tell what is settled.
    pub(super) settled: u64,
}

/// Events may be so much older than their batch, seconds; see `TIMESTAMP_MAX_PAST_MS`, and a day.
const OLDER_S: u64 = 36 * 24 * 3600;
/// And so much newer.
const NEWER_S: u64 = 24 * 3600;
/// The last second that a DateTime has.
pub(super) const TIME_MAX_S: u64 = u32::MAX as u64;

/// All that is asked, each in the order of agent, spool and sequence.
pub(super) struct Feed {
    pub(super) marks: Lines<MarkRow>,
    pub(super) links: Lines<LinkRow>,
    pub(super) ledger: Lines<LedgerRow>,
    pub(super) rows: Lines<RowsRow>,
    pub(super) witnesses: Lines<WitnessRow>,
}

impl Feed {
    /// Asks of one agent, or of all where it is empty.
    pub(super) async fn ask(storage: &Storage, agent: &str, times: Times) -> Result<Self, Error> {
        let range = |from: u64, to: u64| {
            move |query: clickhouse::query::Query| {
                query
                    .param("agent", agent)
                    .param("from", date_time(from))
                    .param("to", date_time(to))
            }
        };
        let of = |query: clickhouse::query::Query| query.param("agent", agent);
        let settled = date_time(times.settled);
        let received = range(times.from, times.to);
        let happened = range(
            times.from.saturating_sub(OLDER_S),
            times.to.saturating_add(NEWER_S).min(TIME_MAX_S),
        );
        Ok(Self {
            marks: Lines::ask(storage, "marks of chains", CHAIN_MARKS, |query| {
                of(query).param("to", settled)
            })
            .await?,
            links: Lines::ask(storage, "links", CHAIN_LINKS, received).await?,
            ledger: Lines::ask(storage, "the ledger", CHAIN_LEDGER, received).await?,
            rows: Lines::ask(storage, "digests of rows", CHAIN_ROWS, happened).await?,
            witnesses: Lines::ask(storage, "heads in heartbeats", CHAIN_WITNESSES, of).await?,
        })
    }
}

/// A parameter of type DateTime: short numbers are not taken for Unix time.
fn date_time(seconds: u64) -> String {
    format!("{seconds:010}")
}
