//! Looks for what rules over many events say, every other second.
//!
//! Nothing is kept in windows: of each key with new events the events around them are read again, and what
//! they show is joined with the findings that are stored. So late events, restarts and repeated looks come to
//! the same findings. A look that fails is made again from where the last one ended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crmscope_proto::Id;
use tokio::sync::mpsc;

use super::config::Config;
use super::feed::{Asked, FINDINGS_MAX, Feed, Since, Start};
use super::load::{self, Set};
use super::metrics::Metrics;
use super::record::Record;
use super::rule::Rule;
use crate::alerts::Incident;
use crate::error::Error;
use crate::storage::Storage;

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// From one look at the rules' files to the next.
const LOAD_EVERY: Duration = Duration::from_secs(5);
/// Events may become visible so long after their time of storing, ms; looked for every [`OVERLAP_EVERY`].
const OVERLAP_MS: i64 = 30_000;
const OVERLAP_EVERY: Duration = Duration::from_secs(10);
/// How often it is noted up to when events were looked at.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// Before that, what is looked at again after a start, ms: longer than figures are owed, so that nothing is owed.
const AGAIN_MS: i64 = 900_000;
/// Arrivals are remembered for so long, ms; a little less, as they go part by part.
const REMEMBERED_MS: i64 = 20 * 3_600_000;
/// Where nobody looked for longer, what happened so long before that is looked at too, ms.
const EARLIER_MS: i64 = 3_600_000;
/// How long ago findings may have ended that are told again after a take-over, ms.
const OVER_MS: i64 = 86_400_000;

/// Looks until it is aborted.
pub(crate) async fn run(
    storage: Storage,
    config: Config,
    told: Option<mpsc::Sender<Incident>>,
    metrics: Metrics,
) {
    if config.directories.is_empty() {
        return;
    }
    let mut watching = Watching {
        record: Record::new(storage.clone(), told),
        feed: Feed { storage },
        config,
        set: Set::default(),
        metrics,
        next: None,
        overlapped: Instant::now(),
        noted: None,
        counted: BTreeMap::new(),
        owed: BTreeSet::new(),
    };
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut loaded: Option<Instant> = None;
    let mut fails = false;
    loop {
        ticks.tick().await;
        if loaded.is_none_or(|loaded| loaded.elapsed() >= LOAD_EVERY) {
            watching.load().await;
            loaded = Some(Instant::now());
        }
        // Without rules that were read once, nothing counts as looked at.
        if watching.set.checksum.is_empty() {
            continue;
        }
        match watching.look().await {
            Ok(()) if fails => {
                tracing::info!("security events are looked at again");
                fails = false;
            }
            Ok(()) => {}
            Err(error) => {
                watching.metrics.failures.inc();
                if !fails {
                    tracing::warn!(%error, "security events cannot be looked at; what was missed is looked at later");
                }
                fails = true;
            }
        }
    }
}

/// Who looks.
pub(super) struct Watching {
    pub(super) feed: Feed,
    pub(super) record: Record,
    config: Config,
    set: Set,
    pub(super) metrics: Metrics,
    /// From when on events are new; none before the first look.
    next: Option<Since>,
    overlapped: Instant,
    noted: Option<Instant>,
    /// When the figures of open findings were last counted.
    pub(super) counted: BTreeMap<Id, Instant>,
    /// Open findings whose figures are not up to date.
    pub(super) owed: BTreeSet<Id>,
}

impl Watching {
    /// Reads the rules again, where their files changed.
    async fn load(&mut self) {
        let directories = self.config.directories.clone();
        let read = tokio::task::spawn_blocking(move || load::read(&directories)).await;
        let files = match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(files) => files,
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "rules cannot be read; those that were read before stay"
                );
                return;
            }
        };
        if load::checksum(&files) == self.set.checksum {
            return;
        }
        self.set = load::load(&files, &self.set);
        let (rules, refused) = (self.set.rules.len(), self.set.refused.len());
        tracing::info!(
            rules,
            refused,
            bases = self.set.bases,
            "security rules read"
        );
        for refused in &self.set.refused {
            let (file, rule) = (refused.file.display(), refused.rule.as_str());
            tracing::warn!(%file, rule, reason = refused.reason, "a security rule is refused");
        }
        self.metrics.set_rules(rules, refused);
        // What is new may say something of all that is remembered.
        if let Some(next) = &mut self.next {
            next.stored_ms = 0;
        }
    }

    /// Goes on where whoever looked before ended.
    async fn begin(&mut self) -> Result<Since, Error> {
        let looked = self.feed.looked().await?;
        let asked = Asked {
            from_ms: looked.now_ms - OVER_MS,
            open: false,
            merged: true,
            limit: FINDINGS_MAX,
        };
        let (mut findings, version) = self.feed.findings(asked).await?;
        // Those of baselines are another watch's.
        findings.retain(|finding| !finding.rule_id.starts_with(crate::baselines::PREFIX));
        self.record.recall(findings, version).await;
        let is_long_ago = looked.looked_ms < looked.now_ms - REMEMBERED_MS;
        let has_gap = is_long_ago && looked.looked_ms > 0;
        if has_gap {
            tracing::warn!(
                "nobody looked at security events for a day; they are looked at by their own times"
            );
        }
        Ok(Since {
            stored_ms: match looked.rules == self.set.checksum && !is_long_ago {
                true => looked.looked_ms - AGAIN_MS,
                false => 0,
            },
            happened_ms: has_gap.then_some(looked.looked_ms - EARLIER_MS),
        })
    }

    async fn look(&mut self) -> Result<(), Error> {
        let mut since = match self.next {
            Some(since) => since,
            None => self.begin().await?,
        };
        self.next = Some(since);
        let overlaps = self.overlapped.elapsed() >= OVERLAP_EVERY;
        if overlaps {
            since.stored_ms -= OVERLAP_MS;
        }
        since.stored_ms = since.stored_ms.max(0);
        let news = self.feed.news(since.stored_ms).await?;
        let rules: Vec<Arc<Rule>> = self
            .set
            .rules
            .iter()
            .map(|of| Arc::clone(&of.rule))
            .collect();
        for rule in &rules {
            let is_new = |base: &String| news.rules.binary_search(base).is_ok();
            if rule.bases.iter().any(is_new) {
                self.look_for(rule, Start::Stored(since.stored_ms), news.now_ms)
                    .await?;
            }
            if let Some(ms) = since.happened_ms {
                self.look_for(rule, Start::Happened(ms), news.now_ms)
                    .await?;
            }
        }
        self.settle(&rules, news.now_ms).await?;
        if overlaps {
            self.overlapped = Instant::now();
        }
        // A clock that was set back hides nothing.
        let stored_ms = match news.now_ms < since.stored_ms {
            true => news.now_ms - OVERLAP_MS,
            false => news.now_ms,
        };
        self.next = Some(Since {
            stored_ms,
            happened_ms: None,
        });
        self.metrics.looks.inc();
        self.metrics.set_open(self.record.open.len());
        if self.noted.is_none_or(|noted| noted.elapsed() >= NOTE_EVERY) {
            self.record.looked(stored_ms, &self.set.checksum).await?;
            self.noted = Some(Instant::now());
        }
        Ok(())
    }
}
