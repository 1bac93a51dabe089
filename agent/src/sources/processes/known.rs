//! What is known of each process between two readings, and what a reading may still do.

use std::time::Instant;

use super::folder::Listed;
use super::group::{Arrival, Reading};

/// What is known of a process.
#[derive(Debug)]
pub(super) enum Known {
    /// Not looked at yet.
    New(Arrival),
    /// Of no group, looked at so often.
    Other(u8),
    /// A thread of the kernel, which never becomes anything else.
    Kernel,
    Member(Box<Member>),
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) group: usize,
    pub(super) reading: Reading,
    /// Its figures are another user's.
    pub(super) io_denied: bool,
}

/// What one reading may still do.
pub(super) struct Budget {
    pub(super) looks: usize,
    pub(super) end: Instant,
}

impl Budget {
    /// Whether one more look is allowed, which is taken.
    pub(super) fn take(&mut self) -> bool {
        if self.looks == 0 || Instant::now() >= self.end {
            return false;
        }
        self.looks -= 1;
        true
    }
}

/// Positions of what is wanted, beginning with the process `from` and going round.
pub(super) fn round(
    known: &[(Listed, Known)],
    from: u32,
    wanted: impl Fn(&Known) -> bool,
) -> Vec<usize> {
    let (mut behind, mut ahead) = (Vec::new(), Vec::new());
    for (position, (listed, known)) in known.iter().enumerate() {
        if wanted(known) {
            let side = if listed.pid < from {
                &mut ahead
            } else {
                &mut behind
            };
            side.push(position);
        }
    }
    behind.append(&mut ahead);
    behind
}
