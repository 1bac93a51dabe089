//! Whether a partition is still this process's, as far as it has heard.
//!
//! A broker refuses commits of a member that left, but not those of a member that stayed and gave
//! up only this partition: such a commit would go out under the new membership. So none may begin
//! once the partition is given up, and it is given up only when none is under way.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::watch;

/// One assignment of one partition.
#[derive(Debug)]
pub struct Lease {
    state: Mutex<State>,
    quiet: Condvar,
    lost: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    lost: bool,
    committing: bool,
}

/// A commit under way.
#[derive(Debug)]
pub struct Committing<'a>(&'a Lease);

impl Default for Lease {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            quiet: Condvar::new(),
            lost: watch::channel(false).0,
        }
    }
}

impl Lease {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Becomes true once the partition is given up.
    #[must_use]
    pub fn lost(&self) -> watch::Receiver<bool> {
        self.lost.subscribe()
    }

    /// Whether the partition is given up.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.lock().lost
    }

    /// Begins a commit, unless the partition is given up.
    #[must_use]
    pub fn begin_commit(&self) -> Option<Committing<'_>> {
        let mut state = self.lock();
        if state.lost || state.committing {
            return None;
        }
        state.committing = true;
        Some(Committing(self))
    }

    /// Gives the partition up: no commit begins any more.
    pub fn give_up(&self) {
        self.lock().lost = true;
        self.lost.send_replace(true);
    }

    /// Waits until no commit is under way, at most until `end`. Returns whether that is so.
    #[must_use]
    pub fn wait_quiet(&self, end: Instant) -> bool {
        let mut state = self.lock();
        while state.committing {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.quiet.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        self.0.lock().committing = false;
        self.0.quiet.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    #[test]
    fn a_partition_is_given_up_once_its_commit_is_known() {
        let lease = Arc::new(Lease::default());
        let commit = lease.begin_commit().unwrap();
        assert!(lease.begin_commit().is_none(), "one at a time");
        lease.give_up();
        assert!(!lease.wait_quiet(Instant::now()), "one is under way");
        let waiting = {
            let lease = Arc::clone(&lease);
            std::thread::spawn(move || lease.wait_quiet(Instant::now() + Duration::from_secs(60)))
        };
        drop(commit);
        assert!(waiting.join().unwrap());
        assert!(lease.begin_commit().is_none(), "it is lost");
        assert!(lease.is_lost() && *lease.lost().borrow());
    }
}
