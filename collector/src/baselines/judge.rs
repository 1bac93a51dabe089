//! What is unusual of an hour of a user. Pure.
//!
//! Promises: a function of the events of the hour and of its past, in whatever order they are given; more
//! events of the same hour never make less of it unusual.

use std::collections::{BTreeMap, BTreeSet};

use tz::TimeZone;

use super::config::{Config, level};
use super::exports::{self, EXPORT, Exported, Usual};
use super::history::{Activity, History, Local, Login, Past};
use super::hours::Histogram;
use super::origins::Seen;
use super::volume::{self, Deviation};
use crate::correlation::rule::Level;

/// What looks at an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detector {
    /// More events of a kind than usual.
    UnusualVolume,
    /// More exported than usual.
    ExportVolume,
    /// A login from a network that is new.
    NewNetwork,
    /// A login by a program or key that is new.
    NewClient,
    /// A login at an hour that is unusual.
    UnusualHour,
    /// A login of which two of these are true.
    UnusualLogin,
}

impl Detector {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::UnusualVolume,
        Self::ExportVolume,
        Self::NewNetwork,
        Self::NewClient,
        Self::UnusualHour,
        Self::UnusualLogin,
    ];

    /// Its name in settings, and in the ids of its rules behind `baseline.`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnusualVolume => "unusual_volume",
            Self::ExportVolume => "export_volume",
            Self::NewNetwork => "new_network",
            Self::NewClient => "new_client",
            Self::UnusualHour => "unusual_hour",
            Self::UnusualLogin => "unusual_login",
        }
    }

    /// How bad what it finds is; none where it does not look.
    #[must_use]
    pub fn level(self, config: &Config) -> Option<Level> {
        level(match self {
            Self::UnusualVolume => &config.unusual_volume.level,
            Self::ExportVolume => &config.export_volume.level,
            Self::NewNetwork => &config.new_network.level,
            Self::NewClient => &config.new_client.level,
            Self::UnusualHour => &config.unusual_hour.level,
            Self::UnusualLogin => &config.unusual_login.level,
        })
    }

    /// Longest pause within one finding, ms: a day, and of what is new until it is known.
    #[must_use]
    pub const fn suppress_ms(self) -> i64 {
        match self {
            Self::NewNetwork | Self::NewClient => 3 * super::history::DAY_MS,
            _ => super::history::DAY_MS,
        }
    }
}

/// Why an hour is unusual.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// Beside the same hour of other weeks.
    Volume(Deviation),
    /// Beside the hours of so many days.
    Exports {
        /// What of the past it is measured by.
        usual: Usual,
        /// How many days.
        days: u32,
    },
    /// It was never seen, or not for long.
    New {
        /// How many are known.
        known: usize,
        /// On how many days.
        days: usize,
    },
    /// It is seldom.
    Hour {
        /// By the zone's clocks.
        local: Local,
        /// Its probability.
        probability: f64,
        /// On how many days there were logins.
        days: usize,
    },
    /// Two or more of these, by name.
    Several(Vec<Detector>),
}

/// Something unusual.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Who says so.
    pub detector: Detector,
    /// What is unusual: a kind of event, a network, a program; empty where it is the hour.
    pub subject: String,
    /// Beginning of the hour, Unix ms.
    pub hour_ms: i64,
    /// First event, Unix ms.
    pub first_ms: i64,
    /// Last event, Unix ms.
    pub last_ms: i64,
    /// What was exported, or how many events there were.
    pub counted: Exported,
    /// Why.
    pub reason: Reason,
}

/// What failed is a kind of its own.
#[must_use]
pub fn kind_of(activity: &Activity) -> String {
    match activity.failed {
        true => format!("{} failed", activity.kind),
        false => activity.kind.clone(),
    }
}

/// What is unusual of an hour.
#[must_use]
pub fn judge(config: &Config, zone: &TimeZone, history: &History, hour_ms: i64) -> Vec<Verdict> {
    let past = Past::new(
        hour_ms,
        config.history_days,
        config.settle_hours,
        config.quarantine_days,
        &history.told,
    );
    let mut verdicts = of_activity(config, zone, history, &past);
    verdicts.extend(of_exports(config, history, &past));
    verdicts.extend(of_logins(config, zone, history, &past));
    verdicts.retain(|verdict| verdict.detector.level(config).is_some());
    verdicts.sort_by(|a, b| (a.detector, &a.subject).cmp(&(b.detector, &b.subject)));
    verdicts
}

fn of_activity(
    config: &Config,
    zone: &TimeZone,
    history: &History,
    past: &Past<'_>,
) -> Vec<Verdict> {
    let settings = &config.unusual_volume;
    let is_asked = |of: &&Activity| of.hour_ms == past.hour_ms && settings.kinds.contains(&of.kind);
    let Some(since_ms) = history.since_ms() else {
        return Vec::new();
    };
    let mut verdicts = Vec::new();
    for now in history.activity.iter().filter(is_asked) {
        if now.events < settings.events_min {
            continue;
        }
        let is_same = |of: &&Activity| of.kind == now.kind && of.failed == now.failed;
        let mut counts = BTreeMap::new();
        for of in history.activity.iter().filter(is_same) {
            *counts.entry(of.hour_ms).or_default() += of.events;
        }
        let far = volume::of_hour(settings, zone, past, since_ms, &counts, now.events);
        if let Some(deviation) = far.filter(|far| volume::is_unusual(settings, far, now.events)) {
            verdicts.push(Verdict {
                detector: Detector::UnusualVolume,
                subject: kind_of(now),
                hour_ms: past.hour_ms,
                first_ms: now.first_ms,
                last_ms: now.last_ms,
                counted: Exported {
                    records: now.records,
                    exports: now.events,
                },
                reason: Reason::Volume(deviation),
            });
        }
    }
    verdicts
}

