//! Files that failed, and how often. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answers::LogFile;

/// Most files that are counted. A poll ends where more fail: the oldest go first.
pub(super) const FAILED_MAX: usize = 256;

/// Errors that are told in one.
const TOLD_MAX: usize = 4;

/// Tries of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tries {
    created_ms: i64,
    tries: u32,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Failed(BTreeMap<String, Tries>);

impl Failed {
    /// One more try of a file that failed: how many that makes. `None` where there is no room.
    pub(super) fn add(&mut self, file: &LogFile) -> Option<u32> {
        if self.0.len() >= FAILED_MAX && !self.0.contains_key(&file.id) {
            return None;
        }
        let none = Tries {
            created_ms: file.created_ms,
            tries: 0,
        };
        let tries = &mut self.0.entry(file.id.clone()).or_insert(none).tries;
        *tries = tries.saturating_add(1);
        Some(*tries)
    }

    /// A file is not counted any more.
    pub(super) fn remove(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// Forgets those that are not listed any more. Gives those of them that were made before `start`:
    /// they are not asked for again, though they may be there.
    pub(super) fn retain(&mut self, listed: impl Fn(&str) -> bool, start: i64) -> Vec<String> {
        let mut passed = Vec::new();
        self.0.retain(|id, one| {
            let listed = listed(id);
            if !listed && one.created_ms < start {
                passed.push(id.clone());
            }
            listed
        });
        passed
    }
}

/// What is wrong after a poll: files that were given up, and the first error of those that were not.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    first: Option<String>,
    given_up: Vec<String>,
    more: usize,
}

impl Trouble {
    /// Something is wrong, and nothing lost.
    pub(super) fn note(&mut self, error: String) {
        self.first.get_or_insert(error);
    }

    /// A file is lost.
    pub(super) fn give_up(&mut self, error: String) {
        if self.given_up.len() < TOLD_MAX {
            self.given_up.push(error);
        } else {
            self.more += 1;
        }
    }

    /// All of it, if there is any.
    pub(super) fn told(self) -> Result<(), String> {
        let mut parts = self.given_up;
        if self.more > 0 {
            parts.push(format!("{} more files are given up", self.more));
        }
        parts.extend(self.first);
        if parts.is_empty() {
            return Ok(());
        }
        Err(parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::EventType;
    use super::*;

    fn file(number: usize, created_ms: i64) -> LogFile {
        LogFile {
            created_ms,
            id: number.to_string(),
            of: EventType::Login,
            date_ms: 0,
        }
    }

    #[test]
    fn tries_are_counted_within_a_bound_and_what_is_passed_is_told() {
        let mut failed = Failed::default();
        assert_eq!(failed.add(&file(1, 5)), Some(1));
        assert_eq!(failed.add(&file(1, 5)), Some(2));
        assert_eq!(failed.add(&file(2, 50)), Some(1));
        let text = serde_json::to_string(&failed).unwrap();
        assert_eq!(serde_json::from_str::<Failed>(&text).unwrap(), failed);
        assert!(failed.retain(|_| true, 100).is_empty());
        // The second is gone from the list although it would be asked for: it was made anew.
        assert_eq!(failed.retain(|_| false, 10), ["1"]);
        assert_eq!(failed, Failed::default());
        for number in 0..2 * FAILED_MAX {
            let counted = failed.add(&file(number, 0)).is_some();
            assert_eq!(counted, number < FAILED_MAX);
        }
        failed.remove("0");
        assert_eq!(failed.add(&file(1000, 0)), Some(1));
    }

    #[test]
    fn what_is_lost_is_told_first_and_is_bounded() {
        assert_eq!(Trouble::default().told(), Ok(()));
        let mut trouble = Trouble::default();
        trouble.note("first".to_owned());
        trouble.note("second".to_owned());
        for number in 0..6 {
            trouble.give_up(format!("file {number}"));
        }
        let told = "file 0; file 1; file 2; file 3; 2 more files are given up; first";
        assert_eq!(trouble.told(), Err(told.to_owned()));
    }
}
