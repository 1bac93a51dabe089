//! Which records of a day were told. Pure.
//!
//! A file may be made anew for the same day under another id, and hold what was told and more. So
//! keys of told records are remembered by day and type, up to [`KEYS_MAX`] in all or what the caller
//! says: the oldest days go first. Of a day and type that has more than half of them alone, nothing is remembered
//! ([`Group::Crowded`]), so that it costs no other its memory.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use super::record::EventType;
use crate::sources::tail::calendar::DAY_MS;

/// Most keys that are remembered.
pub(super) const KEYS_MAX: usize = 16_384;

/// Most days and types.
pub(super) const GROUPS_MAX: usize = 256;

/// Records of one type on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Group {
    Told(BTreeSet<u64>),
    /// More than is remembered.
    Crowded,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    groups: BTreeMap<(i64, EventType), Group>,
    keys: usize,
    /// Most of them.
    keys_max: usize,
}

/// A group as it is stored.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedGroup {
    day: i64,
    of: EventType,
    /// 8 bytes each, little endian, in base64; nothing where they were too many.
    keys: Option<String>,
}

impl Known {
    /// One that remembers so many keys at most, and no more than [`KEYS_MAX`].
    pub(super) fn new(keys_max: usize) -> Self {
        Self {
            groups: BTreeMap::new(),
            keys: 0,
            keys_max: keys_max.min(KEYS_MAX),
        }
    }

    /// Whether a record was told, as far as that is remembered.
    pub(super) fn holds(&self, at_ms: i64, of: EventType, key: u64) -> bool {
        match self.groups.get(&(day(at_ms), of)) {
            Some(Group::Told(keys)) => keys.contains(&key),
            _ => false,
        }
    }

    /// Whether records of this day were told that are not remembered any more.
    pub(super) fn is_crowded(&self, at_ms: i64, of: EventType) -> bool {
        self.groups.get(&(day(at_ms), of)) == Some(&Group::Crowded)
    }

    /// Remembers a record.
    pub(super) fn tell(&mut self, at_ms: i64, of: EventType, key: u64) {
        let place = (day(at_ms), of);
        let none = || Group::Told(BTreeSet::new());
        let group = self.groups.entry(place).or_insert_with(none);
        if let Group::Told(keys) = group {
            self.keys += usize::from(keys.insert(key));
            if keys.len() > self.keys_max / 2 {
                self.keys -= keys.len();
                *group = Group::Crowded;
            }
        }
        self.shrink(Some(place));
    }

    /// Forgets the oldest, but for one, until the rest keeps the bounds.
    fn shrink(&mut self, spared: Option<(i64, EventType)>) {
        while self.keys > self.keys_max || self.groups.len() > GROUPS_MAX {
            let mut others = self.groups.keys().filter(|&&other| spared != Some(other));
            let Some(oldest) = others.next().copied() else {
                break;
            };
            if let Some(Group::Told(keys)) = self.groups.remove(&oldest) {
                self.keys -= keys.len();
            }
        }
    }

    /// To be stored.
    pub(super) fn save(&self) -> Vec<SavedGroup> {
        let groups = self.groups.iter();
        let groups = groups.map(|(&(day, of), group)| SavedGroup {
            day,
            of,
            keys: match group {
                Group::Told(keys) => {
                    let bytes = keys.iter().flat_map(|key| key.to_le_bytes());
                    Some(BASE64.encode(bytes.collect::<Vec<u8>>()))
                }
                Group::Crowded => None,
            },
        });
        groups.collect()
    }

