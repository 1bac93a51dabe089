//! The walk along one spool's chain, batch by batch. Pure.
//!
//! What is known of each sequence comes in ascending order; what is missing in between is judged when the
//! next link comes, or at the end. A sequence without a link is fine where a dropped range covers it, or
//! where the chain had not begun. Holds a few ranges, never the chain.

use crmscope_proto::chain::{Digest, Head, Link, VERSION};

use super::finding::{Finding, Kind, Summary};
use super::ranges::Ranges;

const DAY_MS: i64 = 24 * 3600 * 1000;
/// After so long rows may be gone for their age: kept 400 days by their own time, which may be 35 days before
/// the time they came.
pub const ROWS_KEPT_MS: i64 = 365 * DAY_MS;
/// The same of the ledger, of which whole months go.
const LEDGER_KEPT_MS: i64 = 395 * DAY_MS;
/// The same of links, by the agent's clock.
const LINKS_KEPT_MS: i64 = 760 * DAY_MS;
/// Ranges that are held of one spool; more make it unreadable, and that is told.
const RANGES_MAX: usize = 100_000;

/// A link as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLink {
    /// What it says it is made of.
    pub link: Link,
    /// The link itself; `None` where what is stored is no digest.
    pub digest: Option<Digest>,
    /// What the collector found.
    pub found: Found,
    /// When it was received, Unix ms.
    pub received_ms: i64,
}

/// What the collector found that received a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It could not be stored, and is a dead letter.
    Rejected,
    /// Its rows were those of its link.
    Matched,
    /// They were not.
    Differed,
    /// The collector did not know the form in which they were digested.
    Unknown,
}

/// Rows of one batch, as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredRows {
    /// How many.
    pub rows: u64,
    /// Their digest.
    pub digest: Digest,
    /// Time of the newest, Unix ms.
    pub newest_ms: i64,
}

/// What the ledger says of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its rows.
    pub items: u64,
    /// Whether it went to the dead letters.
    pub rejected: bool,
}

/// Who tells of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teller {
    /// The agent's heartbeats.
    Heartbeat,
    /// Kafka.
    Kafka,
}

/// A head as somebody else knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The head.
    pub head: Head,
    /// Who tells.
    pub teller: Teller,
}

/// All that is known of one sequence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The sequence.
    pub sequence: u64,
    /// Its links; there should be one at most.
    pub links: Vec<StoredLink>,
    /// Its rows.
    pub rows: Option<StoredRows>,
    /// Its row in the ledger.
    pub recorded: Option<Recorded>,
    /// Heads that somebody tells of.
    pub witnesses: Vec<Witness>,
}

/// What is known of the spool as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spool {
    /// Agent.
    pub agent_id: String,
    /// Spool.
    pub spool_id: String,
    /// Up to here batches are known to be settled.
    pub settled_sequence: u64,
    /// The newest heartbeat tells of no chain.
    pub stopped: bool,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Now, Unix ms.
    pub now_ms: i64,
    /// What came before a time is left out, so that chains begin in their midst.
    pub has_beginning: bool,
    /// What came after a time is left out.
    pub has_end: bool,
    /// How long a batch may be under way, ms.
    pub in_flight_ms: i64,
}

/// Outcome of a walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The account.
    pub summary: Summary,
    /// What was found.
    pub findings: Vec<Finding>,
    /// Heads that were looked for and are there.
    pub met: Vec<Digest>,
    /// Rows that the ledger has of batches without a link and without rows that name them: those of
    /// collectors that know of no chains.
    pub unnamed_items: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Walk<'a> {
    asked: Asked,
    spool: Spool,
    /// Dropped ranges, ascending.
    drops: Ranges,
    /// Links that are looked for.
    wanted: &'a [Digest],
    last: Option<Last>,
    /// In the ledger without a link, above the last link.
    unlinked: Ranges,
    /// The highest head that somebody tells of above the last link.
    ahead: Option<Witness>,
    outcome: Outcome,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    head: Head,
    received_ms: i64,
}

impl<'a> Walk<'a> {
    /// The walk of one spool. Drops may overlap and come in any order.
    #[must_use]
    pub fn new(asked: Asked, spool: Spool, drops: Vec<(u64, u64)>, wanted: &'a [Digest]) -> Self {
        let summary = Summary {
            agent_id: spool.agent_id.clone(),
            spool_id: spool.spool_id.clone(),
            ..Summary::default()
        };
        Self {
            asked,
            spool,
            drops: Ranges::of(drops),
            wanted,
            last: None,
            unlinked: Ranges::default(),
            ahead: None,
            outcome: Outcome {
                summary,
                ..Outcome::default()
            },
        }
    }

