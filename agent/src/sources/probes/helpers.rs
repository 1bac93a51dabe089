//! Threads for calls that may never return: the system's resolver, files of certificates.
//!
//! Promises: no thread while nothing is asked; at most [`HELPERS_MAX`] at a time, and one for each
//! target, so a resolver that hangs holds up neither the other targets nor the next run of its own
//! for longer than a deadline. A call that hangs cannot be ended: its thread is left behind.

use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use super::outcome::Failure;

/// Threads at a time.
const HELPERS_MAX: usize = 16;

/// The resolver's modules keep buffers of some 64 KiB on the stack.
const STACK_BYTES: usize = 512 * 1024;

/// A target's way to a helper.
#[derive(Clone, Debug)]
pub(super) struct Helper {
    all: Arc<Semaphore>,
    own: Arc<Semaphore>,
}

impl Helper {
    /// The first of its kind; others are made by [`Helper::another`].
    pub(super) fn new() -> Self {
        Self {
            all: Arc::new(Semaphore::new(HELPERS_MAX)),
            own: Arc::new(Semaphore::new(1)),
        }
    }

    /// For another target.
    pub(super) fn another(&self) -> Self {
        Self {
            all: Arc::clone(&self.all),
            own: Arc::new(Semaphore::new(1)),
        }
    }

    /// Does `work` on a thread. To be given a deadline by the caller.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let ended = || Failure::Agent("the thread that asks has ended; this is a bug".to_owned());
        let own = Arc::clone(&self.own).acquire_owned().await;
        let all = Arc::clone(&self.all).acquire_owned().await;
        let held = (own.map_err(|_| ended())?, all.map_err(|_| ended())?);
        let (sender, receiver) = oneshot::channel();
        std::thread::Builder::new()
            .name("probe-helper".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let answer = work();
                drop(held);
                // Nobody waits any more where the deadline passed.
                drop(sender.send(answer));
            })
            .map_err(|error| Failure::Agent(format!("no thread can be started: {error}")))?;
        receiver.await.map_err(|_| ended())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn one_that_hangs_holds_up_only_itself() {
        let helper = Helper::new();
        let other = helper.another();
        let (free, hung) = mpsc::channel::<()>();
        let short = Duration::from_millis(50);
        assert!(
            timeout(short, helper.ask(move || hung.recv()))
                .await
                .is_err()
        );
        assert!(timeout(short, helper.ask(|| 1)).await.is_err());
        assert_eq!(other.ask(|| 2).await.unwrap(), 2);
        drop(free);
        assert_eq!(helper.ask(|| 3).await.unwrap(), 3);
    }
}
