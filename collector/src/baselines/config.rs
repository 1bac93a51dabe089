//! Settings of `[baselines]`.

use serde::{Deserialize, Serialize};

use crate::correlation::rule::Level;
use crate::presence::maintenance::zone::{ZoneError, Zones};

/// Longest past, days: roll-ups are kept longer.
const HISTORY_DAYS_MAX: u32 = 180;
/// Most kinds of events.
const KINDS_MAX: usize = 64;

/// Section `[baselines]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether it is looked for.
    pub enabled: bool,
    /// Whose hours and days they are, such as Europe/Berlin.
    pub zone: String,
    /// How far back the past goes, days.
    pub history_days: u32,
    /// What happened so shortly before an hour is no past of it, hours: what comes late has that long.
    pub settle_hours: u32,
    /// For how long what happened while something was told of a user is no past, days.
    pub quarantine_days: u32,
    /// More events of a kind than usual.
    pub unusual_volume: Volume,
    /// More exported than usual.
    pub export_volume: Exports,
    /// Logins from networks that are new.
    pub new_network: Origins,
    /// Logins by programs or keys that are new.
    pub new_client: Origins,
    /// Logins at hours that are unusual.
    pub unusual_hour: Hours,
    /// Logins of which two of these are true.
    pub unusual_login: Told,
}

impl Default for Config {
    fn default() -> Self {
        let origins = Origins {
            level: "low".to_owned(),
            days_min: 10,
            half_life_days: 30,
            novelty_max: 0.2,
        };
        Self {
            enabled: true,
            zone: "UTC".to_owned(),
            history_days: 42,
            settle_hours: 24,
            quarantine_days: 14,
            unusual_volume: Volume::default(),
            export_volume: Exports::default(),
            new_network: origins.clone(),
            new_client: origins,
            unusual_hour: Hours::default(),
            unusual_login: Told::default(),
        }
    }
}

/// Section `[baselines.unusual_volume]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Volume {
    /// How bad it is.
    pub level: String,
    /// Kinds of events; those that failed count apart.
    pub kinds: Vec<String>,
    /// Robust deviations above the median.
    pub deviations_min: f64,
    /// Events of the hour.
    pub events_min: u64,
    /// Weeks of which there has to be a past.
    pub weeks_min: u32,
}

impl Default for Volume {
    fn default() -> Self {
        Self {
            level: "medium".to_owned(),
            kinds: ["app_login", "ssh_login", "sudo_password"]
                .map(str::to_owned)
                .to_vec(),
            deviations_min: 6.0,
            events_min: 8,
            weeks_min: 2,
        }
    }
}

/// Section `[baselines.export_volume]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exports {
    /// How bad it is.
    pub level: String,
    /// How far back the past goes, days.
    pub days: u32,
    /// How many times the largest hour.
    pub factor: f64,
    /// Records of the hour at least.
    pub records_min: u64,
    /// Exports of the hour at least, where logs tell no records.
    pub exports_min: u64,
    /// More records than this of who never exported.
    pub first_records_max: u64,
    /// More exports than this of who never exported, where logs tell no records.
    pub first_exports_max: u64,
}

impl Default for Exports {
    fn default() -> Self {
        Self {
            level: "high".to_owned(),
            days: 35,
            factor: 3.0,
            records_min: 1_000,
            exports_min: 10,
            first_records_max: 10_000,
            first_exports_max: 20,
        }
    }
}

/// Sections `[baselines.new_network]` and `[baselines.new_client]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origins {
    /// How bad it is.
    pub level: String,
    /// Days with logins of which there has to be a past.
    pub days_min: u32,
    /// After how long a day counts half, days.
    pub half_life_days: u32,
    /// Share of what is new of a user, above which one more is nothing.
    pub novelty_max: f64,
}

/// Section `[baselines.unusual_hour]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hours {
    /// How bad it is.
    pub level: String,
    /// Hours of less probability are unusual.
    pub probability_max: f64,
    /// Days with logins of which there has to be a past.
    pub days_min: u32,
}

impl Default for Hours {
    fn default() -> Self {
        Self {
            level: "low".to_owned(),
            probability_max: 0.002,
            days_min: 10,
        }
    }
}

