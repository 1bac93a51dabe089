//! Zones of times that carry none.
//!
//! Reads the host's zone once; everything else is pure.

use super::calendar::zone_ms;

/// Zone of times that carry none.
#[derive(Debug)]
pub(crate) enum Zone {
    /// This far east of UTC, ms.
    Fixed(i64),
    /// The host's.
    Host(tz::TimeZone),
}

impl Zone {
    /// From a checked config value. A host without a readable zone is at UTC.
    pub(crate) fn of(text: &str) -> Self {
        match zone_ms(text.as_bytes()) {
            Some(offset) => Self::Fixed(offset),
            None => tz::TimeZone::local().map_or(Self::Fixed(0), Self::Host),
        }
    }

    /// Unix time of a civil time given as if it were UTC.
    pub(crate) fn unix_ms(&self, civil_ms: i64) -> i64 {
        match self {
            Self::Fixed(offset) => civil_ms - offset,
            Self::Host(zone) => {
                let offset_at = |unix_ms: i64| {
                    zone.find_local_time_type(unix_ms.div_euclid(1000))
                        .map_or(0, |found| i64::from(found.ut_offset()) * 1000)
                };
                // The offset is needed to know the moment whose offset it is: twice is enough but
                // for the hour that a change of clocks repeats, where either is right.
                let guess = civil_ms - offset_at(civil_ms);
                civil_ms - offset_at(guess)
            }
        }
    }
}
