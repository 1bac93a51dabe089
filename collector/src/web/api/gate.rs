//! How many questions may be under way at once, and how many may wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::fault::{Code, Fault};

/// A page asks a dozen questions at once; this is several pages.
const WAITING_MAX: usize = 128;
/// Longest anybody waits for a turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Lets in as many as may ask at once.
#[derive(Debug)]
pub(crate) struct Gate {
    asking: Arc<Semaphore>,
    waiting: Semaphore,
    patience: Duration,
}

impl Gate {
    pub(crate) fn new(at_once: usize, patience: Duration) -> Self {
        Self {
            asking: Arc::new(Semaphore::new(at_once)),
            waiting: Semaphore::new(WAITING_MAX),
            patience,
        }
    }

    /// Waits for a turn, which lasts as long as what is returned.
    pub(crate) async fn enter(&self) -> Result<OwnedSemaphorePermit, Fault> {
        let full = || {
            let text = "too many questions are under way; ask again in a moment";
            Fault::new(Code::ResourceExhausted, text).retry_after(self.patience.as_secs().max(1))
        };
        let _place = self.waiting.try_acquire().map_err(|_| full())?;
        let turn = Arc::clone(&self.asking).acquire_owned();
        match tokio::time::timeout(self.patience, turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) | Err(_) => Err(full()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_turn_is_told_to_come_back() {
        let gate = Gate::new(1, Duration::from_millis(5));
        let turn = gate.enter().await.unwrap();
        let late = gate.enter().await.unwrap_err();
        assert_eq!(late.code, Code::ResourceExhausted);
        assert_eq!(late.retry_after, Some(1));
        drop(turn);
        assert!(gate.enter().await.is_ok());
    }
}
