//! The time of an event as rules see it: in UTC, and on the clocks of one zone.
//!
//! Pure but for [`LocalClock::of`], which reads a zone. All events of an agent have the same zone,
//! whatever offset their lines are written with: many formats write UTC, and so do programs in
//! containers. Leaves to rules which hours are out of the ordinary.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use crate::sources::tail::calendar::{Civil, weekday};
use crate::sources::tail::zone::Zone;

const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// Clocks of a zone, changes to summer time included. By default they show UTC.
#[derive(Clone, Debug, Default)]
pub struct LocalClock(Arc<Zone>);

impl LocalClock {
    /// Of `local`, which is the host's zone or UTC where it has none, an offset such as `+02:00`, a name
    /// such as `Europe/Berlin`, or rules such as `CET-1CEST,M3.5.0,M10.5.0/3`; `None` of anything else.
    #[must_use]
    pub fn of(zone: &str) -> Option<Self> {
        Zone::named(zone).map(|zone| Self(Arc::new(zone)))
    }
}

/// When an event happened. Nothing is worked out before a rule asks, and then once: the engine asks
/// several times for a field of a rule that matches.
#[derive(Debug)]
pub(super) struct When<'a> {
    unix_ms: i64,
    clock: &'a LocalClock,
    local: OnceCell<(String, &'static str)>,
}

impl<'a> When<'a> {
    /// Names of [`When::field`].
    pub(super) const FIELDS: [&'static str; 3] = ["@timestamp", "local_time", "local_weekday"];

    pub(super) const fn new(unix_ms: i64, clock: &'a LocalClock) -> Self {
        Self {
            unix_ms,
            clock,
            local: OnceCell::new(),
        }
    }

    /// What it is under a name.
    pub(super) fn field(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "@timestamp" => {
                let thousandth = self.unix_ms.rem_euclid(1000);
                let utc = format!("{}.{thousandth:03}Z", written(self.unix_ms));
                Some(Cow::Owned(utc))
            }
            "local_time" => Some(Cow::Borrowed(&self.local().0)),
            "local_weekday" => Some(Cow::Borrowed(self.local().1)),
            _ => None,
        }
    }

    /// Time and day of the week. The engine takes a time with an offset to UTC before it looks at its
    /// hour, so this one is written without.
    fn local(&self) -> &(String, &'static str) {
        self.local.get_or_init(|| {
            let civil_ms = self.clock.0.civil_ms(self.unix_ms);
            (written(civil_ms), WEEKDAYS[weekday(civil_ms)])
        })
    }
}

fn written(civil_ms: i64) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = Civil::of_ms(civil_ms);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}
