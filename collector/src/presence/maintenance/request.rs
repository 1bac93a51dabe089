//! What is asked for, checked: a window, or its end. Pure.
//!
//! Promises: what could not be meant, by its time, its length or its note, is refused with what to write
//! instead.

use crmscope_proto::Id;

use super::repeat::{LENGTH_MINUTES_MAX, Repeat};
use super::store::{Change, Kind};
use super::window::{Standing, Window};
use super::zone::{ZoneError, Zones};
use crate::cli::AddArguments;
use crate::error::Error;

/// Windows that are not over; each is looked at every 10 s.
pub(super) const WINDOWS_MAX: usize = 10_000;
/// Longest window that does not repeat, days. More is most likely a slip.
const DAYS_MAX: i64 = 366;
/// Longest note and name of who changes, bytes.
const TEXT_MAX_BYTES: usize = 500;

/// A request that cannot be met.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RequestError {
    /// No such host.
    #[error(
        "agent {0:?} neither reported nor was added; `hosts add` makes it known before it reports"
    )]
    Agent(String),
    /// No such group.
    #[error(
        "no host is in group {0:?}; `hosts list` shows the groups, `hosts add --group` makes one"
    )]
    Group(String),
    /// No such service.
    #[error(
        "no agent probed service {0:?} or counted requests of it; check its name in the agents' configuration"
    )]
    Service(String),
    /// No time.
    #[error("{what} {value:?} is no time to work with; write a moment, how long ago, or \"in 2h\"")]
    Time {
        /// Of which argument.
        what: &'static str,
        /// As it was given.
        value: String,
    },
    /// Nothing lies between.
    #[error("the window ends before it begins: check --from, and --to, --for or --until")]
    Backwards,
    /// Not a likely length.
    #[error(
        "a window of more than {DAYS_MAX} days is refused: add one that repeats, or retire the hosts"
    )]
    Long,
    /// Not a length of an occurrence.
    #[error("--for must be 1m to 7d, in whole minutes, where --repeat is given")]
    Length,
    /// Not a note.
    #[error("--note must have 1 to {TEXT_MAX_BYTES} bytes, without control characters")]
    Note,
    /// Too much.
    #[error("{0} windows are not over, and {WINDOWS_MAX} may be; cancel some, or use groups")]
    Many(usize),
    /// No such window.
    #[error("there is no window {0:?}; `maintenance list --past` shows all of them")]
    Window(String),
    /// It ended before.
    #[error(
        "window {0} is {1} at that time already; --at may be earlier, and `maintenance list --past` shows it"
    )]
    Ended(Id, &'static str),
    /// Its zone.
    #[error(transparent)]
    Zone(#[from] ZoneError),
    /// What ClickHouse says.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// The window that is asked for, for nobody yet.
pub(super) fn window(
    arguments: &AddArguments,
    (from_ms, to_ms, until_ms): (i64, Option<i64>, Option<i64>),
    (user, now_ms): (&str, i64),
) -> Result<Window, RequestError> {
    let note = arguments.note.trim();
    if note.is_empty() || note.len() > TEXT_MAX_BYTES || note.chars().any(char::is_control) {
        return Err(RequestError::Note);
    }
    let length = arguments.length.map(|length| length.as_secs());
    let (repeat, to_ms) = match (arguments.repeat, arguments.at) {
        (Some(days), Some(start)) => {
            let minutes = length
                .filter(|seconds| seconds % 60 == 0)
                .map(|seconds| seconds / 60);
            let minutes = minutes.and_then(|minutes| u32::try_from(minutes).ok());
            let length_minutes =
                minutes.filter(|minutes| (1..=LENGTH_MINUTES_MAX).contains(minutes));
            let length_minutes = length_minutes.ok_or(RequestError::Length)?;
            let repeat = Repeat {
                days,
                start,
                length_minutes,
            };
            (Some(repeat), until_ms)
        }
        _ => {
            let length_ms = length.map(|seconds| {
                i64::try_from(seconds)
                    .unwrap_or(i64::MAX)
                    .saturating_mul(1000)
            });
            let to_ms =
                to_ms.or_else(|| length_ms.map(|length_ms| from_ms.saturating_add(length_ms)));
            (None, Some(to_ms.ok_or(RequestError::Backwards)?))
        }
    };
    if to_ms.is_some_and(|to_ms| to_ms <= from_ms) {
        return Err(RequestError::Backwards);
    }
    let is_long = |to_ms: i64| to_ms.saturating_sub(from_ms) > DAYS_MAX * 86_400_000;
    if repeat.is_none() && to_ms.is_some_and(is_long) {
        return Err(RequestError::Long);
    }
    Ok(Window {
        from_ms,
        to_ms,
        repeat,
        zone: arguments.zone.clone().unwrap_or_else(|| "UTC".to_owned()),
        note: note.to_owned(),
        made_ms: now_ms,
        made_by: user.chars().take(TEXT_MAX_BYTES / 4).collect(),
        ..Window::default()
    })
}

/// The end of a window at a time.
pub(super) fn cancel(
    window: &Window,
    at_ms: i64,
    zones: &mut Zones,
    (user, now_ms): (&str, i64),
) -> Result<Change, RequestError> {
    // What cannot be worked out any more must still be possible to end.
    let zone = zones.zone(&window.zone).ok();
    let standing = zone.map(|zone| window.standing(zone, at_ms));
    if let Some(standing @ (Standing::Over | Standing::Cancelled)) = standing {
        return Err(RequestError::Ended(window.window_id, standing.name()));
    }
    Ok(Change {
        kind: Kind::Cancelled,
        changed_ms: now_ms,
        changed_by: user.chars().take(TEXT_MAX_BYTES / 4).collect(),
        is_retroactive: zone.is_none_or(|zone| window.is_retroactive(zone, at_ms, now_ms)),
        window: Window {
            cancelled_ms: Some(at_ms),
            ..window.clone()
        },
    })
}
