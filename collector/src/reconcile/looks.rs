//! What several looks at the same rows show together. Pure.
//!
//! Both sides of a roll-up are read at different moments, so while rows arrive one look at a difference
//! proves nothing. A row that was right at any look is right. One whose two sides were the same at two
//! looks in a row, and not equal, is wrong. One that changes from look to look is neither.

use std::collections::BTreeMap;

/// Rows that differ: the hash of a row's key, and the hash of what both sides held.
pub(super) type Differing = BTreeMap<u64, u64>;

/// What one look showed of one roll-up and range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Those that differ, by the smallest hashes of keys, as many as were asked for.
    pub(super) rows: Differing,
    /// Rows that differ in all.
    pub(super) differing: u64,
}

/// What is known of rows after another look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The same twice.
    pub(super) same: Differing,
    /// Differing still, and otherwise than before.
    pub(super) changing: Differing,
    /// Not seen, as the look showed no more.
    pub(super) unseen: u64,
}

impl Look {
    /// How many rows differ that the look does not show.
    pub(super) fn hidden(&self) -> u64 {
        self.differing.saturating_sub(self.rows.len() as u64)
    }
}

/// Holds a look against the one before. Rows that did not differ then were right, so they are left out.
pub(super) fn judge(before: &Differing, look: &Look) -> Verdict {
    // What has a hash beyond the last one shown may differ or not.
    let shown_to = match look.hidden() {
        0 => Some(u64::MAX),
        _ => look.rows.last_key_value().map(|(key, _)| *key),
    };
    let mut verdict = Verdict::default();
    for (key, state) in before {
        match look.rows.get(key) {
            Some(now) if now == state => {
                verdict.same.insert(*key, *now);
            }
            Some(now) => {
                verdict.changing.insert(*key, *now);
            }
            None if shown_to.is_none_or(|to| *key > to) => verdict.unseen += 1,
            None => {}
        }
    }
    verdict
}