/// Section `[baselines.unusual_login]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Told {
    /// How bad it is.
    pub level: String,
}

impl Default for Told {
    fn default() -> Self {
        Self {
            level: "high".to_owned(),
        }
    }
}

/// A section that cannot be.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ConfigError {
    /// The zone.
    #[error("baselines.zone: {0}")]
    Zone(#[from] ZoneError),
    /// A number out of its bounds.
    #[error("baselines.{key} is {value}; it may be {from} to {to}")]
    Number {
        /// Which.
        key: &'static str,
        /// What it is.
        value: f64,
        /// The least it may be.
        from: f64,
        /// The most it may be.
        to: f64,
    },
    /// No level.
    #[error(
        "baselines.{key}.level is {level:?}; write informational, low, medium, high, critical, or off"
    )]
    Level {
        /// Of what.
        key: &'static str,
        /// What is written.
        level: String,
    },
    /// Too many kinds.
    #[error("baselines.unusual_volume.kinds has {0} kinds; up to {KINDS_MAX} are looked at")]
    Kinds(usize),
}

/// The level of a name; none for `off`.
#[must_use]
pub fn level(name: &str) -> Option<Level> {
    [
        Level::Informational,
        Level::Low,
        Level::Medium,
        Level::High,
        Level::Critical,
    ]
    .into_iter()
    .find(|level| level.name() == name)
}

impl Config {
    /// Checks it.
    ///
    /// # Errors
    /// Names what cannot be, and what it may be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        Zones::default().zone(&self.zone)?;
        let [volume, exports, hours] = [
            ("unusual_volume", &self.unusual_volume.level),
            ("export_volume", &self.export_volume.level),
            ("unusual_hour", &self.unusual_hour.level),
        ];
        let levels = [
            volume,
            exports,
            hours,
            ("new_network", &self.new_network.level),
            ("new_client", &self.new_client.level),
            ("unusual_login", &self.unusual_login.level),
        ];
        let wrong = |(_, name): &&(&'static str, &String)| *name != "off" && level(name).is_none();
        if let Some((key, level)) = levels.iter().find(wrong) {
            return Err(ConfigError::Level {
                key,
                level: (*level).clone(),
            });
        }
        let kinds = self.unusual_volume.kinds.len();
        if kinds > KINDS_MAX {
            return Err(ConfigError::Kinds(kinds));
        }
        let history = f64::from(self.history_days);
        let of = |key, value: f64, from: f64, to: f64| match (from..=to).contains(&value) {
            true => Ok(()),
            false => Err(ConfigError::Number {
                key,
                value,
                from,
                to,
            }),
        };
        let (volume, exports) = (&self.unusual_volume, &self.export_volume);
        of("history_days", history, 7.0, HISTORY_DAYS_MAX.into())?;
        of("settle_hours", self.settle_hours.into(), 1.0, 168.0)?;
        of("quarantine_days", self.quarantine_days.into(), 0.0, history)?;
        of(
            "unusual_volume.deviations_min",
            volume.deviations_min,
            1.0,
            1_000.0,
        )?;
        of(
            "unusual_volume.weeks_min",
            volume.weeks_min.into(),
            1.0,
            history / 7.0,
        )?;
        of("export_volume.days", exports.days.into(), 2.0, history)?;
        of("export_volume.factor", exports.factor, 1.0, 1_000.0)?;
        for (keys, origins) in [
            (
                [
                    "new_network.days_min",
                    "new_network.half_life_days",
                    "new_network.novelty_max",
                ],
                &self.new_network,
            ),
            (
                [
                    "new_client.days_min",
                    "new_client.half_life_days",
                    "new_client.novelty_max",
                ],
                &self.new_client,
            ),
        ] {
            of(keys[0], origins.days_min.into(), 1.0, history)?;
            of(keys[1], origins.half_life_days.into(), 1.0, 1_000.0)?;
            of(keys[2], origins.novelty_max, 0.0, 1.0)?;
        }
        let hours = &self.unusual_hour;
        of(
            "unusual_hour.probability_max",
            hours.probability_max,
            0.0,
            1.0,
        )?;
        of("unusual_hour.days_min", hours.days_min.into(), 1.0, history)
    }
}
