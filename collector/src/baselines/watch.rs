//! Looks for what is unusual of users with new events, every five seconds.
//!
//! Nothing is kept of a user from one look to the next. Each look begins a little before the one before, as
//! an insert may become visible after its time of storing; what is judged twice is the same finding. A look
//! that fails is made again from where the last one ended.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tz::TimeZone;

use super::config::Config;
use super::feed::{Feed, News, USERS_AT_ONCE, USERS_PAGE};
use super::history::{DAY_MS, HOUR_MS};
use super::judge::{Detector, Verdict, judge};
use super::metrics::Metrics;
use super::record::{PREFIX, Told, evidence, key, key_hash, rule, run};
use super::sentence::{count, sentence};
use crate::alerts::Incident;
use crate::correlation::episodes::{Key, NOT_MERGED, Run, is_due_to_end, join};
use crate::correlation::feed::{Asked, FINDINGS_MAX};
use crate::correlation::finding::{Finding, duration};
use crate::correlation::record::Record;
use crate::correlation::rows::Touched;
use crate::error::Error;
use crate::presence::maintenance::zone::Zones;
use crate::storage::Storage;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Events may become visible so long after their time of storing, ms.
const OVERLAP_MS: i64 = 30_000;
/// How often it is noted up to when was looked.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// Before that, what is looked at again after a start, ms.
const AGAIN_MS: i64 = 900_000;
/// Arrivals are remembered for so long, ms; a little less, as they go part by part.
const REMEMBERED_MS: i64 = 6 * DAY_MS;
/// How long ago findings may have ended that are told again after a take-over, ms.
const OVER_MS: i64 = DAY_MS;

/// Looks until it is aborted.
pub(crate) async fn run_watch(
    storage: Storage,
    config: Config,
    told: Option<mpsc::Sender<Incident>>,
    metrics: Metrics,
) {
    if !config.enabled {
        return;
    }
    let zone = match Zones::default().zone(&config.zone) {
        Ok(zone) => zone.clone(),
        Err(error) => {
            tracing::error!(%error, "baselines are not looked for");
            return;
        }
    };
    let mut watching = Watching {
        findings: crate::correlation::feed::Feed {
            storage: storage.clone(),
        },
        record: Record::new(storage.clone(), told),
        feed: Feed { storage },
        config,
        zone,
        metrics,
        next_ms: None,
        noted: None,
    };
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut fails = false;
    loop {
        ticks.tick().await;
        match watching.look().await {
            Ok(()) if fails => {
                tracing::info!("what users do is looked at again");
                fails = false;
            }
            Ok(()) => {}
            Err(error) => {
                watching.metrics.failures.inc();
                if !fails {
                    tracing::warn!(%error, "what users do cannot be looked at; what was missed is looked at later");
                }
                fails = true;
            }
        }
    }
}

/// Who looks.
struct Watching {
    feed: Feed,
    findings: crate::correlation::feed::Feed,
    record: Record,
    config: Config,
    zone: TimeZone,
    metrics: Metrics,
    /// What was stored since then is new, Unix ms; none before the first look.
    next_ms: Option<i64>,
    noted: Option<Instant>,
}

/// Verdicts of one key.
struct Found {
    user_hash: u64,
    key: Vec<String>,
    verdicts: Vec<Verdict>,
}

impl Watching {
    /// Goes on where whoever looked before ended.
    async fn begin(&mut self, looked_ms: i64, now_ms: i64) -> Result<i64, Error> {
        let asked = Asked {
            from_ms: now_ms - OVER_MS,
            open: false,
            merged: true,
            limit: FINDINGS_MAX,
        };
        let (mut findings, version) = self.findings.findings(asked).await?;
        findings.retain(|finding| finding.rule_id.starts_with(PREFIX));
        self.record.recall(findings, version).await;
        if looked_ms > 0 && looked_ms < now_ms - REMEMBERED_MS {
            tracing::warn!(
                "nobody looked at what users do for six days; what came before is not judged, but is their past"
            );
        }
        Ok(looked_ms - AGAIN_MS)
    }

