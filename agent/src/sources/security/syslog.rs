//! The head of a syslog line: time, host, program and process.
//!
//! Pure. Times of the old form (`Nov 23 02:23:40`) have no year and
//! no zone: the year is the one that puts them nearest before now, the zone comes from config.

use crate::sources::tail::calendar::{Civil, DAY_MS, digits, month, rfc3339, year_of};
use crate::sources::tail::zone::Zone;

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