fn of_exports(config: &Config, history: &History, past: &Past<'_>) -> Option<Verdict> {
    let settings = &config.export_volume;
    let exports = || {
        let all = history.activity.iter();
        all.filter(|of| of.kind == EXPORT && !of.failed)
    };
    let now = exports().find(|of| of.hour_ms == past.hour_ms)?;
    let usual = exports::usual(&past.within(settings.days), exports());
    let counted = Exported {
        records: now.records,
        exports: now.events,
    };
    exports::is_unusual(settings, &usual, counted).then(|| Verdict {
        detector: Detector::ExportVolume,
        subject: EXPORT.to_owned(),
        hour_ms: past.hour_ms,
        first_ms: now.first_ms,
        last_ms: now.last_ms,
        counted,
        reason: Reason::Exports {
            usual,
            days: settings.days,
        },
    })
}

/// What is known of a user's logins before an hour.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usually {
    /// Networks.
    pub networks: Seen,
    /// Programs and keys.
    pub clients: Seen,
    /// Hours.
    pub hours: Histogram,
}

impl Usually {
    /// Of the past of an hour.
    #[must_use]
    pub fn of(config: &Config, zone: &TimeZone, history: &History, past: &Past<'_>) -> Self {
        let mut logins: Vec<(&Login, Local)> = history
            .logins
            .iter()
            .filter(|login| past.has(login.hour_ms))
            .map(|login| (login, Local::of(zone, login.hour_ms)))
            .collect();
        // The first of a day stands for it.
        logins.sort();
        let sighting = |name: fn(&Login) -> &str| {
            logins
                .iter()
                .map(move |(login, local)| (name(login), local.day, past.age_days(login.hour_ms)))
        };
        let hours: BTreeSet<Local> = logins.iter().map(|(_, local)| *local).collect();
        Self {
            networks: Seen::of(&config.new_network, sighting(|login| &login.network)),
            clients: Seen::of(&config.new_client, sighting(|login| &login.client)),
            hours: Histogram::of(&hours),
        }
    }
}

fn of_logins(config: &Config, zone: &TimeZone, history: &History, past: &Past<'_>) -> Vec<Verdict> {
    let now = |login: &&Login| login.hour_ms == past.hour_ms;
    let mut logins: Vec<&Login> = history.logins.iter().filter(now).collect();
    if logins.is_empty() {
        return Vec::new();
    }
    logins.sort();
    let usually = Usually::of(config, zone, history, past);
    let local = Local::of(zone, past.hour_ms);
    let at_unusual_hour = usually.hours.is_unusual(&config.unusual_hour, local);
    let verdict = |detector, subject: &str, login: &Login, reason| Verdict {
        detector,
        subject: subject.to_owned(),
        hour_ms: past.hour_ms,
        first_ms: login.first_ms,
        last_ms: login.last_ms,
        counted: Exported {
            records: 0,
            exports: 1,
        },
        reason,
    };
    let new = |seen: &Seen| Reason::New {
        known: seen.origins.len(),
        days: seen.days.len(),
    };
    let mut found: Vec<Verdict> = Vec::new();
    for login in logins {
        let mut why = Vec::new();
        if usually.networks.is_new(&config.new_network, &login.network) {
            let reason = new(&usually.networks);
            found.push(verdict(Detector::NewNetwork, &login.network, login, reason));
            why.push(Detector::NewNetwork);
        }
        if usually.clients.is_new(&config.new_client, &login.client) {
            let reason = new(&usually.clients);
            found.push(verdict(Detector::NewClient, &login.client, login, reason));
            why.push(Detector::NewClient);
        }
        if at_unusual_hour {
            let reason = Reason::Hour {
                local,
                probability: usually.hours.probability(local),
                days: usually.hours.days(),
            };
            found.push(verdict(Detector::UnusualHour, "", login, reason));
            why.push(Detector::UnusualHour);
        }
        if why.len() > 1 {
            let reason = Reason::Several(why);
            found.push(verdict(Detector::UnusualLogin, "", login, reason));
        }
    }
    together(found)
}

/// One of each detector and subject.
fn together(found: Vec<Verdict>) -> Vec<Verdict> {
    let mut by_subject: BTreeMap<(Detector, String), Verdict> = BTreeMap::new();
    for verdict in found {
        let key = (verdict.detector, verdict.subject.clone());
        match by_subject.get_mut(&key) {
            None => {
                by_subject.insert(key, verdict);
            }
            Some(known) => {
                known.first_ms = known.first_ms.min(verdict.first_ms);
                known.last_ms = known.last_ms.max(verdict.last_ms);
                known.counted.exports += verdict.counted.exports;
                if let (Reason::Several(all), Reason::Several(more)) =
                    (&mut known.reason, verdict.reason)
                {
                    all.extend(more);
                    all.sort();
                    all.dedup();
                }
            }
        }
    }
    by_subject.into_values().collect()
}