    /// As it was stored, as much of it as `keys_max` allows; `None` when it cannot be read.
    pub(super) fn load(saved: &[SavedGroup], keys_max: usize) -> Option<Self> {
        let mut known = Self::new(keys_max);
        for one in saved {
            let group = match &one.keys {
                None => Group::Crowded,
                Some(text) => {
                    let bytes = BASE64.decode(text).ok()?;
                    let (keys, rest) = bytes.as_chunks::<8>();
                    if !rest.is_empty() {
                        return None;
                    }
                    let keys: BTreeSet<u64> =
                        keys.iter().map(|key| u64::from_le_bytes(*key)).collect();
                    known.keys += keys.len();
                    Group::Told(keys)
                }
            };
            known.groups.insert((one.day, one.of), group);
        }
        if known.keys > KEYS_MAX {
            return None;
        }
        known.shrink(None);
        Some(known)
    }
}

fn day(at_ms: i64) -> i64 {
    at_ms.div_euclid(DAY_MS)
}

/// Keys of the records of one file, equal ones by their number: the third of a kind is the same in
/// any file of the day.
#[derive(Debug, Default)]
pub(super) struct InFile {
    counts: BTreeMap<u64, u32>,
}

impl InFile {
    /// How many like it came before. Of a file with more kinds of records than are remembered, equal
    /// ones are not numbered.
    pub(super) fn number(&mut self, key: u64) -> u32 {
        if self.counts.len() >= KEYS_MAX && !self.counts.contains_key(&key) {
            return 0;
        }
        let count = self.counts.entry(key).or_insert(0);
        *count = count.saturating_add(1);
        *count - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: EventType = EventType::Login;

    #[test]
    fn told_records_are_known_by_day_and_type_and_through_storing() {
        let mut known = Known::new(KEYS_MAX);
        known.tell(5, OF, 1);
        assert!(known.holds(DAY_MS - 1, OF, 1), "of the same day");
        assert!(!known.holds(DAY_MS, OF, 1) && !known.holds(5, EventType::Logout, 1));
        assert!(!known.holds(5, OF, 2));
        let again = Known::load(&known.save(), KEYS_MAX).unwrap();
        assert_eq!(again, known);
        let wrong = SavedGroup {
            day: 0,
            of: OF,
            keys: Some("AAAA".to_owned()),
        };
        assert_eq!(Known::load(&[wrong], KEYS_MAX), None);
    }

    #[test]
    fn the_oldest_days_are_forgotten_and_a_day_too_large_is_told_of() {
        let mut known = Known::new(KEYS_MAX);
        let most = KEYS_MAX as u64 / 2;
        for day in 0..3 {
            for key in 0..most {
                known.tell(day * DAY_MS, OF, key);
            }
        }
        assert!(!known.holds(0, OF, 0), "forgotten");
        assert!(!known.is_crowded(0, OF));
        assert!(known.holds(DAY_MS, OF, 0) && known.holds(2 * DAY_MS, OF, 0));
        known.tell(2 * DAY_MS, OF, most);
        assert!(known.is_crowded(2 * DAY_MS, OF) && !known.holds(2 * DAY_MS, OF, 0));
        for key in 0..4 * most {
            known.tell(2 * DAY_MS, OF, key);
        }
        assert!(
            known.holds(DAY_MS, OF, 0),
            "a crowd costs no other its memory"
        );
        assert_eq!(known.keys, KEYS_MAX / 2);
        known.tell(3 * DAY_MS, OF, 1);
        assert!(known.holds(3 * DAY_MS, OF, 1), "others go on");
        assert_eq!(Known::load(&known.save(), KEYS_MAX), Some(known.clone()));
        // With less room: the newest of it.
        let mut less = Known::load(&known.save(), 100).unwrap();
        assert!(less.holds(3 * DAY_MS, OF, 1) && !less.holds(DAY_MS, OF, 0));
        for key in 0..=50 {
            less.tell(4 * DAY_MS, OF, key);
        }
        assert!(less.is_crowded(4 * DAY_MS, OF) && less.holds(3 * DAY_MS, OF, 1));
    }

    #[test]
    fn equal_records_are_numbered() {
        let mut file = InFile::default();
        let numbers: Vec<u32> = [7, 8, 7, 7]
            .into_iter()
            .map(|key| file.number(key))
            .collect();
        assert_eq!(numbers, [0, 0, 1, 2]);
    }
}
