//! Keeps the hours: judges each once it is over, and anew when evidence of it comes late. Those of services
//! go with them.
//!
//! Whoever watches over the hosts does it, beside. Promises: an hour is what [`super::super::timeline`]
//! makes of the evidence around it that was there when it was last judged, and evidence that comes later is
//! looked at within some minutes; so is what is expected of a host, where that changes. Work is bounded: a day of a host at a time. When nobody kept the
//! hours for longer than arrivals are remembered, everything of which heartbeats are kept is judged anew.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::plan::Judged;
use super::{cut, store};
use crate::clock::now_ms;
use crate::error::Error;
use crate::presence::evidence::{self, Asked, Host};
use crate::presence::{hosts, services};
use crate::schema::queries::{PRESENCE_FRESH, PRESENCE_JUDGED};
use crate::storage::Storage;

/// From one round to the next.
const EVERY: Duration = Duration::from_secs(60);
/// Arrivals may become visible so long after their time of storing, ms.
const OVERLAP_MS: i64 = 30_000;
/// Clocks of collectors and ClickHouse differ by less, ms.
const CLOCKS_MS: i64 = 600_000;
/// Arrivals are remembered for so long, ms; a little less, as they go part by part.
const REMEMBERED_MS: i64 = 20 * 3_600_000;

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

/// Since when and until when a host is expected, Unix ms.
type Expectation = (Option<i64>, Option<i64>);

struct Keeper {
    storage: Storage,
    judged: BTreeMap<String, Judged>,
    /// What was expected of each host when it was last looked at.
    expectations: BTreeMap<String, Expectation>,
    /// When the last hour of each host was judged by whoever kept them before, Unix ms.
    versions: BTreeMap<String, i64>,
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
            expectations: BTreeMap::new(),
            versions,
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
        let mut hours = 0;
        let mut failures = 0;
        for expected in hosts::expected(&self.storage, "").await? {
            match self.judge(&expected, now_ms).await {
                Ok(judged) => hours += judged,
                // One host holds up no other; what is not done is due again.
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        let agent_id = expected.agent_id;
                        tracing::warn!(agent_id, %error, "hours of a host cannot be judged; trying again");
                    }
                }
            }
        }
        self.stored_ms = self.stored_ms.max(stored_ms.unwrap_or(0));
        Ok(hours)
    }

    /// Hours are stale where the host is expected from another time on, or until another.
    fn expect(&mut self, expected: &hosts::Expected, now_ms: i64) {
        let agent_id = &expected.agent_id;
        let now = (expected.expected_since_ms, expected.retired_at_ms);
        let before = self.expectations.insert(agent_id.clone(), now);
        let from_ms = match before {
            Some(before) if before == now => return,
            Some(before) => changed_from(before, now),
            // Whoever kept them before saw it, unless it is newer than what it judged.
            None => match self.versions.remove(agent_id) {
                Some(version) if expected.changed_ms > version - CLOCKS_MS => 0,
                _ => return,
            },
        };
        if let Some(judged) = self.judged.get_mut(agent_id) {
            judged.expect(from_ms, now_ms);
        }
    }

    /// Judges what is to be judged of a host.
    async fn judge(&mut self, expected: &hosts::Expected, now_ms: i64) -> Result<i64, Error> {
        self.expect(expected, now_ms);
        let agent_id = expected.agent_id.as_str();
        // Of what is not expected any more there is nothing to say.
        let retired_ms = expected.retired_at_ms.unwrap_or(i64::MAX);
        let is_due = |judged: &Judged| {
            let next = judged.next(now_ms);
            next.is_some_and(|range| range.start < retired_ms)
        };
        if self
            .judged
            .get(agent_id)
            .is_some_and(|judged| !is_due(judged))
        {
            return Ok(0);
        }
        // When it was first heard is asked only of those of which something is to be judged.
        let Some(host) = evidence::hosts(&self.storage, agent_id)
            .await?
            .into_iter()
            .next()
        else {
            return Ok(0);
        };
        let new = Judged::nothing(host.first_ms, now_ms);
        let judged = self.judged.entry(agent_id.to_owned()).or_insert(new);
        let mut hours = 0;
        while let Some(range) = judged.next(now_ms) {
            if range.start >= retired_ms {
                break;
            }
            let open_ms = judge(&self.storage, &host, &range, judged.open_ms, now_ms).await?;
            hours += (range.end - range.start) / super::HOUR_MS;
            judged.done(&range, open_ms, now_ms);
        }
        Ok(hours)
    }
}

/// From when on a host is expected otherwise than before, Unix ms; of its first heartbeat, 0.
fn changed_from(before: Expectation, now: Expectation) -> i64 {
    let since = (before.0 != now.0).then(|| before.0.unwrap_or(0).min(now.0.unwrap_or(0)));
    let end = |of: Expectation| of.1.unwrap_or(i64::MAX);
    let until = (before.1 != now.1).then(|| end(before).min(end(now)));
    since.into_iter().chain(until).min().unwrap_or(i64::MAX)
}

/// Judges some hours of a host; returns where the time is open at their end.
async fn judge(
    storage: &Storage,
    host: &Host,
    range: &std::ops::Range<i64>,
    open_ms: i64,
    now_ms: i64,
) -> Result<i64, Error> {
    let seconds = |ms: i64| ms.div_euclid(1000).max(0).unsigned_abs();
    let asked = Asked {
        from: seconds(range.start),
        to: seconds(range.end),
        now_ms,
    };
    let watched = evidence::watched(storage, &asked).await?;
    let before = store::read(storage, &host.agent_id, range).await?;
    let intervals = evidence::timeline_of(storage, host, &asked, &watched).await?;
    let hours = cut(&intervals, range.clone(), open_ms);
    store::write(storage, &host.agent_id, &hours, &before, now_ms).await?;
    Ok(hours.last().map_or(range.end, |hour| hour.open_ms))
}
