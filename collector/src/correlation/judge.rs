//! What the events of some keys show: findings, and what they have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::episodes::{Key, NOT_MERGED, is_due_to_end, join, runs};
use super::feed::{KEYS_AT_ONCE, KEYS_PAGE, Start};
use super::finding::Finding;
use super::firing::firings;
use super::rows::Touched;
use super::rule::Rule;
use super::watch::Watching;
use crate::error::Error;

/// What a finding has is counted anew when it grew by this part of its time, and at last after this.
const PACE_PART: i64 = 50;
const PACE_MAX: Duration = Duration::from_secs(600);

impl Watching {
    /// All keys of a rule that have new events, page by page.
    pub(super) async fn look_for(
        &mut self,
        rule: &Rule,
        from: Start,
        now_ms: i64,
    ) -> Result<(), Error> {
        let mut beyond = 0;
        loop {
            let mut page = self.feed.keys(rule, from, beyond).await?;
            let is_last = page.len() < KEYS_PAGE;
            beyond = page.last().map_or(beyond, |key| key.key_hash);
            self.metrics.keys.inc_by(page.len() as u64);
            // Those of a time together, so that little else is read.
            page.sort_by_key(|key| key.first_ms);
            for keys in page.chunks(KEYS_AT_ONCE) {
                self.judge(rule, keys, now_ms).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// What some keys' events show.
    async fn judge(&mut self, rule: &Rule, keys: &[Touched], now_ms: i64) -> Result<(), Error> {
        let events = self.feed.events(rule, keys).await?;
        let first_ms = keys.iter().map(|key| key.first_ms).min().unwrap_or(0);
        let last_ms = keys.iter().map(|key| key.last_ms).max().unwrap_or(0);
        let span = (
            (first_ms - rule.suppress_ms).max(0),
            last_ms + rule.timespan_ms + rule.suppress_ms,
        );
        let stored = self.feed.near(rule, keys, span).await?;
        let (mut changed, mut touched) = (Vec::new(), Vec::new());
        for (key, (events, is_all)) in keys.iter().zip(&events) {
            self.metrics.events.inc_by(events.len() as u64);
            if !is_all {
                self.metrics.too_many.inc();
            }
            let mut fired = firings(rule, events);
            // Earlier ones lack what is before them, and were seen when they were new.
            fired.retain(|firing| firing.at_ms >= key.first_ms);
            let of_key = |finding: &&Finding| finding.key_hash == key.key_hash;
            let stored: Vec<Finding> = stored.iter().filter(of_key).cloned().collect();
            let values = Key {
                rule,
                values: &key.key,
                hash: key.key_hash,
            };
            let joined = join(values, &stored, &runs(&fired, rule.suppress_ms), now_ms);
            let is_counted = |finding: &Finding| {
                finding.first_ms - finding.timespan_ms < key.last_ms
                    && finding.last_ms >= key.first_ms
            };
            let is_joined =
                |finding: &Finding| joined.iter().any(|of| of.finding_id == finding.finding_id);
            touched.extend(
                stored
                    .into_iter()
                    .filter(|one| is_counted(one) && !is_joined(one)),
            );
            changed.extend(joined);
        }
        self.store(rule, changed, touched).await
    }

    /// Counts what is due, and writes what differs.
    async fn store(
        &mut self,
        rule: &Rule,
        changed: Vec<Finding>,
        touched: Vec<Finding>,
    ) -> Result<(), Error> {
        let (mut written, mut counted) = (Vec::new(), Vec::new());
        for (finding, is_changed) in changed
            .into_iter()
            .map(|finding| (finding, true))
            .chain(touched.into_iter().map(|finding| (finding, false)))
        {
            let is_merged = finding.merged_into != NOT_MERGED;
            if is_merged || !self.is_due(&finding) {
                if !is_merged {
                    self.owed.insert(finding.finding_id);
                }
                if is_changed {
                    written.push(finding);
                }
                continue;
            }
            counted.push((finding.clone(), finding, is_changed));
        }
        let mut findings: Vec<Finding> = counted
            .iter()
            .map(|(_, finding, _)| finding.clone())
            .collect();
        self.feed.count(rule, &mut findings).await?;
        for (finding, (_, before, is_changed)) in findings.into_iter().zip(counted) {
            self.owed.remove(&finding.finding_id);
            self.counted.insert(finding.finding_id, Instant::now());
            if is_changed || finding != before {
                written.push(finding);
            }
        }
        self.metrics.written.inc_by(written.len() as u64);
        self.record.write(written).await?;
        let open = &self.record.open;
        self.counted.retain(|id, _| open.contains_key(id));
        self.owed.retain(|id| open.contains_key(id));
        Ok(())
    }

    /// Whether what a finding has is to be counted now.
    fn is_due(&self, finding: &Finding) -> bool {
        let Some(counted) = self.counted.get(&finding.finding_id) else {
            return true;
        };
        let lasted_ms = (finding.last_ms - finding.first_ms).max(0);
        let pace = Duration::from_millis(u64::try_from(lasted_ms / PACE_PART).unwrap_or(0));
        finding.is_over() || counted.elapsed() >= pace.min(PACE_MAX)
    }

    /// Counts what is owed, and ends what is over.
    pub(super) async fn settle(&mut self, rules: &[Arc<Rule>], now_ms: i64) -> Result<(), Error> {
        let open = self.record.open.values();
        let over: Vec<Finding> = open
            .clone()
            .filter(|finding| is_due_to_end(finding, now_ms))
            .map(|finding| Finding {
                ended_ms: now_ms,
                ..finding.clone()
            })
            .collect();
        let owed: Vec<Finding> = open
            .filter(|finding| self.owed.contains(&finding.finding_id) && self.is_due(finding))
            .filter(|finding| !is_due_to_end(finding, now_ms))
            .cloned()
            .collect();
        for rule in rules {
            let of_rule = |findings: &[Finding]| -> Vec<Finding> {
                let of_rule = findings.iter().filter(|finding| finding.rule_id == rule.id);
                of_rule.cloned().collect()
            };
            let (over, owed) = (of_rule(&over), of_rule(&owed));
            if !over.is_empty() || !owed.is_empty() {
                self.store(rule, over, owed).await?;
            }
        }
        // Of rules that are gone nothing is counted any more.
        let is_gone = |finding: &&Finding| rules.iter().all(|rule| rule.id != finding.rule_id);
        let gone: Vec<Finding> = over.iter().filter(is_gone).cloned().collect();
        self.record.write(gone).await
    }
}