    /// Goes on to a sequence, above all before.
    pub fn step(&mut self, step: &Step) {
        let follows = |stored: &&StoredLink| {
            let last = self.last.map_or_else(Head::default, |last| last.head);
            stored.link.previous == last
        };
        // Of several, the one that belongs there.
        let stored = step.links.iter().find(follows).or(step.links.first());
        if step.links.len() > 1 {
            let detail = format!("{} links", step.links.len());
            self.find(Kind::LinkRepeated, step.sequence, step.sequence, 0, detail);
        }
        match stored {
            Some(stored) => self.linked(step, stored),
            None => self.unlinked(step),
        }
        for witness in &step.witnesses {
            match stored {
                Some(stored) if stored.digest != Some(witness.head.link) => {
                    let detail =
                        format!("{} tells of link {}", teller(*witness), witness.head.link);
                    let created_ms = witness.head.created_ms;
                    self.find(
                        Kind::HeadDiffers,
                        step.sequence,
                        step.sequence,
                        created_ms,
                        detail,
                    );
                }
                Some(_) => {}
                None => self.ahead = Some(*witness),
            }
        }
    }

    fn linked(&mut self, step: &Step, stored: &StoredLink) {
        let link = &stored.link;
        self.outcome.summary.links += 1;
        let digest = stored.digest.unwrap_or_default();
        if stored.digest != Some(link.digest()) {
            let detail = "it is not the digest of what it says it is made of".to_owned();
            self.find(
                Kind::LinkEdited,
                link.sequence,
                link.sequence,
                link.created_ms,
                detail,
            );
        } else if self.wanted.contains(&digest) {
            self.outcome.met.push(digest);
        }
        self.follow(link, stored.received_ms);
        self.look_at_rows(step, stored);
        if let Some(recorded) = step.recorded
            && recorded.rejected != (stored.found == Found::Rejected)
        {
            let detail = "its link and the ledger differ on whether it was rejected".to_owned();
            self.find(
                Kind::LinkEdited,
                link.sequence,
                link.sequence,
                link.created_ms,
                detail,
            );
        }
        self.last = Some(Last {
            head: Head {
                sequence: link.sequence,
                created_ms: link.created_ms,
                link: digest,
            },
            received_ms: stored.received_ms,
        });
        self.unlinked = Ranges::default();
        self.ahead = None;
    }

    /// Whether a link follows the one before it, and what is missing between the two.
    fn follow(&mut self, link: &Link, received_ms: i64) {
        let (sequence, previous) = (link.sequence, link.previous);
        let Some(last) = self.last else {
            self.begin(link);
            return;
        };
        let behind = last.head.sequence + 1;
        let age_ms = self
            .asked
            .now_ms
            .saturating_sub(last.received_ms.min(received_ms));
        let gap = Ranges::of(vec![(behind, sequence - 1)]);
        self.outcome.summary.dropped += gap.total() - gap.without(&self.drops).total();
        if previous.sequence == 0 {
            let detail = format!("the link before it is that of batch {}", last.head.sequence);
            self.find(
                Kind::ChainBeginsAnew,
                sequence,
                sequence,
                link.created_ms,
                detail,
            );
        } else if previous.sequence == last.head.sequence {
            if previous != last.head {
                let detail = format!(
                    "it names link {} where {} is stored",
                    previous.link, last.head.link
                );
                self.find(
                    Kind::LinkDoesNotFollow,
                    sequence,
                    sequence,
                    link.created_ms,
                    detail,
                );
            }
        } else if previous.sequence < last.head.sequence {
            let passed = Ranges::of(vec![(previous.sequence + 1, sequence - 1)]);
            // An agent that lost the end of its spool says so, also of what had arrived.
            if !passed.without(&self.drops).is_empty() {
                let detail = format!(
                    "it follows batch {}, and so does one before it",
                    previous.sequence
                );
                self.find(
                    Kind::ChainForked,
                    sequence,
                    sequence,
                    link.created_ms,
                    detail,
                );
            }
        }
        // Where records of drops are gone for their age, nothing can be said of gaps.
        if age_ms < LEDGER_KEPT_MS {
            self.missing(&gap, previous.sequence, last.head.created_ms);
        }
    }