    async fn look(&mut self) -> Result<(), Error> {
        let looked = self.feed.looked().await?;
        let next_ms = match self.next_ms {
            Some(next_ms) => next_ms,
            None => self.begin(looked.looked_ms, looked.now_ms).await?,
        };
        self.next_ms = Some(next_ms);
        let after_ms = (next_ms.min(looked.now_ms) - OVERLAP_MS).max(0);
        let mut beyond = 0;
        loop {
            let page = self.feed.news(after_ms, beyond).await?;
            self.metrics.users.inc_by(page.len() as u64);
            for users in page.chunks(USERS_AT_ONCE) {
                self.judge(users, looked.now_ms).await?;
            }
            match page.last() {
                Some(last) if page.len() >= USERS_PAGE => beyond = last.user_hash,
                _ => break,
            }
        }
        self.settle(looked.now_ms).await?;
        self.next_ms = Some(looked.now_ms);
        self.metrics.looks.inc();
        if self.noted.is_none_or(|noted| noted.elapsed() >= NOTE_EVERY) {
            self.note(looked.now_ms).await?;
            self.noted = Some(Instant::now());
        }
        Ok(())
    }

    /// What is unusual of some users' hours.
    async fn judge(&mut self, users: &[News], now_ms: i64) -> Result<(), Error> {
        let hours = || users.iter().flat_map(|user| user.hours_ms.iter().copied());
        let (Some(first_ms), Some(last_ms)) = (hours().min(), hours().max()) else {
            return Ok(());
        };
        let span = (
            first_ms - i64::from(self.config.history_days) * DAY_MS,
            last_ms + HOUR_MS,
        );
        let names: Vec<(u64, &str)> = users
            .iter()
            .map(|user| (user.user_hash, user.user.as_str()))
            .collect();
        let histories = self.feed.histories(&names, span, &self.metrics).await?;
        let mut found: BTreeMap<(Detector, u64), Found> = BTreeMap::new();
        for (user, mut history) in users.iter().zip(histories) {
            let mut told = Told::default();
            for &hour_ms in &user.hours_ms {
                self.metrics.hours.inc();
                let verdicts = judge(&self.config, &self.zone, &history, hour_ms);
                told.add(&self.config, &verdicts, &mut history.told);
                for verdict in verdicts {
                    let key = key(&user.user, &verdict);
                    let hash = key_hash(verdict.detector, &key);
                    let of = found.entry((verdict.detector, hash));
                    let of = of.or_insert_with(|| Found {
                        user_hash: user.user_hash,
                        key,
                        verdicts: Vec::new(),
                    });
                    of.verdicts.push(verdict);
                }
            }
            // A long turn leaves room for others.
            tokio::task::yield_now().await;
        }
        for detector in Detector::ALL {
            let of = found.range((detector, 0)..=(detector, u64::MAX));
            let of: Vec<(u64, &Found)> = of.map(|(&(_, hash), found)| (hash, found)).collect();
            if !of.is_empty() {
                self.store(detector, &of, now_ms).await?;
            }
        }
        Ok(())
    }

    /// Joins verdicts with the findings that are stored, and writes what differs.
    async fn store(
        &mut self,
        detector: Detector,
        found: &[(u64, &Found)],
        now_ms: i64,
    ) -> Result<(), Error> {
        let Some(level) = detector.level(&self.config) else {
            return Ok(());
        };
        let rule = rule(detector, level);
        let verdicts = || found.iter().flat_map(|(_, found)| &found.verdicts);
        let first_ms = verdicts().map(|of| of.first_ms).min().unwrap_or(0);
        let last_ms = verdicts().map(|of| of.last_ms).max().unwrap_or(0);
        let span = (
            (first_ms - rule.suppress_ms).max(0),
            last_ms + rule.suppress_ms,
        );
        let touched: Vec<Touched> = found
            .iter()
            .map(|(key_hash, found)| Touched {
                key: found.key.clone(),
                key_hash: *key_hash,
                first_ms,
                last_ms,
            })
            .collect();
        let near = self.findings.near(&rule, &touched, span).await?;
        let mut written = Vec::new();
        for (hash, found) in found {
            let stored: Vec<Finding> = near
                .iter()
                .filter(|finding| finding.key_hash == *hash)
                .cloned()
                .collect();
            let runs: Vec<Run> = found.verdicts.iter().map(run).collect();
            let key = Key {
                rule: &rule,
                values: &found.key,
                hash: *hash,
            };
            let changed = join(key, &stored, &runs, now_ms);
            let is_changed =
                |finding: &Finding| changed.iter().any(|of| of.finding_id == finding.finding_id);
            let is_counted = |finding: &Finding| {
                found.verdicts.iter().any(|verdict| {
                    verdict.first_ms <= finding.last_ms && verdict.last_ms >= finding.first_ms
                })
            };
            let same: Vec<Finding> = stored
                .iter()
                .filter(|one| !is_changed(one) && is_counted(one))
                .cloned()
                .collect();
            for finding in changed.iter().cloned().chain(same) {
                let before = finding.clone();
                let finding = match finding.merged_into == NOT_MERGED {
                    true => self.explain(found, finding).await?,
                    false => finding,
                };
                if is_changed(&before) || finding != before {
                    written.push(finding);
                }
            }
        }
        self.metrics.written.inc_by(written.len() as u64);
        self.record.write(written).await
    }

