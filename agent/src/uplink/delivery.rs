//! Rules that come down a stream: from pieces to a set, and the answer once it is settled.

use std::sync::Arc;

use crmscope_proto::v1::{RulesPiece, RulesStatus};
use crmscope_rules::Assembly;
use tokio::sync::watch;

use crate::rules::Rules;

/// See the module.
pub(super) struct Delivery {
    rules: Arc<Rules>,
    assembly: Assembly,
    outcomes: watch::Receiver<u64>,
}

impl Delivery {
    pub(super) fn new(rules: Arc<Rules>) -> Self {
        Self {
            outcomes: rules.outcomes(),
            assembly: Assembly::default(),
            rules,
        }
    }

    /// Takes a piece. One that comes although rules of a collector are refused is passed over.
    pub(super) fn take(&mut self, piece: RulesPiece) {
        if self.rules.delivered_version().is_none() {
            return;
        }
        match self.assembly.take(piece) {
            Ok(None) => {}
            Ok(Some(packed)) => self.rules.deliver(packed),
            Err(error) => {
                tracing::warn!(%error, "rules that the collector sent cannot be put together");
                self.rules.refuse_delivered(error.version, &error);
            }
        }
    }

    /// Waits for the next set to be settled. May be dropped at any await.
    pub(super) async fn settled(&mut self) -> RulesStatus {
        if self.outcomes.changed().await.is_err() {
            // Nobody is left to settle anything.
            return std::future::pending().await;
        }
        self.rules.status()
    }
}
