//! The head of a syslog line: time, host, program and process.
//!
//! Pure, but for the zone of the host. Times of the old form (`Nov 23 02:23:40`) have no year and
//! no zone: the year is the one that puts them nearest before now, the zone comes from config.

use crate::sources::tail::calendar::{Civil, DAY_MS, digits, month, year_of, zone_ms};

/// Zone of times that carry none.
#[derive(Debug)]
pub(super) enum Zone {
    /// This far east of UTC, ms.
    Fixed(i64),
    /// The host's.
    Host(tz::TimeZone),
}

impl Zone {
    /// From a checked config value. A host without a readable zone is at UTC.
    pub(super) fn of(text: &str) -> Self {
        match zone_ms(text.as_bytes()) {
            Some(offset) => Self::Fixed(offset),
            None => tz::TimeZone::local().map_or(Self::Fixed(0), Self::Host),
        }
    }

    /// Unix time of a civil time given as if it were UTC.
    pub(super) fn unix_ms(&self, civil_ms: i64) -> i64 {
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

/// A line in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    pub(super) time_ms: i64,
    pub(super) program: &'a str,
    pub(super) process_id: u32,
    pub(super) message: &'a str,
}

/// Takes a line apart. `None` when it is no syslog line.
pub(super) fn parse<'a>(line: &'a str, zone: &Zone, now_ms: i64) -> Option<Entry<'a>> {
    let (time_ms, rest) = dated(line, zone, now_ms)?;
    let (_host, rest) = rest.split_once(' ')?;
    let (head, message) = rest.split_once(": ")?;
    let (program, process_id) = match head.strip_suffix(']').and_then(|head| head.split_once('[')) {
        Some((program, number)) => (program, number.parse().ok()?),
        None => (head, 0),
    };
    let name = !program.is_empty() && !program.contains(' ');
    name.then_some(Entry {
        time_ms,
        program,
        process_id,
        message,
    })
}

/// Takes the time off the start of a line.
pub(super) fn dated<'a>(line: &'a str, zone: &Zone, now_ms: i64) -> Option<(i64, &'a str)> {
    if line.as_bytes().first()?.is_ascii_digit() {
        let (time, rest) = line.split_once(' ')?;
        return Some((rfc3339(time.as_bytes())?, rest));
    }
    let (head, rest) = line.split_at_checked(16)?;
    let head = head.as_bytes();
    let separators = [3, 6, 9, 12, 15].map(|position| head[position]);
    if separators != *b"  :: " {
        return None;
    }
    let civil = |year| {
        Civil {
            year,
            month: month(&head[..3])?,
            day: digits(head[4..6].trim_ascii_start())?,
            hour: digits(&head[7..9])?,
            minute: digits(&head[10..12])?,
            second: digits(&head[13..15])?,
        }
        .utc_ms()
    };
    // A day of grace for clocks and zones that are off. 29 February may be years back.
    let this_year = year_of(now_ms) + 1;
    let time_ms = (0..9)
        .filter_map(|back| civil(this_year - back))
        .map(|civil_ms| zone.unix_ms(civil_ms))
        .find(|&time_ms| time_ms <= now_ms + DAY_MS)?;
    Some((time_ms, rest))
}

/// `2026-11-23T02:23:40.123456+00:00`
fn rfc3339(text: &[u8]) -> Option<i64> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let separators = [4, 7, 10, 13, 16].map(|position| head[position]);
    if separators != *b"--T::" {
        return None;
    }
    let civil = Civil {
        year: digits(&head[..4])?,
        month: digits(&head[5..7])?,
        day: digits(&head[8..10])?,
        hour: digits(&head[11..13])?,
        minute: digits(&head[14..16])?,
        second: digits(&head[17..])?,
    };
    let (milliseconds, zone) = match rest.strip_prefix(b".") {
        Some(rest) => {
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let (fraction, zone) = rest.split_at(length);
            if !(1..=9).contains(&length) {
                return None;
            }
            let mut scaled = [b'0'; 3];
            let kept = length.min(3);
            scaled[..kept].copy_from_slice(&fraction[..kept]);
            (digits(&scaled)?, zone)
        }
        None => (0, rest),
    };
    Some(civil.utc_ms()? + milliseconds - zone_ms(zone)?)
}
