//! Which certificates are refused, as every collector knows within seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

use super::certificate::Certified;
use super::store::{self, CertificateRow, Change};
use crate::clock::now_ms;
use crate::storage::Storage;

/// From one look at the table to the next.
const EVERY: Duration = Duration::from_secs(5);

/// The same while it was never read: agents wait, and at a first start the table is being made.
const EVERY_AT_FIRST: Duration = Duration::from_millis(250);

/// Why a certificate is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The agent's certificates are revoked.
    Revoked,
    /// It is from before they were allowed again.
    Before,
    /// It is not known yet which are refused.
    NotKnown,
}

/// What is known. Nothing, before ClickHouse answered once: then nobody is let in, and agents keep
/// what they have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Revocations {
    agents: Option<HashMap<String, (Change, i64)>>,
}

impl Revocations {
    fn of(rows: Vec<CertificateRow>) -> Self {
        let agents = rows
            .into_iter()
            .map(|row| (row.agent_id, (row.change, row.changed_ms)));
        Self {
            agents: Some(agents.collect()),
        }
    }

    /// Whether a certificate is good.
    pub(crate) fn check(&self, certified: &Certified) -> Result<(), Refused> {
        let agents = self.agents.as_ref().ok_or(Refused::NotKnown)?;
        match agents.get(&certified.agent_id) {
            Some((Change::Revoked, _)) => Err(Refused::Revoked),
            // Certificates begin at whole seconds.
            Some((Change::Allowed, since_ms)) if certified.begins_ms / 1000 < since_ms / 1000 => {
                Err(Refused::Before)
            }
            _ => Ok(()),
        }
    }
}

/// Where what is known is put.
#[derive(Debug)]
pub(crate) struct Watch {
    sender: watch::Sender<Arc<Revocations>>,
    read: Gauge<i64, AtomicI64>,
}

impl Watch {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let read = Gauge::default();
        registry.register(
            "certificate_revocations_read_timestamp_seconds",
            "When it was last read which certificates are refused, Unix time; 0 for never",
            read.clone(),
        );
        let sender = watch::channel(Arc::default()).0;
        Self { sender, read }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Revocations>> {
        self.sender.subscribe()
    }

    /// Reads the table again and again, until it is aborted.
    pub(crate) async fn run(self, storage: Storage) {
        let mut every = EVERY_AT_FIRST;
        loop {
            match store::certificates(&storage).await {
                Ok(rows) => {
                    every = EVERY;
                    let known = Revocations::of(rows);
                    self.read.set(now_ms() / 1000);
                    self.sender.send_if_modified(|now| {
                        let is_new = **now != known;
                        if is_new {
                            *now = Arc::new(known);
                        }
                        is_new
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "refused certificates stay as they are known");
                }
            }
            tokio::time::sleep(every).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_agent_is_out_until_it_has_a_certificate_from_after_it_was_allowed() {
        let row = |agent: &str, change, changed_ms| CertificateRow {
            agent_id: agent.to_owned(),
            change,
            changed_ms,
            changed_by: String::new(),
            note: String::new(),
        };
        let certified = |agent: &str, begins_ms| Certified {
            agent_id: agent.to_owned(),
            begins_ms,
            ends_ms: i64::MAX,
        };
        let known = Revocations::of(vec![
            row("out", Change::Revoked, 5_000),
            row("back", Change::Allowed, 5_400),
        ]);
        assert_eq!(known.check(&certified("other", 0)), Ok(()));
        // Also one that was made since: an outside authority knows nothing of it.
        assert_eq!(known.check(&certified("out", 9_000)), Err(Refused::Revoked));
        assert_eq!(known.check(&certified("back", 4_000)), Err(Refused::Before));
        assert_eq!(known.check(&certified("back", 5_000)), Ok(()));
        let unknown = Revocations::default();
        assert_eq!(
            unknown.check(&certified("other", 0)),
            Err(Refused::NotKnown)
        );
    }
}
