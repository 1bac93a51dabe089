//! The inventory: what agents say of themselves in their Hello, on its way to the `agents` table.
//!
//! Not exact and not acknowledged: an agent says it again at every connection. Of several hellos
//! of one agent the last is kept; when storage is away, the inventory waits, bounded by agents.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crmscope_proto::Id;
use crmscope_proto::v1::HostFacts;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use crate::storage::Storage;
use crate::storage::retry::Backoff;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// Agents that may wait to be written, 5 KB each at worst; more hellos than that within a moment are
/// counted only.
const PENDING_MAX: usize = 20_000;

/// What an agent said of itself.
#[derive(Clone, Debug)]
pub struct AgentFacts {
    /// When, Unix ms, by the collector's clock.
    pub connected_ms: i64,
    /// Agent.
    pub agent_id: String,
    /// Boot of its host.
    pub boot_id: Id,
    /// Start of the agent.
    pub start_id: Id,
    /// Its spool.
    pub spool_id: Id,
    /// Its version.
    pub agent_version: String,
    /// Its host.
    pub host: HostFacts,
}

/// Hellos that are not written yet.
#[derive(Debug)]
pub struct Inventory {
    pending: Mutex<HashMap<String, AgentFacts>>,
    changed: Notify,
    dropped: Counter,
}

impl Inventory {
    /// An empty inventory.
    #[must_use]
    pub fn new(registry: &mut Registry) -> Self {
        let dropped = Counter::default();
        registry.register(
            "inventory_hellos_dropped",
            "Hellos left out of the agents table because too many waited",
            dropped.clone(),
        );
        Self {
            pending: Mutex::default(),
            changed: Notify::new(),
            dropped,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, AgentFacts>> {
        self.pending
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes a hello.
    pub fn note(&self, facts: AgentFacts) {
        let mut pending = self.lock();
        if pending.len() >= PENDING_MAX && !pending.contains_key(&facts.agent_id) {
            self.dropped.inc();
            return;
        }
        pending.insert(facts.agent_id.clone(), facts);
        drop(pending);
        self.changed.notify_one();
    }

    /// Writes hellos as they come, several at once.
    pub async fn run(&self, storage: Storage, flush_interval: Duration) {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(flush_interval).await;
            let mut facts: Vec<AgentFacts> = self.lock().drain().map(|(_, facts)| facts).collect();
            facts.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));
            let Some(insert) = insert(&facts) else {
                continue;
            };
            let mut backoff = Backoff::new(500, 15_000);
            while let Err(error) = storage.insert(&insert).await {
                let pause = backoff.next_pause();
                tracing::debug!(%error, "the agents table will be written later");
                tokio::time::sleep(pause).await;
            }
        }
    }
}

fn insert(facts: &[AgentFacts]) -> Option<Insert> {
    let newest = facts.iter().map(|facts| facts.connected_ms).max()?;
    let each = || facts.iter();
    let mut native = Block::new(facts.len(), 256);
    native.text("agent_id", each().map(|facts| facts.agent_id.as_str()));
    native.datetime_ms("connected_at", each().map(|facts| facts.connected_ms));
    native.uuid("boot_id", each().map(|facts| facts.boot_id));
    native.uuid("start_id", each().map(|facts| facts.start_id));
    native.uuid("spool_id", each().map(|facts| facts.spool_id));
    native.text(
        "agent_version",
        each().map(|facts| facts.agent_version.as_str()),
    );
    native.string(
        "hostname",
        each().map(|facts| facts.host.hostname.as_bytes()),
    );
    native.text(
        "operating_system",
        each().map(|facts| facts.host.operating_system.as_str()),
    );
    native.text(
        "kernel_version",
        each().map(|facts| facts.host.kernel_version.as_str()),
    );
    native.text(
        "architecture",
        each().map(|facts| facts.host.architecture.as_str()),
    );
    native.u32("cpu_count", each().map(|facts| facts.host.cpu_count));
    native.u64("memory_bytes", each().map(|facts| facts.host.memory_bytes));
    let mut insert = Insert::new(
        "agents",
        &Origin::Journal(newest.unsigned_abs()),
        facts.len(),
        native,
    );
    // Two lots may end in the same millisecond.
    insert.token = format!("{}-{:016x}", insert.token, fastrand::u64(..));
    Some(insert)
}
