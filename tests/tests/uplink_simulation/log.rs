//! The durable log behind the collectors, and what must be true of it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crmscope_collector::judge::{Entry, Verdict};
use crmscope_collector::writer::queue::Receiver;
use crmscope_proto::{Id, Lane};
use fastrand::Rng;
use tokio::time::Instant;

/// What a sequence belongs to.
pub(crate) type Key = (String, Id, Lane);

#[derive(Default)]
struct State {
    /// Highest sequence that is in the log.
    marks: HashMap<Key, u64>,
    digests: HashMap<(Key, u64), u64>,
    duplicates: u64,
    stalled_until: Option<Instant>,
}

/// Shared by all collectors, and outlives each.
#[derive(Clone, Default)]
pub(crate) struct DurableLog(Arc<Mutex<State>>);

impl DurableLog {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From here on a batch survives everything.
    fn append(&self, entry: &Entry) {
        let identity = &entry.identity;
        assert!(
            matches!(entry.verdict, Verdict::Stored(_)),
            "{identity:?} was rejected: {:?}",
            entry.verdict
        );
        let key = (identity.agent_id.clone(), identity.spool_id, identity.lane);
        let mut digest = DefaultHasher::new();
        entry.encoded.hash(&mut digest);
        let digest = digest.finish();
        let mut state = self.lock();
        let mark = state.marks.entry(key.clone()).or_insert(0);
        let fresh = identity.sequence > *mark;
        if fresh {
            assert_eq!(
                identity.sequence,
                *mark + 1,
                "a gap in the log: {identity:?}"
            );
            *mark = identity.sequence;
        } else {
            state.duplicates += 1;
        }
        let first = *state
            .digests
            .entry((key, identity.sequence))
            .or_insert(digest);
        assert_eq!(first, digest, "{identity:?} is another batch than before");
    }

    /// Highest sequence that is in the log.
    pub(crate) fn mark(&self, key: &Key) -> u64 {
        self.lock().marks.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn duplicates(&self) -> u64 {
        self.lock().duplicates
    }

    /// Nothing is taken for a while.
    pub(crate) fn stall(&self, time: Duration) {
        self.lock().stalled_until = Some(Instant::now() + time);
    }

    pub(crate) fn heal(&self) {
        self.lock().stalled_until = None;
    }

    async fn wait_while_stalled(&self) {
        while self
            .lock()
            .stalled_until
            .is_some_and(|until| Instant::now() < until)
        {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// One collector's way into the log. Dropped at any await, it leaves what a crash leaves: batches
/// that were received only, batches in the log that nobody was told of.
pub(crate) async fn write(log: DurableLog, mut arrivals: Receiver, mut random: Rng) {
    while let Some(first) = arrivals.recv().await {
        let mut block = vec![first];
        tokio::time::sleep(Duration::from_millis(random.u64(1..=100))).await;
        while block.len() < 32
            && let Ok(next) = arrivals.try_recv()
        {
            block.push(next);
        }
        log.wait_while_stalled().await;
        for arrival in &block {
            if random.u8(0..8) == 0 {
                tokio::time::sleep(Duration::from_millis(random.u64(1..=50))).await;
            }
            log.append(&arrival.entry);
        }
        tokio::time::sleep(Duration::from_millis(random.u64(1..=200))).await;
        for arrival in block {
            let (entry, board, room) = arrival.into_parts();
            drop(room);
            let (lane, sequence) = (entry.identity.lane, entry.identity.sequence);
            board.settled(lane, sequence, entry.encoded.len(), None);
        }
    }
}
