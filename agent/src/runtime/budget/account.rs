//! The account of what was shed: how long, and because of which ceiling.
//!
//! Promises that the times of a subject add up to the time it was shed, over all causes, and that
//! the last row of a subject and cause is one in which it was not shed any more at the end.

use super::{Ceiling, Subject};

/// What became of one subject since the rows before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was shed.
    pub subject: Subject,
    /// Why.
    pub cause: Ceiling,
    /// For how long.
    pub shed_ms: u64,
    /// Whether it is shed at this moment, for this cause.
    open: bool,
}

/// See the module. Holds an entry for each subject and cause at most.
#[derive(Debug, Default)]
pub struct Account {
    entries: Vec<Entry>,
    at_ms: u64,
}

impl Account {
    /// Counts the time up to `now_ms` by what was shed until now, and goes on with `shed`.
    pub fn advance(&mut self, now_ms: u64, shed: &[Subject], cause: Ceiling) {
        let passed_ms = now_ms.saturating_sub(self.at_ms);
        self.at_ms = self.at_ms.max(now_ms);
        for entry in &mut self.entries {
            if entry.open {
                entry.shed_ms += passed_ms;
            }
            entry.open = entry.cause == cause && shed.contains(&entry.subject);
        }
        for &subject in shed {
            let known = |entry: &Entry| entry.subject == subject && entry.cause == cause;
            if !self.entries.iter().any(known) {
                self.entries.push(Entry {
                    subject,
                    cause,
                    shed_ms: 0,
                    open: true,
                });
            }
        }
    }

    /// Hands over what was counted. What is still shed goes on; the rest is said for the last time.
    pub fn take(&mut self) -> Vec<Entry> {
        let taken = self.entries.clone();
        self.entries.retain_mut(|entry| {
            entry.shed_ms = 0;
            entry.open
        });
        taken
    }
}
