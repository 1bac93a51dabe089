//! Names of parts, and which block numbers they hold. Pure.

use std::collections::HashMap;

/// What a part's name says: `partition_min_max_level`, with the version of its last mutation at the
/// end where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    partition: Vec<u8>,
    first: u64,
    last: u64,
}

impl Part {
    /// `None` for what is no part: temporary, detached and other folders.
    pub(super) fn parse(name: &[u8]) -> Option<Self> {
        // A partition's id has no underscore in it.
        let mut pieces = name.split(|byte| *byte == b'_');
        let partition = pieces.next().filter(|piece| !piece.is_empty())?;
        let first = number(pieces.next()?)?;
        let last = number(pieces.next()?)?;
        number(pieces.next()?)?;
        if let Some(mutation) = pieces.next() {
            number(mutation)?;
        }
        (pieces.next().is_none() && first <= last).then(|| Self {
            partition: partition.to_vec(),
            first,
            last,
        })
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

/// The block numbers that the parts of a table hold, by partition.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    partitions: HashMap<Vec<u8>, Vec<(u64, u64)>>,
}

impl Ranges {
    pub(super) fn add(&mut self, part: Part) {
        let ranges = self.partitions.entry(part.partition).or_default();
        ranges.push((part.first, part.last));
    }

    /// Makes ranges ready to be asked: in order, and those that overlap as one. Neighbours stay apart,
    /// so nothing is held that no single part holds.
    pub(super) fn seal(&mut self) {
        for ranges in self.partitions.values_mut() {
            ranges.sort_unstable();
            let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
            for &(first, last) in ranges.iter() {
                match joined.last_mut() {
                    Some(before) if first <= before.1 => before.1 = before.1.max(last),
                    _ => joined.push((first, last)),
                }
            }
            *ranges = joined;
        }
    }

    /// Whether the part, or one that covers it, is there.
    pub(super) fn hold(&self, part: &Part) -> bool {
        self.partitions.get(&part.partition).is_some_and(|ranges| {
            let after = ranges.partition_point(|range| range.0 <= part.first);
            after > 0 && ranges[after - 1].1 >= part.last
        })
    }
}