    /// The first link that is stored.
    fn begin(&mut self, link: &Link) {
        let previous = link.previous;
        let before = Ranges::of(vec![(1, link.sequence - 1)]);
        if self.asked.has_beginning {
            return;
        }
        self.outcome.summary.dropped += before.total() - before.without(&self.drops).total();
        // The one that it follows was in the chain, and so was one that was told of.
        let told = self.ahead.map_or(0, |witness| witness.head.sequence);
        let told = (told != 0 && told < previous.sequence).then_some((told, told));
        let followed = (previous.sequence, previous.sequence);
        let named = Ranges::of(told.into_iter().chain([followed]).collect());
        let not_chained = self.unlinked.without(&named).without(&self.drops);
        self.outcome.summary.not_chained += not_chained.total();
        if previous.sequence == 0 {
            return;
        }
        if previous.created_ms < self.asked.now_ms.saturating_sub(LINKS_KEPT_MS) {
            self.outcome.summary.links_expired_to = previous.sequence;
            return;
        }
        // Every number below was given out. What nothing tells of is gone; where records of drops may be
        // gone for their age, only what the link names.
        let aged = previous.created_ms < self.asked.now_ms.saturating_sub(LEDGER_KEPT_MS);
        let known = if aged { &named } else { &before };
        let gone = known.without(&self.drops).without(&not_chained);
        self.missing_as(Kind::BatchesDeleted, &gone.up_to(previous.sequence), 0);
    }

    /// Names what of a gap is not accounted for. `chained` is the last number that the chain has in it.
    fn missing(&mut self, gap: &Ranges, chained: u64, created_ms: i64) {
        let open = gap.without(&self.drops);
        let stored = gap.without(&gap.without(&self.unlinked));
        // Of what was dropped nothing is stored; had it come before, it would have its link.
        self.missing_as(Kind::BatchesUnlinked, &stored.without(&open), created_ms);
        self.missing_as(Kind::BatchesDeleted, &open.up_to(chained), created_ms);
        let passed = open.above(chained);
        let nowhere = passed.without(&stored);
        self.missing_as(Kind::BatchesUnlinked, &passed.without(&nowhere), created_ms);
        self.missing_as(Kind::BatchesMissing, &nowhere, created_ms);
    }

    fn missing_as(&mut self, kind: Kind, ranges: &Ranges, created_ms: i64) {
        for &(first, last) in ranges.each() {
            let detail = match (kind, self.unlinked.contains(first)) {
                (Kind::BatchesDeleted, true) => "the ledger has them as stored".to_owned(),
                (Kind::BatchesDeleted, false) => "nothing is stored of them".to_owned(),
                _ => String::new(),
            };
            self.find(kind, first, last, created_ms, detail);
        }
    }

    fn look_at_rows(&mut self, step: &Step, stored: &StoredLink) {
        let link = &stored.link;
        let summary = &mut self.outcome.summary;
        let seen = step.rows.map_or(0, |rows| rows.rows);
        if stored.found == Found::Rejected {
            summary.rejected += 1;
            if seen > 0 {
                let detail = format!("{seen} rows of a batch that was rejected");
                self.find(
                    Kind::RowsInserted,
                    link.sequence,
                    link.sequence,
                    link.created_ms,
                    detail,
                );
            }
            return;
        }
        let age_ms = self.asked.now_ms.saturating_sub(stored.received_ms);
        let kind = if seen < link.rows && age_ms > ROWS_KEPT_MS {
            summary.rows_expired += 1;
            return;
        } else if seen < link.rows {
            Kind::RowsDeleted
        } else if seen > link.rows {
            Kind::RowsInserted
        } else if link.version != VERSION {
            summary.unknown_version += 1;
            return;
        } else if step.rows.is_none_or(|rows| rows.digest == link.rows_digest) {
            summary.verified_rows += seen;
            return;
        } else if stored.found == Found::Differed {
            Kind::RowsDiffered
        } else {
            Kind::RowsEdited
        };
        let detail = match kind {
            Kind::RowsEdited | Kind::RowsDiffered => format!("{seen} rows"),
            _ => format!("{seen} rows where {} were sealed", link.rows),
        };
        self.find(kind, link.sequence, link.sequence, link.created_ms, detail);
    }

