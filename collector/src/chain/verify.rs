//! The whole of it: asked, walked, and looked at again where something was found.
//!
//! The answers are of different moments, and batches are stored meanwhile, so what one look finds need not
//! be so. It counts when the next look, [`PAUSE`] later, finds the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crmscope_proto::chain::{Digest, Head};
use serde::Deserialize;

use super::feed::{Feed, Key, TIME_MAX_S, Times};
use super::finding::{Finding, Kind, Report};
use super::merge::{External, Merge, Walked};
use super::walk::Asked;
use crate::error::Error;
use crate::storage::Storage;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(3);
/// Agents that are looked at again one by one; of more, all are.
const AGENTS_MAX: usize = 20;

const COUNT: &str = include_str!("../../../deploy/clickhouse/verify/count.sql");

/// A head that somebody kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedHead {
    /// Agent.
    pub agent_id: String,
    /// Its link.
    pub link: Digest,
}

/// A head that stands elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalHead {
    /// Agent.
    pub agent_id: String,
    /// Spool, as text.
    pub spool_id: String,
    /// The head.
    pub head: Head,
}

/// What to verify.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// One agent; empty for all.
    pub agent: String,
    /// Only what was received from then on, Unix seconds.
    pub from: Option<u64>,
    /// Only what was received before, Unix seconds.
    pub to: Option<u64>,
    /// Heads that somebody kept.
    pub heads: Vec<AskedHead>,
    /// Heads in Kafka; `None` where there is no Kafka.
    pub kafka: Option<Vec<ExternalHead>>,
    /// How long a batch may be under way.
    pub in_flight: Duration,
    /// Now, Unix ms.
    pub now_ms: i64,
}

#[derive(Deserialize)]
struct Count {
    links: u64,
}

/// Verifies. `progress` hears how many links are done of how many, and whose.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn verify(
    storage: &Storage,
    question: &Question,
    mut progress: impl FnMut(u64, u64, &str),
) -> Result<Report, Error> {
    let counted: Vec<Count> = storage
        .rows("links", COUNT, |query| {
            query.param("agent", &question.agent)
        })
        .await?;
    let total = counted.first().map_or(0, |count| count.links);
    let mut done = 0;
    let mut report = look(storage, question, &question.agent, |agent| {
        done += 1;
        progress(done, total, agent);
    })
    .await?;
    if !report.is_whole() {
        tokio::time::sleep(PAUSE).await;
        confirm(storage, question, &mut report).await?;
    }
    progress(0, 0, "");
    report.kafka_heads = question.kafka.as_ref().map(|heads| heads.len() as u64);
    report.findings.sort();
    Ok(report)
}

/// Looks again at the agents of which something was found; what was found twice stays.
async fn confirm(storage: &Storage, question: &Question, report: &mut Report) -> Result<(), Error> {
    let agents: BTreeSet<&str> = report
        .findings
        .iter()
        .map(|finding| finding.agent_id.as_str())
        .collect();
    let mut again = Report::default();
    if report.unlisted_findings > 0 || agents.len() > AGENTS_MAX || agents.contains("") {
        again = look(storage, question, &question.agent, |_| {}).await?;
    } else {
        for agent in &agents {
            let one = look(storage, question, agent, |_| {}).await?;
            again.chains.extend(one.chains);
            again.rows_without_batch.extend(one.rows_without_batch);
            again.add(one.findings);
        }
    }
    let first: BTreeSet<Finding> = report.findings.drain(..).collect();
    // Beyond what is listed, one look has to do.
    let unlisted = report.unlisted_findings.min(again.unlisted_findings);
    report.findings = again.findings;
    report.findings.retain(|finding| first.contains(finding));
    report.unlisted_findings = unlisted;
    for chain in &mut report.chains {
        let same = |other: &&super::Summary| {
            (&other.agent_id, &other.spool_id) == (&chain.agent_id, &chain.spool_id)
        };
        if let Some(newer) = again.chains.iter().find(same) {
            *chain = newer.clone();
        }
        let of_chain = report.findings.iter().filter(|finding| {
            (&finding.agent_id, &finding.spool_id) == (&chain.agent_id, &chain.spool_id)
        });
        chain.findings = of_chain.count() as u64;
    }
    Ok(())
}

