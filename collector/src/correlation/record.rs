//! Findings on their way to ClickHouse and to whoever is told.
//!
//! Promises: what is told was written before. What cannot be written is an error, and whoever looks finds it
//! again; a row that was stored after all is the same finding.

use std::collections::BTreeMap;

use crmscope_proto::Id;
use tokio::sync::mpsc;

use super::finding::Finding;
use crate::alerts::Incident;
use crate::clock::now_ms;
use crate::error::Error;
use crate::storage::Storage;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// Findings that last and are in memory, to be ended once they are over; of the others whoever watches next
/// sees the end.
const OPEN_MAX: usize = 20_000;

/// See the module.
pub(crate) struct Record {
    storage: Storage,
    told: Option<mpsc::Sender<Incident>>,
    version: u64,
    /// Findings that last, by id.
    pub(crate) open: BTreeMap<Id, Finding>,
}

impl Record {
    pub(crate) const fn new(storage: Storage, told: Option<mpsc::Sender<Incident>>) -> Self {
        Self {
            storage,
            told,
            version: 0,
            open: BTreeMap::new(),
        }
    }

    /// Goes on with findings that were written before; rows have versions up to this.
    pub(crate) async fn recall(&mut self, findings: Vec<Finding>, version: u64) {
        self.version = self.version.max(version);
        self.open.clear();
        for finding in findings {
            self.tell(&finding).await;
            self.keep(finding);
        }
    }

    /// Writes findings, and tells of those that began, ended or went on.
    pub(crate) async fn write(&mut self, findings: Vec<Finding>) -> Result<(), Error> {
        if findings.is_empty() {
            return Ok(());
        }
        self.version = now_ms().unsigned_abs().max(self.version + 1);
        self.storage.insert(&rows(&findings, self.version)).await?;
        for finding in findings {
            let before = self.open.get(&finding.finding_id);
            let is_known = before.is_some_and(|before| before.generation == finding.generation);
            if is_known == finding.is_over() {
                say(&finding);
                self.tell(&finding).await;
            }
            self.keep(finding);
        }
        Ok(())
    }

    fn keep(&mut self, finding: Finding) {
        if finding.is_over() {
            self.open.remove(&finding.finding_id);
        } else if self.open.len() < OPEN_MAX || self.open.contains_key(&finding.finding_id) {
            self.open.insert(finding.finding_id, finding);
        }
    }

    async fn tell(&mut self, finding: &Finding) {
        if let Some(told) = &self.told
            && let Some(incident) = finding.incident()
            && told.send(incident).await.is_err()
        {
            self.told = None;
        }
    }

    /// Notes that everything that was stored until then was looked at.
    pub(super) async fn looked(&self, looked_ms: i64, checksum: &str) -> Result<(), Error> {
        let mut native = Block::new(1, 64);
        native.i64("looked_ms", std::iter::once(looked_ms));
        native.text("rules", std::iter::once(checksum));
        let insert = named("correlation_looks", looked_ms.unsigned_abs(), 1, native);
        self.storage.insert(&insert).await
    }
}

fn say(finding: &Finding) {
    let (rule, summary) = (finding.rule_id.as_str(), finding.summary.as_str());
    match finding.is_over() {
        false => tracing::warn!(rule, level = finding.level, summary, "security finding"),
        true => tracing::info!(rule, summary, "security finding is over"),
    }
}

fn rows(findings: &[Finding], version: u64) -> Insert {
    let each = || findings.iter();
    let figures = || findings.iter().map(|finding| &finding.figures);
    let mut native = Block::new(findings.len(), 512);
    native.text("rule_id", each().map(|one| one.rule_id.as_str()));
    native.u64("key_hash", each().map(|one| one.key_hash));
    native.uuid("finding_id", each().map(|one| one.finding_id));
    native.text("title", each().map(|one| one.title.as_str()));
    native.text("level", each().map(|one| one.level.as_str()));
    let mut texts = |name, of: fn(&Finding) -> &Vec<String>| {
        let rows: Vec<Vec<&str>> = each()
            .map(|one| of(one).iter().map(String::as_str).collect())
            .collect();
        native.string_arrays(name, &rows);
    };
    texts("group_by", |one| &one.group_by);
    texts("group_key", |one| &one.group_key);
    texts("hosts", |one| &one.figures.hosts);
    texts("users", |one| &one.figures.users);
    texts("sources", |one| &one.figures.sources);
    native.datetime_ms("first_seen", each().map(|one| one.first_ms));
    native.datetime_ms("last_seen", each().map(|one| one.last_ms));
    native.i64("timespan_ms", each().map(|one| one.timespan_ms));
    native.i64("suppress_ms", each().map(|one| one.suppress_ms));
    native.u64("events", figures().map(|figures| figures.events));
    native.u64(
        "distinct_values",
        figures().map(|figures| figures.distinct_values),
    );
    native.u64("hosts_total", figures().map(|figures| figures.hosts_total));
    native.u64("users_total", figures().map(|figures| figures.users_total));
    native.u64(
        "sources_total",
        figures().map(|figures| figures.sources_total),
    );
    native.datetime_ms("events_from", figures().map(|figures| figures.from_ms));
    native.datetime_ms("events_to", figures().map(|figures| figures.to_ms));
    native.string("summary", each().map(|one| one.summary.as_bytes()));
    native.i64("found_ms", each().map(|one| one.found_ms));
    native.i64("changed_ms", each().map(|one| one.changed_ms));
    native.i64("ended_ms", each().map(|one| one.ended_ms));
    native.uuid("merged_into", each().map(|one| one.merged_into));
    native.u16("generation", each().map(|one| one.generation));
    native.u64("version", each().map(|_| version));
    named("findings", version, findings.len(), native)
}

fn named(table: &'static str, number: u64, rows: usize, native: Block) -> Insert {
    let mut insert = Insert::new(table, &Origin::Journal(number), rows, native);
    // Whoever watched before may have written in the same millisecond.
    insert.token = format!("{}-{:016x}", insert.token, fastrand::u64(..));
    insert
}
