//! Keeps the hours of services: judges each once it is over, and anew when runs of it come late.
//!
//! Goes with the keeper of hosts' hours, a round of it at a time. What is due is worked out from what is
//! stored, so whoever takes over goes on, and nothing is missed while nobody kept them, as far as runs are
//! kept. Work is bounded: a day of a service at a time.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;

use super::plan::{Hour, KEPT_MS, REST_MS, due};
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

/// What the rounds remember of hours that were judged anew.
#[derive(Default)]
pub(crate) struct Keeper {
    tried: BTreeMap<(String, i64), Tried>,
}

#[derive(Clone, Copy, Default)]
struct Tried {
    rests_until_ms: i64,
    /// What the roll-up counted where it was not among the runs, and how often the hour was judged with
    /// that: it would be judged again and again.
    counted: u64,
    times: u32,
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
            let tried = self.tried.get(&key).copied().unwrap_or_default();
            let is_odd = tried.times >= TRIES_MAX && tried.counted == row.runs;
            let hour = Hour {
                runs: if is_odd { row.judged_runs } else { row.runs },
                judged: (row.version > 0).then_some(row.judged_runs),
                rests_until_ms: tried.rests_until_ms,
            };
            services.entry(key.0).or_default().insert(at_ms, hour);
        }
        let oldest_ms = now_ms - 2 * KEPT_MS;
        self.tried.retain(|(_, at_ms), _| *at_ms > oldest_ms);
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
                let told = known.get(&hour.from_ms).copied().unwrap_or_default();
                self.remember((service.to_owned(), hour.from_ms), &told, hour.runs, now_ms);
            }
            judged += (range.end - range.start) / HOUR_MS;
        }
        Ok(judged)
    }

    /// An hour that told of other runs is judged with so many.
    fn remember(&mut self, key: (String, i64), told: &Hour, runs: u64, now_ms: i64) {
        let is_odd = told.runs != runs;
        let is_anew = told.judged.is_some_and(|judged| judged != told.runs);
        if !is_odd && !is_anew {
            return;
        }
        let tried = self.tried.entry(key).or_default();
        if !is_odd {
            tried.rests_until_ms = now_ms + REST_MS;
        } else if tried.counted == told.runs {
            tried.times += 1;
        } else {
            (tried.counted, tried.times) = (told.runs, 1);
        }
    }
}

/// How many runs began in a time.
fn count(evidence: &Evidence, range: &Range<i64>) -> u64 {
    let runs = evidence.tracks.iter().flat_map(|track| &track.runs);
    let within = runs.filter(|run| range.contains(&run.at_ms));
    u64::try_from(within.count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_that_is_never_whole_is_not_judged_for_ever() {
        let mut keeper = Keeper::default();
        let key = ("crm".to_owned(), 0);
        let hour = |runs, judged| Hour {
            runs,
            judged,
            rests_until_ms: 0,
        };
        // The first time, and once it is whole, there is nothing to remember.
        keeper.remember(key.clone(), &hour(5, None), 5, 1_000);
        keeper.remember(key.clone(), &hour(5, Some(5)), 5, 1_000);
        assert!(keeper.tried.is_empty());
        keeper.remember(key.clone(), &hour(6, Some(5)), 6, 1_000);
        let tried = |keeper: &Keeper| keeper.tried.get(&key).copied().unwrap_or_default();
        assert_eq!(tried(&keeper).rests_until_ms, 1_000 + REST_MS);
        // The roll-up counts seven, and there are six.
        for _ in 0..TRIES_MAX {
            keeper.remember(key.clone(), &hour(7, Some(6)), 6, 2_000);
        }
        assert_eq!(
            (tried(&keeper).counted, tried(&keeper).times),
            (7, TRIES_MAX)
        );
        keeper.remember(key.clone(), &hour(8, Some(6)), 6, 2_000);
        assert_eq!((tried(&keeper).counted, tried(&keeper).times), (8, 1));
    }
}