    fn unlinked(&mut self, step: &Step) {
        let sequence = step.sequence;
        let is_left_out = self.asked.has_beginning && self.last.is_none();
        match (step.recorded, step.rows) {
            (Some(recorded), rows) => {
                if self.unlinked.each().len() < RANGES_MAX {
                    self.unlinked.push(sequence);
                }
                let expected = if recorded.rejected { 0 } else { recorded.items };
                match rows {
                    // Its rows name no batch: a collector stored it that knows of no chains.
                    None => self.outcome.unnamed_items += expected,
                    Some(rows) if rows.rows != expected => {
                        let expired = self.is_expired(rows) && rows.rows < expected;
                        let kind = match rows.rows > expected {
                            true => Kind::RowsInserted,
                            false => Kind::RowsDeleted,
                        };
                        if !expired {
                            let detail =
                                format!("{} rows where the ledger has {expected}", rows.rows);
                            self.find(kind, sequence, sequence, rows.newest_ms, detail);
                        }
                    }
                    Some(_) => {}
                }
            }
            (None, Some(rows)) => {
                if !is_left_out && !self.is_expired(rows) && !self.asked.has_end {
                    let detail = format!("{} rows", rows.rows);
                    self.find(
                        Kind::RowsOfNoBatch,
                        sequence,
                        sequence,
                        rows.newest_ms,
                        detail,
                    );
                }
            }
            (None, None) => {}
        }
    }

    const fn is_expired(&self, rows: StoredRows) -> bool {
        self.asked.now_ms.saturating_sub(rows.newest_ms) > ROWS_KEPT_MS
    }

    /// The end of the spool.
    #[must_use]
    pub fn end(mut self) -> Outcome {
        let summary = &mut self.outcome.summary;
        let Some(last) = self.last else {
            summary.not_chained += self.unlinked.total();
            self.beyond(0, 0);
            return self.finish();
        };
        summary.head_sequence = last.head.sequence;
        summary.head_created_ms = last.head.created_ms;
        summary.head = last.head.link.to_string();
        if !self.asked.has_end {
            let unlinked = self.unlinked.clone();
            self.missing_as(Kind::BatchesUnlinked, &unlinked, last.head.created_ms);
            self.beyond(last.head.sequence, last.head.created_ms);
            if self.spool.stopped {
                let detail = "its newest heartbeat tells of none".to_owned();
                let sequence = last.head.sequence;
                self.find(
                    Kind::ChainStopped,
                    sequence,
                    sequence,
                    last.head.created_ms,
                    detail,
                );
            }
        }
        self.finish()
    }

    /// What is known to exist above the last link.
    fn beyond(&mut self, last_sequence: u64, created_ms: i64) {
        let limited = self.asked.has_end || (self.asked.has_beginning && last_sequence == 0);
        // A spool without any link and without a word of one is not chained.
        if limited || (last_sequence == 0 && self.ahead.is_none()) {
            return;
        }
        let ahead = self.ahead.map_or(0, |witness| witness.head.sequence);
        let known = ahead.max(self.spool.settled_sequence);
        let settled = self.spool.settled_sequence;
        let all = Ranges::of(vec![(last_sequence + 1, known)]);
        let open = all.without(&self.drops);
        self.outcome.summary.dropped += all.total() - open.total();
        // Those were told of, or the chain had not begun.
        let open = open.without(&self.unlinked);
        self.missing_as(Kind::BatchesDeleted, &open.up_to(settled), created_ms);
        let Some(witness) = self.ahead else { return };
        let open = open.above(settled);
        let age_ms = self.asked.now_ms.saturating_sub(witness.head.created_ms);
        if age_ms <= self.asked.in_flight_ms {
            self.outcome.summary.in_flight += open.total();
            return;
        }
        for &(first, last) in open.each() {
            let detail = format!(
                "{} tells of batch {}, made at the time shown",
                teller(witness),
                witness.head.sequence
            );
            self.find(Kind::Silenced, first, last, witness.head.created_ms, detail);
        }
    }

    fn finish(mut self) -> Outcome {
        let findings = self.outcome.findings.len() as u64;
        self.outcome.summary.findings = findings;
        self.outcome
    }

    fn find(&mut self, kind: Kind, first: u64, last: u64, created_ms: i64, detail: String) {
        self.outcome.findings.push(Finding {
            agent_id: self.spool.agent_id.clone(),
            spool_id: self.spool.spool_id.clone(),
            first_sequence: first,
            last_sequence: last,
            kind,
            created_ms,
            detail,
        });
    }
}

const fn teller(witness: Witness) -> &'static str {
    match witness.teller {
        Teller::Heartbeat => "a heartbeat",
        Teller::Kafka => "Kafka",
    }
}