async fn look(
    storage: &Storage,
    question: &Question,
    agent: &str,
    mut progress: impl FnMut(&str),
) -> Result<Report, Error> {
    let in_flight_ms = i64::try_from(question.in_flight.as_millis()).unwrap_or(i64::MAX);
    let settled_ms = question.now_ms.saturating_sub(in_flight_ms);
    let times = Times {
        from: question.from.unwrap_or(0),
        to: question.to.unwrap_or(TIME_MAX_S),
        settled: u64::try_from(settled_ms / 1000).unwrap_or(0),
    };
    let asked = Asked {
        now_ms: question.now_ms,
        has_beginning: question.from.is_some(),
        has_end: question.to.is_some(),
        in_flight_ms,
    };
    let is_asked = |id: &str| agent.is_empty() || agent == id;
    let mut wanted: BTreeMap<String, Vec<Digest>> = BTreeMap::new();
    for head in question
        .heads
        .iter()
        .filter(|head| is_asked(&head.agent_id))
    {
        wanted
            .entry(head.agent_id.clone())
            .or_default()
            .push(head.link);
    }
    let mut external = External::new();
    for head in question.kafka.iter().flatten() {
        if is_asked(&head.agent_id) {
            let key = Key {
                agent_id: head.agent_id.clone(),
                spool_id: head.spool_id.clone(),
            };
            external.entry(key).or_default().push(head.clone());
        }
    }
    let mut merge = Merge::new(Feed::ask(storage, agent, times).await?, external, asked);
    let mut report = Report::default();
    let mut unnamed: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    while let Some(walked) = merge.next(&wanted, &mut progress).await? {
        match walked {
            Walked::Unnamed { agent_id, rows } => unnamed.entry(agent_id).or_default().0 += rows,
            Walked::Spool(outcome) => {
                let agent_id = &outcome.summary.agent_id;
                if outcome.unnamed_items > 0 {
                    unnamed.entry(agent_id.clone()).or_default().1 += outcome.unnamed_items;
                }
                if let Some(wanted) = wanted.get_mut(agent_id) {
                    wanted.retain(|digest| !outcome.met.contains(digest));
                }
                let summary = outcome.summary;
                // A spool of which nothing was received yet.
                let is_there = summary.links + summary.not_chained + summary.dropped > 0;
                if is_there || !outcome.findings.is_empty() || summary.in_flight > 0 {
                    report.chains.push(summary);
                }
                report.add(outcome.findings);
            }
        }
    }
    for (agent_id, (rows, accounted)) in unnamed {
        // In a part of the time the two do not belong to each other.
        if rows > accounted && !asked.has_beginning && !asked.has_end {
            report.add(vec![Finding {
                agent_id: agent_id.clone(),
                kind: Kind::RowsInserted,
                detail: format!(
                    "{rows} rows name no batch, and the ledger has {accounted} of such"
                ),
                ..nowhere()
            }]);
        }
        report.rows_without_batch.insert(agent_id, rows);
    }
    for (agent_id, links) in wanted {
        for link in links {
            report.add(vec![Finding {
                agent_id: agent_id.clone(),
                kind: Kind::HeadUnknown,
                detail: format!("link {link}"),
                ..nowhere()
            }]);
        }
    }
    Ok(report)
}

const fn nowhere() -> Finding {
    Finding {
        agent_id: String::new(),
        spool_id: String::new(),
        first_sequence: 0,
        last_sequence: 0,
        kind: Kind::HeadUnknown,
        created_ms: 0,
        detail: String::new(),
    }
}
