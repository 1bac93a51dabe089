//! What disks and network interfaces have in common: one kernel file with a line for each, of
//! which a bounded number is followed from reading to reading.
//!
//! Owns the memory of the last reading by name. Promises: a device's first reading only primes; a
//! device that was away begins anew, and so does one whose counters fell (another device bears the
//! name, the driver was loaded again, a bond lost a member), which is counted: it has no row for once,
//! since how much of what its counters show belongs to the row cannot be told; devices beyond the bound are counted as dropped, and those
//! followed already keep their place; a line that is not understood is counted and stops no other.
//! Leaves the lines to [`super::disks`] and [`super::interfaces`].

use crmscope_proto::catalog::{SeriesKind, SourceMetric};

use super::file::KernelFile;
use super::interval::Interval;
use super::text::lines;
use crate::sources::{Moment, Rows, SourceError};

/// One line of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a, const N: usize> {
    /// A device, with its figures in catalog order, counters since it was created.
    Device(&'a str, [u64; N]),
    /// A heading, or a part of the device before.
    Other,
    /// Not as the kernel writes it.
    Unparsed,
}

/// From two readings of a device to its row.
pub(super) type Increments<const N: usize> = fn(&[u64; N], &[u64; N]) -> Option<[Option<u64>; N]>;

/// A file of devices.
pub(super) struct Devices<const N: usize> {
    pub(super) file: KernelFile,
    pub(super) kind: SeriesKind,
    /// Understands a line; the name is that of the last device before it.
    pub(super) parse: for<'a> fn(&'a [u8], &str) -> Line<'a, N>,
    /// The row from one reading to the next; `None` when the counters began again.
    pub(super) increments: Increments<N>,
    /// Devices whose names begin so are left out.
    pub(super) excluded: Vec<String>,
    pub(super) followed: Followed<N>,
    pub(super) interval: Interval,
}

impl<const N: usize> Devices<N> {
    /// Reads the file and publishes a row for each device.
    pub(super) fn collect(
        &mut self,
        buffer: &mut Vec<u8>,
        moment: Moment,
        rows: &mut Rows<'_>,
    ) -> Result<(), SourceError> {
        if self.followed.max == 0 {
            return Ok(());
        }
        let text = self.file.read(buffer)?;
        let interval_ms = self.interval.next(moment.monotonic);
        let mut device_before = "";
        let (mut dropped, mut unparsed, mut resets) = (0, 0, 0);
        let mut result = Ok(());
        self.followed.begin();
        for line in lines(text) {
            let (name, now) = match (self.parse)(line, device_before) {
                Line::Device(name, now) => (name, now),
                Line::Other => continue,
                Line::Unparsed => {
                    unparsed += 1;
                    continue;
                }
            };
            device_before = name;
            if self.excluded.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            match (self.followed.replace(name, &now), interval_ms) {
                (Before::Reading(before), Some(interval_ms)) => {
                    let Some(values) = (self.increments)(&before, &now) else {
                        resets += 1;
                        continue;
                    };
                    let row = rows.series(self.kind, &[name], moment, interval_ms, &values);
                    result = result.and(row);
                }
                (Before::NoRoom, _) => dropped += 1,
                (Before::Repeated, _) => unparsed += 1,
                (Before::Nothing | Before::Reading(_), _) => {}
            }
        }
        self.followed.end();
        rows.count(SourceMetric::Dropped, dropped);
        rows.count(SourceMetric::Unparsed, unparsed);
        rows.count(SourceMetric::CounterResets, resets);
        result
    }
}

/// What was known of a device.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Before<const N: usize> {
    /// Its figures at the last reading.
    Reading([u64; N]),
    /// It is new.
    Nothing,
    /// It is new and there is no room for it.
    NoRoom,
    /// It was in this reading already.
    Repeated,
}

/// The devices that are followed, in the order of the file.
#[derive(Debug)]
pub(super) struct Followed<const N: usize> {
    max: usize,
    devices: Vec<Device<N>>,
    /// Where the next line's device is if nothing changed since the last reading.
    expected: usize,
}

#[derive(Debug)]
struct Device<const N: usize> {
    name: String,
    values: [u64; N],
    seen: bool,
}

impl<const N: usize> Followed<N> {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            devices: Vec::new(),
            expected: 0,
        }
    }

    fn begin(&mut self) {
        self.expected = 0;
        for device in &mut self.devices {
            device.seen = false;
        }
    }

    fn replace(&mut self, name: &str, now: &[u64; N]) -> Before<N> {
        let expected = self.devices.get(self.expected);
        let position = if expected.is_some_and(|device| device.name == name) {
            Some(self.expected)
        } else {
            self.devices.iter().position(|device| device.name == name)
        };
        let Some(position) = position else {
            if self.devices.len() >= self.max {
                return Before::NoRoom;
            }
            self.devices.push(Device {
                name: name.to_owned(),
                values: *now,
                seen: true,
            });
            return Before::Nothing;
        };
        self.expected = position + 1;
        let device = &mut self.devices[position];
        if std::mem::replace(&mut device.seen, true) {
            return Before::Repeated;
        }
        Before::Reading(std::mem::replace(&mut device.values, *now))
    }

    /// Forgets devices that are gone.
    fn end(&mut self) {
        self.devices.retain(|device| device.seen);
    }
}

/// A counter that the kernel keeps or prints in 32 bits. A fall by more than half its range is a
/// turn; a smaller one is a step back, which adds nothing.
pub(super) fn counted_32_bits(before: u64, now: u64) -> u64 {
    const TURN: u64 = 1 << 32;
    match before.checked_sub(now) {
        Some(fall) if fall > TURN / 2 && before < TURN => TURN - fall,
        _ => now.saturating_sub(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_come_and_go_within_the_bound() {
        let mut followed = Followed::<1>::new(2);
        let mut reading = |devices: &[(&str, u64)]| -> Vec<Before<1>> {
            followed.begin();
            let before = devices
                .iter()
                .map(|&(name, value)| followed.replace(name, &[value]));
            let before = before.collect();
            followed.end();
            before
        };
        use Before::{NoRoom, Nothing, Reading, Repeated};
        assert_eq!(
            reading(&[("a", 1), ("b", 2), ("c", 3)]),
            [Nothing, Nothing, NoRoom]
        );
        // One that came in before keeps nobody's place.
        assert_eq!(
            reading(&[("new", 9), ("b", 4), ("a", 3)]),
            [NoRoom, Reading([2]), Reading([1])]
        );
        assert_eq!(reading(&[("b", 5), ("b", 7)]), [Reading([4]), Repeated]);
        // "a" is gone and begins anew.
        assert_eq!(reading(&[("b", 6), ("a", 100)]), [Reading([5]), Nothing]);
        assert_eq!(reading(&[]), []);
        assert_eq!(reading(&[("b", 6)]), [Nothing]);
    }

    #[test]
    fn counters_turn_and_step_back() {
        let max = u64::from(u32::MAX);
        for (before, now, want) in [
            (10, 15, 5),
            (max, 0, 1),
            (max - 9, 10, 20),
            // A step back, and a counter of 64 bits, are no turns.
            (1000, 990, 0),
            (max * 3, 5, 0),
        ] {
            assert_eq!(counted_32_bits(before, now), want, "{before} to {now}");
        }
    }
}
