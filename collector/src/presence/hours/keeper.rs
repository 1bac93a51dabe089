//! Keeps the hours: judges each once it is over, and anew when evidence of it comes late. Those of services
//! go with them.
//!
//! Whoever watches over the hosts does it, beside. Promises: an hour is what [`super::super::timeline`]
//! makes of the evidence around it that was there when it was last judged, and evidence that comes later is
//! looked at within some minutes; so is what is expected of a host, where that changes. Work is bounded: a day of some hosts at a time. When nobody kept the
//! hours for longer than arrivals are remembered, everything of which heartbeats are kept is judged anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::task::JoinSet;

use super::inventory::Inventory;
use super::plan::Judged;
use super::{AT_ONCE, cut, store};
use crate::clock::now_ms;
use crate::error::{Code, Error};
use crate::presence::evidence::{self, Asked, Host};
use crate::presence::{hosts, services};
use crate::schema::queries::{PRESENCE_FRESH, PRESENCE_JUDGED};
use crate::storage::Storage;

/// From one round to the next.
const EVERY: Duration = Duration::from_secs(60);
/// Arrivals may become visible so long after their time of storing, ms.
const OVERLAP_MS: i64 = 30_000;
/// Clocks of collectors and ClickHouse differ by less, ms.
pub(super) const CLOCKS_MS: i64 = 600_000;
/// Arrivals are remembered for so long, ms; a little less, as they go part by part.
const REMEMBERED_MS: i64 = 20 * 3_600_000;
/// Hosts whose hours are one insert: as many inserts as hosts would be as many parts to merge.
const HOSTS_MAX: usize = 200;

#[derive(Deserialize)]
struct JudgedRow {
    agent_id: String,
    judged_to: i64,
    open_ms: i64,
    version: i64,
}

#[derive(Deserialize)]
struct FreshRow {
    agent_id: String,
    first_ms: i64,
    stored_ms: i64,
}

struct Keeper {
    storage: Storage,
    judged: BTreeMap<String, Judged>,
    inventory: Inventory,
    stored_ms: i64,
}

/// Keeps them until it is aborted.
pub(crate) async fn run(storage: Storage) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut keeper = None;
    let mut of_services = services::keeper::Keeper::default();
    loop {
        ticks.tick().await;
        match of_services.round(&storage, now_ms()).await {
            Ok(0) => {}
            Ok(hours) => tracing::debug!(hours, "hours of services judged"),
            Err(error) => tracing::debug!(%error, "hours of services are not kept now"),
        }
        let mut now = match keeper.take() {
            Some(keeper) => keeper,
            None => match Keeper::begin(storage.clone()).await {
                Ok(keeper) => keeper,
                Err(error) => {
                    tracing::warn!(%error, "hours are not kept now; trying again");
                    continue;
                }
            },
        };
        match now.round().await {
            Ok(0) => {}
            Ok(hours) => tracing::debug!(hours, "hours judged"),
            // What is done is written; the rest is found again.
            Err(error) => {
                tracing::debug!(%error, "hours are not kept now");
                continue;
            }
        }
        keeper = Some(now);
    }
}

impl Keeper {
    /// Goes on where whoever kept them before ended.
    async fn begin(storage: Storage) -> Result<Self, Error> {
        let rows: Vec<JudgedRow> = storage
            .rows("judged hours", PRESENCE_JUDGED, |query| query)
            .await?;
        let now_ms = now_ms();
        let mut since_ms = now_ms;
        let (mut judged, mut versions) = (BTreeMap::new(), BTreeMap::new());
        for row in rows {
            versions.insert(row.agent_id.clone(), row.version);
            let mut known = Judged {
                to_ms: row.judged_to * 1000,
                open_ms: row.open_ms,
                stale_ms: None,
                rests_until_ms: 0,
            };
            if row.version < now_ms - REMEMBERED_MS {
                known.renew(0, now_ms);
            } else {
                since_ms = since_ms.min(row.version - CLOCKS_MS);
            }
            judged.insert(row.agent_id, known);
        }
        Ok(Self {
            storage,
            judged,
            inventory: Inventory::new(versions),
            stored_ms: since_ms.max(now_ms - REMEMBERED_MS),
        })
    }

    /// Judges what is to be judged; returns how many hours.
    async fn round(&mut self) -> Result<i64, Error> {
        let after_ms = (self.stored_ms - OVERLAP_MS).max(0).to_string();
        let bind = |query: clickhouse::query::Query| query.param("after_ms", &after_ms);
        let fresh: Vec<FreshRow> = self
            .storage
            .rows("fresh evidence", PRESENCE_FRESH, bind)
            .await?;
        let now_ms = now_ms();
        for row in &fresh {
            if let Some(judged) = self.judged.get_mut(&row.agent_id) {
                judged.renew(row.first_ms, now_ms);
            }
        }
        let stored_ms = fresh.iter().map(|row| row.stored_ms).max();
        let expected = hosts::expected(&self.storage, "").await?;
        for host in &expected {
            let stale_ms = self.inventory.expect(host);
            if let (Some(from_ms), Some(judged)) = (stale_ms, self.judged.get_mut(&host.agent_id)) {
                judged.expect(from_ms, now_ms);
            }
        }
        for row in &fresh {
            self.inventory.heard(&row.agent_id, row.first_ms);
        }
        for (agent_id, first_ms) in self.inventory.ask(&self.storage, &expected).await? {
            let new = Judged::nothing(first_ms, now_ms);
            self.judged.entry(agent_id).or_insert(new);
        }
        let mut hours = 0;
        let mut failed = BTreeSet::new();
        loop {
            let due = self.due(&expected, &failed, now_ms);
            if due.is_empty() {
                break;
            }
            for (range, agents) in due {
                for agents in agents.chunks(HOSTS_MAX) {
                    hours += self.judge(&range, agents, &mut failed, now_ms).await?;
                }
            }
        }
        self.stored_ms = self.stored_ms.max(stored_ms.unwrap_or(0));
        Ok(hours)
    }

