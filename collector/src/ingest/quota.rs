//! What one agent may send: a bucket for each, over all of its streams.
//!
//! Promises that an agent above its quota is read later, and that nothing of it is lost. Buckets of
//! agents that are gone stay until they are full again, so that connecting anew gains nothing; then
//! they are forgotten.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::QuotaConfig;

/// Buckets before those that are full are looked for.
const CROWD: usize = 1024;

#[derive(Debug)]
struct Bucket {
    /// Bytes that may go at once; below 0 where more went.
    credit: f64,
    at: Instant,
}

impl Bucket {
    fn refill(&mut self, config: &QuotaConfig, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        let credit = elapsed.mul_add(bytes(config.bytes_per_s), self.credit);
        self.credit = credit.min(bytes(config.burst_bytes));
        self.at = now;
    }
}

#[allow(clippy::cast_precision_loss, reason = "rates, not counts")]
const fn bytes(number: u64) -> f64 {
    number as f64
}

#[derive(Debug)]
struct Buckets {
    all: HashMap<String, Arc<Mutex<Bucket>>>,
    /// How many there may be before the full ones are looked for again.
    crowd: usize,
}

/// The buckets of all agents.
#[derive(Clone, Debug)]
pub(super) struct Quotas {
    config: Arc<QuotaConfig>,
    buckets: Arc<Mutex<Buckets>>,
}

/// An agent's bucket, as one of its streams has it.
#[derive(Debug)]
pub(super) struct Share {
    config: Arc<QuotaConfig>,
    bucket: Arc<Mutex<Bucket>>,
}

impl Quotas {
    pub(super) fn new(config: QuotaConfig) -> Self {
        let buckets = Buckets {
            all: HashMap::new(),
            crowd: CROWD,
        };
        Self {
            config: Arc::new(config),
            buckets: Arc::new(Mutex::new(buckets)),
        }
    }

    /// The bucket of an agent.
    pub(super) fn share(&self, agent_id: &str) -> Share {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if buckets.all.len() >= buckets.crowd {
            buckets.all.retain(|_, bucket| {
                let is_used = Arc::strong_count(bucket) > 1;
                let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
                bucket.refill(&self.config, now);
                is_used || bucket.credit < bytes(self.config.burst_bytes)
            });
            buckets.crowd = CROWD.max(2 * buckets.all.len());
        }
        let full = || {
            Arc::new(Mutex::new(Bucket {
                credit: bytes(self.config.burst_bytes),
                at: now,
            }))
        };
        let bucket = buckets.all.entry(agent_id.to_owned()).or_insert_with(full);
        Share {
            config: Arc::clone(&self.config),
            bucket: Arc::clone(bucket),
        }
    }
}

impl Share {
    /// Takes what was sent.
    pub(super) fn spend(&self, sent_bytes: usize) {
        if self.config.bytes_per_s == 0 {
            return;
        }
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.refill(&self.config, Instant::now());
        bucket.credit -= bytes(sent_bytes as u64);
    }

    /// How long to wait before more is read; none where something may come at once.
    pub(super) fn wait(&self) -> Option<Duration> {
        if self.config.bytes_per_s == 0 {
            return None;
        }
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.refill(&self.config, Instant::now());
        let missing = -bucket.credit;
        (missing > 0.0).then(|| Duration::from_secs_f64(missing / bytes(self.config.bytes_per_s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_above_the_quota_waits_over_all_streams_of_an_agent() {
        let quotas = Quotas::new(QuotaConfig {
            bytes_per_s: 1000,
            burst_bytes: 5000,
        });
        let (one, another) = (quotas.share("a"), quotas.share("a"));
        one.spend(5000);
        assert_eq!(one.wait(), None);
        another.spend(2000);
        assert_eq!(one.wait(), Some(Duration::from_secs(2)));
        assert_eq!(quotas.share("b").wait(), None);
        // Connecting anew gains nothing.
        drop((one, another));
        assert_eq!(quotas.share("a").wait(), Some(Duration::from_secs(2)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(quotas.share("a").wait(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn buckets_that_are_full_and_not_used_are_forgotten() {
        let quotas = Quotas::new(QuotaConfig {
            bytes_per_s: 1000,
            burst_bytes: 5000,
        });
        let held = quotas.share("held");
        for agent in 0..10 * CROWD {
            let share = quotas.share(&agent.to_string());
            share.spend(1000);
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let count = quotas.buckets.lock().unwrap().all.len();
        assert!(count <= 2 * CROWD, "{count}");
        held.spend(6000);
        assert_eq!(quotas.share("held").wait(), Some(Duration::from_secs(1)));
    }
}