    /// Counts what a finding has, and says what its first hour was like.
    async fn explain(&self, found: &Found, mut finding: Finding) -> Result<Finding, Error> {
        let Some(any) = found.verdicts.first() else {
            return Ok(finding);
        };
        let span = (finding.first_ms, finding.last_ms);
        let evidence = evidence(found.user_hash, any, span);
        let (mut figures, records) = self.feed.evidence(&evidence).await?;
        let user = found.key.first().cloned().unwrap_or_default();
        let first_hour_ms = finding.first_ms.div_euclid(HOUR_MS) * HOUR_MS;
        if let Some(verdict) = self.verdict(found, any, first_hour_ms).await? {
            finding.summary = sentence(&user, &self.config.zone, &verdict);
        }
        figures.users = vec![user];
        figures.users_total = 1;
        finding.figures = figures;
        if finding.last_ms >= first_hour_ms + HOUR_MS {
            let events = count(finding.figures.events, "event");
            let within = duration(finding.last_ms - finding.first_ms);
            finding.summary += &match records {
                0 => format!(" In all there were {events} within {within}."),
                records => {
                    let records = count(records, "record");
                    format!(" In all there were {events} with {records} within {within}.")
                }
            };
        }
        Ok(finding)
    }

    /// What is said of the hour in which a finding began, which need not be new.
    async fn verdict(
        &self,
        found: &Found,
        any: &Verdict,
        hour_ms: i64,
    ) -> Result<Option<Verdict>, Error> {
        let mut new = found.verdicts.iter();
        if let Some(verdict) = new.find(|verdict| verdict.hour_ms == hour_ms) {
            return Ok(Some(verdict.clone()));
        }
        let user = found.key.first().map_or("", String::as_str);
        let from_ms = hour_ms - i64::from(self.config.history_days) * DAY_MS;
        let span = (from_ms, hour_ms + HOUR_MS);
        let users = [(found.user_hash, user)];
        let histories = self.feed.histories(&users, span, &self.metrics).await?;
        let verdicts = histories
            .iter()
            .flat_map(|history| judge(&self.config, &self.zone, history, hour_ms));
        let mut verdicts = verdicts
            .filter(|verdict| (verdict.detector, &verdict.subject) == (any.detector, &any.subject));
        // What came later than a day may have made it usual: what was said stays.
        Ok(verdicts.next())
    }

    /// Ends what is over.
    async fn settle(&mut self, now_ms: i64) -> Result<(), Error> {
        let over = self.record.open.values();
        let over: Vec<Finding> = over
            .filter(|finding| is_due_to_end(finding, now_ms))
            .map(|finding| Finding {
                ended_ms: now_ms,
                ..finding.clone()
            })
            .collect();
        self.record.write(over).await
    }

    /// Notes that everything that was stored until then was looked at.
    async fn note(&self, looked_ms: i64) -> Result<(), Error> {
        let mut native = Block::new(1, 16);
        native.i64("looked_ms", std::iter::once(looked_ms));
        let origin = Origin::Journal(looked_ms.unsigned_abs());
        let mut insert = Insert::new("baseline_looks", &origin, 1, native);
        // Whoever watched before may have written in the same millisecond.
        insert.token = format!("{}-{:016x}", insert.token, fastrand::u64(..));
        self.feed.storage.insert(&insert).await
    }
}