    /// The hours that are due, and of which hosts; of what is not expected any more there is nothing to say.
    fn due(
        &self,
        expected: &[hosts::Expected],
        failed: &BTreeSet<String>,
        now_ms: i64,
    ) -> Vec<(Range<i64>, Vec<String>)> {
        let mut due: BTreeMap<(i64, i64), Vec<String>> = BTreeMap::new();
        for host in expected {
            let agent_id = &host.agent_id;
            let retired_ms = host.retired_at_ms.unwrap_or(i64::MAX);
            let next = self.judged.get(agent_id).and_then(|one| one.next(now_ms));
            if let Some(range) = next
                && range.start < retired_ms
                && !failed.contains(agent_id)
            {
                let agents = due.entry((range.start, range.end)).or_default();
                agents.push(agent_id.clone());
            }
        }
        due.into_iter()
            .map(|((start, end), agents)| (start..end, agents))
            .collect()
    }

    /// Judges the same hours of some hosts; returns how many hours. One host holds up no other: those of
    /// which nothing could be read `failed`, and are due again in the next round.
    async fn judge(
        &mut self,
        range: &Range<i64>,
        agents: &[String],
        failed: &mut BTreeSet<String>,
        now_ms: i64,
    ) -> Result<i64, Error> {
        let asked = asked(range, now_ms);
        let watched: Arc<[Range<i64>]> = evidence::watched(&self.storage, &asked).await?.into();
        let known = |agent_id: &String| {
            let host = self.inventory.host(agent_id)?.clone();
            Some((host, self.judged.get(agent_id)?.open_ms))
        };
        let mut waiting: Vec<(Host, i64)> = agents.iter().filter_map(known).collect();
        let mut judgements = Vec::with_capacity(waiting.len());
        let mut tasks = JoinSet::new();
        loop {
            while tasks.len() < AT_ONCE
                && let Some((host, open_ms)) = waiting.pop()
            {
                let (storage, watched) = (self.storage.clone(), Arc::clone(&watched));
                tasks.spawn(async move {
                    let judged = judge(&storage, &host, &asked, &watched, open_ms).await;
                    (host.agent_id, judged)
                });
            }
            let Some(done) = tasks.join_next().await else {
                break;
            };
            let gone = |error| Error::new(Code::Internal, format!("judging hours: {error}"));
            match done.map_err(gone)? {
                (_, Ok(judgement)) => judgements.push(judgement),
                (agent_id, Err(error)) => {
                    if failed.is_empty() {
                        tracing::warn!(agent_id, %error, "hours of a host cannot be judged; trying again");
                    }
                    failed.insert(agent_id);
                }
            }
        }
        // Of whom nothing is known any more, nothing is due.
        let is_unknown = |id: &&String| self.inventory.host(id).is_none();
        failed.extend(agents.iter().filter(is_unknown).cloned());
        store::write(&self.storage, &judgements, now_ms).await?;
        for judgement in &judgements {
            let open_ms = judgement
                .hours
                .last()
                .map_or(range.end, |hour| hour.open_ms);
            if let Some(judged) = self.judged.get_mut(&judgement.agent_id) {
                judged.done(range, open_ms, now_ms);
            }
        }
        let hours = (range.end - range.start) / super::HOUR_MS;
        Ok(hours * i64::try_from(judgements.len()).unwrap_or(0))
    }
}

/// Whole hours, as evidence is asked for.
fn asked(range: &Range<i64>, now_ms: i64) -> Asked {
    let seconds = |ms: i64| ms.div_euclid(1000).max(0).unsigned_abs();
    Asked {
        from: seconds(range.start),
        to: seconds(range.end),
        now_ms,
    }
}

/// Judges some hours of a host, of which the time is open since `open_ms`.
async fn judge(
    storage: &Storage,
    host: &Host,
    asked: &Asked,
    watched: &[Range<i64>],
    open_ms: i64,
) -> Result<store::Judgement, Error> {
    let range = asked.range_ms();
    let mut kept = store::read(storage, &[&host.agent_id], &range).await?;
    let intervals = evidence::timeline_of(storage, host, asked, watched).await?;
    Ok(store::Judgement {
        agent_id: host.agent_id.clone(),
        hours: cut(&intervals, range, open_ms),
        before: kept.remove(&host.agent_id).unwrap_or_default(),
    })
}
