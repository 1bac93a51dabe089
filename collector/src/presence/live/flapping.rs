//! Flapping: a host that falls silent and comes back again and again.
//!
//! After Nagios ("Detection and Handling of State Flapping"): of the last 21 looks, each change from one
//! to the next counts, recent ones more (weights 0.75 to 1.25). Above the high threshold it flaps, until
//! it is below the low one. Pure and bounded.

/// Looks that are remembered.
const LOOKS: usize = 21;
/// Share of changes, percent, above which a host flaps, and below which it does no more.
const HIGH_PERCENT: f64 = 20.0;
const LOW_PERCENT: f64 = 5.0;

/// The last looks at a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Flapping {
    /// Whether it was silent: the latest look in the lowest bit.
    silent: u32,
    looks: usize,
    flaps: bool,
}

impl Flapping {
    /// Of a host that flapped when somebody else watched: until it has calmed down.
    pub(super) const fn restored() -> Self {
        Self {
            silent: 0xaaaa_aaaa,
            looks: LOOKS,
            flaps: true,
        }
    }

    /// Adds a look. Returns whether the host flaps.
    pub(super) fn look(&mut self, is_silent: bool) -> bool {
        if self.looks == 0 && is_silent {
            // One that was silent from the first look on has not changed.
            self.silent = u32::MAX;
        }
        self.silent = (self.silent << 1) | u32::from(is_silent);
        self.looks = (self.looks + 1).min(LOOKS);
        let percent = self.percent();
        self.flaps = percent > HIGH_PERCENT || (self.flaps && percent >= LOW_PERCENT);
        self.flaps
    }

    pub(super) const fn flaps(&self) -> bool {
        self.flaps
    }

    /// Weighted share of looks that differ from the one before.
    #[allow(clippy::cast_precision_loss, reason = "20 at most")]
    fn percent(&self) -> f64 {
        let pairs = LOOKS - 1;
        let changes = self.silent ^ (self.silent >> 1);
        let weights = (0..self.looks.saturating_sub(1))
            .filter(|position| changes >> position & 1 == 1)
            .map(|position| 1.25 - 0.5 * position as f64 / (pairs - 1) as f64);
        100.0 * weights.sum::<f64>() / pairs as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it flapped, and how often it was silent, over looks at `pattern` again and again.
    fn flapped(pattern: &[bool], looks: usize) -> Vec<bool> {
        let mut flapping = Flapping::default();
        let pattern = pattern.iter().cycle();
        pattern.take(looks).map(|&is| flapping.look(is)).collect()
    }

    #[test]
    fn one_outage_is_no_flapping() {
        for silent in 1..40 {
            let pattern = [vec![false; 30], vec![true; silent], vec![false; 30]].concat();
            let flaps = flapped(&pattern, pattern.len());
            assert!(flaps.iter().all(|flaps| !flaps), "{silent}");
        }
        assert!(flapped(&[true], 100).iter().all(|flaps| !flaps));
    }

    #[test]
    fn many_changes_are_and_rest_ends_it() {
        let pattern = [false, true];
        let first = flapped(&pattern, 21).iter().position(|&flaps| flaps);
        // 1.25 + 1.22 + … of 20: the fourth change passes 20 %.
        assert_eq!(first, Some(4));
        let mut flapping = Flapping::default();
        for &is_silent in pattern.iter().cycle().take(21) {
            flapping.look(is_silent);
        }
        assert!((flapping.percent() - 100.0).abs() < 1e-9);
        let rest = (1..=21).find(|_| !flapping.look(false));
        // The last change to be forgotten weighs 0.75 of 20, which is below 5 %.
        assert_eq!(rest, Some(19));
        assert!(!flapping.flaps());
    }
}
