//! Rules on their way to one agent.
//!
//! Owns which version the agent has by its own word, and whether it is its turn. Promises that a set is
//! sent once, where the agent has another one, and that few agents are sent one at a time: each set may
//! be a mebibyte, and there may be ten thousand of them.

use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::v1::RulesStatus;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::delivery::rules::Offer;

/// Most agents that are sent rules at a time.
pub(super) const SENDING_MAX: usize = 64;

/// How long an agent may take to say what became of them, before it is the next one's turn.
const ANSWER: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Feed {
    /// None where it takes no rules.
    version: Option<u64>,
    wanted: Option<Arc<Offer>>,
    place: Option<(OwnedSemaphorePermit, Instant)>,
}

impl Feed {
    /// Of an agent that said hello.
    pub(super) const fn new(version: Option<u64>) -> Self {
        Self {
            version,
            wanted: None,
            place: None,
        }
    }

    /// What it is to have.
    pub(super) fn want(&mut self, offer: Option<&Arc<Offer>>) {
        self.wanted = offer.cloned();
    }

    /// Whether it waits for its turn.
    pub(super) fn waits(&self) -> bool {
        let has = |version: u64| {
            let wanted = self.wanted.as_ref();
            wanted.is_none_or(|wanted| wanted.packed.version == version)
        };
        self.place.is_none() && self.version.is_some_and(|version| !has(version))
    }

    /// What to send, now that it is its turn.
    pub(super) fn begin(&mut self, place: OwnedSemaphorePermit) -> Option<Arc<Offer>> {
        let offer = self.wanted.clone()?;
        self.version = Some(offer.packed.version);
        self.place = Some((place, Instant::now() + ANSWER));
        Some(offer)
    }

    /// When the turn is over; to be dropped at any await.
    pub(super) async fn times_out(&self) {
        match &self.place {
            Some((_, deadline)) => tokio::time::sleep_until(*deadline).await,
            None => std::future::pending().await,
        }
    }

    /// The turn is over.
    pub(super) fn end(&mut self) {
        self.place = None;
    }

    /// What the agent says became of it.
    pub(super) fn answered(&mut self, status: &RulesStatus) {
        if self.version == Some(status.attempted_version) {
            self.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use crmscope_rules::Packed;
    use tokio::sync::Semaphore;

    use super::*;

    fn offer(version: u64) -> Arc<Offer> {
        let packed = Packed {
            version,
            ..Packed::default()
        };
        Arc::new(Offer {
            packed,
            ..Offer::default()
        })
    }

    #[test]
    fn a_set_is_sent_once_where_the_agent_has_another_version() {
        let places = Arc::new(Semaphore::new(1));
        let place = || Arc::clone(&places).try_acquire_owned();
        let mut none = Feed::new(None);
        none.want(Some(&offer(1)));
        assert!(!none.waits(), "it takes none");
        let mut feed = Feed::new(Some(1));
        assert!(!feed.waits(), "nothing is offered");
        feed.want(Some(&offer(1)));
        assert!(!feed.waits(), "it has it");
        feed.want(Some(&offer(2)));
        assert!(feed.waits());
        assert_eq!(feed.begin(place().unwrap()), Some(offer(2)));
        assert!(place().is_err(), "others wait");
        // What comes meanwhile waits for the answer to this one.
        feed.want(Some(&offer(3)));
        assert!(!feed.waits());
        let answer = |attempted_version| RulesStatus {
            attempted_version,
            ..RulesStatus::default()
        };
        feed.answered(&answer(1));
        assert!(!feed.waits(), "of another one");
        feed.answered(&answer(2));
        assert!(feed.waits());
        assert_eq!(feed.begin(place().unwrap()), Some(offer(3)));
        // One whose turn is over without an answer is not repeated.
        feed.end();
        assert!(!feed.waits() && place().is_ok());
        // Taken back, and offered again.
        feed.want(None);
        assert!(!feed.waits());
        feed.want(Some(&offer(0)));
        assert!(feed.waits());
    }
}
