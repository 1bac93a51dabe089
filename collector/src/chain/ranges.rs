//! Sets of sequences, as the walk has them: few ranges, however many sequences. Pure.

/// Sequences as ascending ranges that do not touch, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    pub(super) fn of(mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.retain(|(first, last)| first <= last);
        ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// Each as its first and last, ascending.
    pub(super) fn each(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// Adds a sequence above all others.
    pub(super) fn push(&mut self, sequence: u64) {
        match self.0.last_mut() {
            Some(last) if last.1.saturating_add(1) == sequence => last.1 = sequence,
            _ => self.0.push((sequence, sequence)),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn total(&self) -> u64 {
        let lengths = self.0.iter().map(|(first, last)| last - first + 1);
        lengths.fold(0, u64::saturating_add)
    }

    pub(super) fn contains(&self, sequence: u64) -> bool {
        let next = self.0.partition_point(|(first, _)| *first <= sequence);
        let before = next.checked_sub(1).and_then(|at| self.0.get(at));
        before.is_some_and(|(_, last)| *last >= sequence)
    }

    pub(super) fn without(&self, others: &Self) -> Self {
        let mut left = Vec::new();
        for &(mut first, last) in &self.0 {
            let begin = others.0.partition_point(|(_, end)| *end < first);
            for &(other_first, other_last) in &others.0[begin..] {
                if other_first > last || first > last {
                    break;
                }
                if first < other_first {
                    left.push((first, other_first - 1));
                }
                first = first.max(other_last.saturating_add(1));
            }
            if first <= last {
                left.push((first, last));
            }
        }
        Self(left)
    }

    pub(super) fn up_to(&self, sequence: u64) -> Self {
        let cut = self
            .0
            .iter()
            .map(|&(first, last)| (first, last.min(sequence)));
        Self::of(cut.collect())
    }

    pub(super) fn above(&self, sequence: u64) -> Self {
        let cut = self.0.iter();
        let cut = cut.map(|&(first, last)| (first.max(sequence.saturating_add(1)), last));
        Self::of(cut.collect())
    }
}
