//! A cursor that moves, and what was read of the stretch behind it. Pure.
//!
//! Records become visible late: a transaction commits after one that began later, and a file of
//! events is listed after a newer one. So each poll reads again from the cursor less a *lookback*,
//! and what was handed over before is known by its key. Promises that of records which appear
//! within the lookback each is admitted once; one that appears later than that is not read.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Most keys that are remembered. Where the lookback holds more, it is cut.
pub(super) const SEEN_MAX: usize = 16_384;

/// Bytes of a remembered key, with its cursor.
const ENTRY_BYTES: usize = 16;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Window {
    cursor: i64,
    /// Nothing before it is read.
    floor: i64,
    lookback: i64,
    seen: BTreeSet<(i64, u64)>,
}

/// A window as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Saved {
    cursor: i64,
    floor: i64,
    /// Cursor and key of each, 8 bytes each, little endian, in base64.
    seen: String,
}

/// More records than are remembered stand at one place, so they cannot be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Window {
    /// One that begins at a place; what is before it is not read.
    pub(super) fn at(cursor: i64, lookback: i64) -> Self {
        Self {
            cursor,
            floor: cursor,
            lookback,
            seen: BTreeSet::new(),
        }
    }

    /// From where to read.
    pub(super) fn start(&self) -> i64 {
        self.floor.max(self.cursor.saturating_sub(self.lookback))
    }

    /// Whether a record would be new.
    pub(super) fn is_new(&self, cursor: i64, key: u64) -> bool {
        cursor >= self.floor && !self.seen.contains(&(cursor, key))
    }

    /// Whether a record is new, which it is once.
    pub(super) fn admit(&mut self, cursor: i64, key: u64) -> bool {
        if cursor < self.floor {
            return false;
        }
        self.cursor = self.cursor.max(cursor);
        self.seen.insert((cursor, key))
    }

    /// Forgets what is behind the lookback, and what is more than `most`. To be done where every record
    /// up to the cursor was read.
    ///
    /// # Errors
    /// When the records at one place alone are too many.
    pub(super) fn trim_to(&mut self, most: usize) -> Result<(), TooMany> {
        self.floor = self.start();
        self.seen = self.seen.split_off(&(self.floor, 0));
        while self.seen.len() > most.min(SEEN_MAX) {
            let Some(&(oldest, _)) = self.seen.first() else {
                break;
            };
            let newest = self.seen.last().map(|&(newest, _)| newest);
            if newest == Some(oldest) {
                return Err(TooMany);
            }
            self.floor = oldest.saturating_add(1);
            self.seen = self.seen.split_off(&(self.floor, 0));
        }
        Ok(())
    }

    /// One that was restored, with no more than `most`; `None` where that cannot be.
    pub(super) fn cut_to(mut self, most: usize) -> Option<Self> {
        if self.seen.len() > most {
            self.trim_to(most).ok()?;
        }
        Some(self)
    }

    /// To be stored.
    pub(super) fn save(&self) -> Saved {
        let mut bytes = Vec::with_capacity(self.seen.len() * ENTRY_BYTES);
        for (cursor, key) in &self.seen {
            bytes.extend_from_slice(&cursor.to_le_bytes());
            bytes.extend_from_slice(&key.to_le_bytes());
        }
        Saved {
            cursor: self.cursor,
            floor: self.floor,
            seen: BASE64.encode(bytes),
        }
    }

    /// As it was stored; `None` when it cannot be read.
    pub(super) fn load(saved: &Saved, lookback: i64) -> Option<Self> {
        let bytes = BASE64.decode(&saved.seen).ok()?;
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || entries.len() > SEEN_MAX + 1 || saved.floor > saved.cursor {
            return None;
        }
        let seen = entries.iter().map(|entry| {
            let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *entry;
            (
                i64::from_le_bytes([a, b, c, d, e, f, g, h]),
                u64::from_le_bytes([i, j, k, l, m, n, o, p]),
            )
        });
        Some(Self {
            cursor: saved.cursor,
            floor: saved.floor,
            lookback,
            seen: seen.collect(),
        })
    }
}

