//! Keeps the hours of services: judges each once it is over, and anew when runs of it come late.
//!
//! Goes with the keeper of hosts' hours, a round of it at a time. What is due is worked out from what is
//! stored, so whoever takes over goes on, and nothing is missed while nobody kept them, as far as runs are
//! kept. Work is bounded: a day of a service at a time.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;

use super::plan::{Hour, KEPT_MS, due};
use super::timeline::{Evidence, timeline};
use super::{evidence, hours};
use crate::error::Error;
use crate::presence::hours::HOUR_MS;
use crate::schema::queries::SERVICE_JUDGED;
use crate::storage::Storage;

#[derive(Deserialize)]
struct JudgedRow {
    service: String,
    t: i64,
    runs: u64,
    judged_runs: u64,
    version: i64,
}

/// What the rounds remember.
#[derive(Default)]
pub(crate) struct Keeper {
    /// Hours of which the roll-up counts what is not among the runs, what it counts, and how often they
    /// were judged with it: they would be judged again and again.
    odd: BTreeMap<(String, i64), (u64, u32)>,
}

/// An hour is judged so often while its runs and the roll-up of them differ; inserts take seconds.
const TRIES_MAX: u32 = 5;

impl Keeper {
    /// Judges what is to be judged; returns how many hours.
    pub(crate) async fn round(&mut self, storage: &Storage, now_ms: i64) -> Result<i64, Error> {
        let days = (KEPT_MS / (24 * HOUR_MS) + 2).to_string();
        let bind = |query: clickhouse::query::Query| query.param("days", &days);
        let rows: Vec<JudgedRow> = storage
            .rows("judged hours of services", SERVICE_JUDGED, bind)
            .await?;
        let mut services: BTreeMap<String, BTreeMap<i64, Hour>> = BTreeMap::new();
        for row in rows {
            let at_ms = row.t * 1000;
            let key = (row.service, at_ms);
            let tried = self.odd.get(&key);
            let is_odd = tried.is_some_and(|&(runs, tries)| runs == row.runs && tries >= TRIES_MAX);
            let runs = if is_odd { row.judged_runs } else { row.runs };
            let judged = (row.version > 0).then_some((row.judged_runs, row.version));
            let hours = services.entry(key.0).or_default();
            hours.insert(at_ms, Hour { runs, judged });
        }
        let oldest_ms = now_ms - 2 * KEPT_MS;
        self.odd.retain(|(_, at_ms), _| *at_ms > oldest_ms);
        let mut judged = 0;
        let mut failures = 0;
        for (service, hours) in &services {
            match self.judge(storage, service, hours, now_ms).await {
                Ok(hours) => judged += hours,
                // One service holds up no other; what is not done is due again.
                Err(error) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(service, %error, "hours of a service cannot be judged; trying again");
                    }
                }
            }
        }
        Ok(judged)
    }

    async fn judge(
        &mut self,
        storage: &Storage,
        service: &str,
        known: &BTreeMap<i64, Hour>,
        now_ms: i64,
    ) -> Result<i64, Error> {
        let mut judged = 0;
        for range in due(known, now_ms) {
            let before = hours::read(storage, service, &range).await?;
            let evidence = evidence::runs(storage, service, &range).await?;
            let intervals = timeline(&evidence, &range, now_ms);
            let hours = hours::cut(&intervals, &range, |hour| count(&evidence, hour));
            hours::write(storage, service, &hours, &before, now_ms).await?;
            for hour in &hours {
                let counted = known.get(&hour.from_ms).map_or(0, |known| known.runs);
                if counted != hour.runs {
                    let key = (service.to_owned(), hour.from_ms);
                    let (runs, tries) = self.odd.entry(key).or_default();
                    *tries = if *runs == counted { *tries + 1 } else { 1 };
                    *runs = counted;
                }
            }
            judged += (range.end - range.start) / HOUR_MS;
        }
        Ok(judged)
    }
}

/// How many runs began in a time.
fn count(evidence: &Evidence, range: &Range<i64>) -> u64 {
    let runs = evidence.tracks.iter().flat_map(|track| &track.runs);
    let within = runs.filter(|run| range.contains(&run.at_ms));
    u64::try_from(within.count()).unwrap_or(u64::MAX)
}
