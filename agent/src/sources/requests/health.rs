//! Whether the lines of a file are understood, and one word in the agent's own log if most are not.

use std::path::{Path, PathBuf};

use super::formats::Unread;

/// Nothing is said before so many lines were not understood.
const UNREAD_MIN: u64 = 100;

/// Counts for one file.
#[derive(Debug)]
pub(super) struct Health {
    path: PathBuf,
    lines: u64,
    unread: u64,
    said: bool,
}

impl Health {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            lines: 0,
            unread: 0,
            said: false,
        }
    }

    pub(super) fn understood(&mut self) {
        self.lines += 1;
    }

    pub(super) fn unread(&mut self, reason: Unread) {
        self.lines += 1;
        self.unread += 1;
        if !self.said && self.unread >= UNREAD_MIN && self.unread * 2 > self.lines {
            self.said = true;
            tracing::warn!(
                source = "requests",
                path = ?self.path,
                lines = self.lines,
                unread = self.unread,
                reason,
                "most lines are not understood; `crmscope-agent try-log` with this file shows more"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_when_most_lines_are_not_understood() {
        let mut health = Health::new(Path::new("/a.log"));
        for _ in 0..UNREAD_MIN {
            assert!(!health.said);
            health.unread("x");
        }
        assert!(health.said);
        // Garbage among good lines is counted and no more.
        let mut health = Health::new(Path::new("/a.log"));
        for _ in 0..10 * UNREAD_MIN {
            health.understood();
            health.unread("x");
        }
        assert!(!health.said);
    }
}