/// A key in few bytes. Two keys at the same place of the cursor collide once in 10^19.
pub(super) fn short(key: &str) -> u64 {
    let hash = Sha256::digest(key.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[..8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_begins_where_it_is_told_and_never_goes_back() {
        let mut window = Window::at(100, 10);
        assert_eq!(window.start(), 100);
        assert!(!window.admit(99, 1));
        assert!(window.admit(105, 2));
        assert!(!window.is_new(105, 2) && !window.is_new(99, 2) && window.is_new(105, 3));
        assert!(!window.admit(105, 2));
        assert!(window.admit(105, 3), "another key at the same place");
        window.trim_to(SEEN_MAX).unwrap();
        assert_eq!(window.start(), 100);
        assert!(window.admit(103, 4), "late, within the lookback");
        assert!(window.admit(200, 5));
        window.trim_to(SEEN_MAX).unwrap();
        assert_eq!(window.start(), 190);
        // A longer lookback after a restart reads nothing twice.
        let longer = Window::load(&window.save(), 1000).unwrap();
        assert_eq!(longer.start(), 190);
    }

    #[test]
    fn more_than_it_remembers_cuts_the_lookback_and_at_one_place_is_an_error() {
        let mut window = Window::at(0, i64::MAX);
        for number in 0..20_000 {
            assert!(window.admit(number / 4, u64::try_from(number).unwrap()));
        }
        window.trim_to(SEEN_MAX).unwrap();
        assert_eq!(window.save().floor, i64::from(20_000_i32 - 16_384) / 4);
        window.trim_to(100).unwrap();
        assert_eq!(window.save().floor, 5000 - 100 / 4);
        let mut crowd = Window::at(0, 10);
        for key in 0..=SEEN_MAX as u64 {
            crowd.admit(7, key);
        }
        assert_eq!(crowd.trim_to(SEEN_MAX), Err(TooMany));
    }

    #[test]
    fn what_is_no_window_is_refused() {
        let saved = |cursor, floor, seen: &str| Saved {
            cursor,
            floor,
            seen: seen.to_owned(),
        };
        assert!(Window::load(&saved(0, 0, ""), 1).is_some());
        assert!(Window::load(&saved(0, 1, ""), 1).is_none());
        assert!(Window::load(&saved(0, 0, "AAAA"), 1).is_none());
        assert!(Window::load(&saved(0, 0, "?"), 1).is_none());
    }

    proptest! {
        /// Records of random places become visible in an order that is shuffled within the
        /// lookback; polls fall anywhere; now and then the agent restarts from what it stored.
        #[test]
        fn each_record_is_admitted_once(
            delays in prop::collection::vec(0_i64..=20, 1..200),
            polls in prop::collection::vec(1_i64..15, 1..60),
            restarts in prop::collection::vec(any::<bool>(), 60),
        ) {
            let lookback = 20;
            // Record n stands at n, and is visible from n + delay on.
            let mut window = Window::at(0, lookback);
            let mut stored = window.save();
            let mut kept: Vec<i64> = Vec::new();
            let mut now = 0;
            let end = i64::try_from(delays.len()).unwrap() + 21;
            let mut times: Vec<i64> = polls.iter().map(|step| { now += step; now }).collect();
            times.push(now.max(end));
            for (poll, &now) in times.iter().enumerate() {
                let mut read = Vec::new();
                for (place, delay) in (0_i64..).zip(&delays) {
                    if place + delay <= now && place >= window.start() && window.admit(place, 1) {
                        read.push(place);
                    }
                }
                window.trim_to(SEEN_MAX).unwrap();
                if restarts.get(poll).copied().unwrap_or(false) {
                    // Killed before the batch was stored: what was read is read again.
                    window = Window::load(&stored, lookback).unwrap();
                } else {
                    stored = window.save();
                    kept.extend(read);
                }
            }
            // One last poll that is stored.
            for (place, _) in (0_i64..).zip(&delays) {
                if place >= window.start() && window.admit(place, 1) {
                    kept.push(place);
                }
            }
            kept.sort_unstable();
            let all: Vec<i64> = (0..i64::try_from(delays.len()).unwrap()).collect();
            prop_assert_eq!(kept, all);
        }
    }
}
