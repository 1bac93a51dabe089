//! Settings of `[presence]`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::phi;

/// Intervals between heartbeats that are remembered of a host.
const REMEMBERED: usize = 100;

/// Section `[presence]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// φ from which on a silence is suspicious; each point more is a tenth of the false suspicions.
    pub threshold: f64,
    /// Expected time between heartbeats, before two of a host were heard.
    pub first_interval_ms: u64,
    /// How much longer than expected a silence may be before it surprises.
    pub acceptable_pause_ms: u64,
    /// Deviation that is assumed at least of the times between heartbeats.
    pub min_deviation_ms: u64,
    /// How long a host has to be suspected before it is called down.
    pub confirm_ms: u64,
    /// After how long a host that is expected and never reported is missing.
    pub missing_after_ms: u64,
    /// After how long an agent or a host that was stopped in good order is told.
    pub stopped_after_ms: u64,
    /// Share of hosts that fall silent together, in a group or in all, to be one incident, percent.
    pub mass_percent: u32,
    /// How many hosts that have to be at least.
    pub mass_hosts_min: u32,
    /// What is different in groups of hosts, by their names.
    pub groups: BTreeMap<String, Group>,
}

/// Section `[presence.groups.NAME]`: what is not set is as in `[presence]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// φ from which on a silence is suspicious.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// How much longer than expected a silence may be before it surprises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceptable_pause_ms: Option<u64>,
    /// How long a host has to be suspected before it is called down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_ms: Option<u64>,
}

/// A section that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ConfigError {
    /// Outside of its range.
    #[error("presence.{key} is {got}; it must be {min} to {max}")]
    Range {
        /// Key, with the group's.
        key: String,
        /// Value.
        got: f64,
        /// Least.
        min: f64,
        /// Most.
        max: f64,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            threshold: 8.0,
            first_interval_ms: 10_000,
            acceptable_pause_ms: 15_000,
            min_deviation_ms: 1_000,
            confirm_ms: 15_000,
            missing_after_ms: 600_000,
            stopped_after_ms: 900_000,
            mass_percent: 55,
            mass_hosts_min: 3,
            groups: BTreeMap::new(),
        }
    }
}

/// What holds for the hosts of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Of the detector.
    pub phi: phi::Settings,
    /// From suspicion to down.
    pub confirm: Duration,
}

impl Config {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the first key that is wrong, and what it may be.
    #[allow(clippy::cast_precision_loss, reason = "ms of some days")]
    pub fn validate(&self) -> Result<(), ConfigError> {
        let day = 86_400_000.0;
        let mut ranges = vec![
            ("threshold".to_owned(), self.threshold, 1.0, 100.0),
            of("first_interval_ms", self.first_interval_ms, 100.0, day),
            of("acceptable_pause_ms", self.acceptable_pause_ms, 0.0, day),
            of("min_deviation_ms", self.min_deviation_ms, 10.0, day),
            of("confirm_ms", self.confirm_ms, 0.0, day),
            of("missing_after_ms", self.missing_after_ms, 0.0, 365.0 * day),
            of("stopped_after_ms", self.stopped_after_ms, 0.0, 365.0 * day),
            of("mass_percent", self.mass_percent.into(), 1.0, 100.0),
            of("mass_hosts_min", self.mass_hosts_min.into(), 2.0, 1e6),
        ];
        for (name, group) in &self.groups {
            let key = |key: &str| format!("groups.{}.{key}", name.escape_debug());
            if let Some(threshold) = group.threshold {
                ranges.push((key("threshold"), threshold, 1.0, 100.0));
            }
            for (name, value) in [
                ("acceptable_pause_ms", group.acceptable_pause_ms),
                ("confirm_ms", group.confirm_ms),
            ] {
                if let Some(value) = value {
                    ranges.push((key(name), value as f64, 0.0, day));
                }
            }
        }
        let wrong = ranges
            .into_iter()
            .find(|(_, got, min, max)| !(min..=max).contains(&got));
        match wrong {
            None => Ok(()),
            Some((key, got, min, max)) => Err(ConfigError::Range { key, got, min, max }),
        }
    }

    /// What holds for a group's hosts.
    #[must_use]
    pub fn rules(&self, group: &str) -> Rules {
        let own = self.groups.get(group).cloned().unwrap_or_default();
        let ms = Duration::from_millis;
        Rules {
            phi: phi::Settings {
                threshold: own.threshold.unwrap_or(self.threshold),
                first_interval: ms(self.first_interval_ms),
                acceptable_pause: ms(own.acceptable_pause_ms.unwrap_or(self.acceptable_pause_ms)),
                min_deviation: ms(self.min_deviation_ms),
                remembered: REMEMBERED,
            },
            confirm: ms(own.confirm_ms.unwrap_or(self.confirm_ms)),
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "ms of some days")]
fn of(key: &str, value: u64, min: f64, max: f64) -> (String, f64, f64, f64) {
    (key.to_owned(), value as f64, min, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_differs_only_in_what_it_says() {
        let config: Config =
            toml::from_str("confirm_ms = 5000\n[groups.branch]\nacceptable_pause_ms = 60000\n")
                .unwrap();
        config.validate().unwrap();
        let (branch, other) = (config.rules("branch"), config.rules("office"));
        assert_eq!(branch.phi.acceptable_pause, Duration::from_secs(60));
        assert_eq!(branch.phi.threshold, 8.0);
        assert_eq!(other.phi.acceptable_pause, Duration::from_secs(15));
        assert_eq!(
            (branch.confirm, other.confirm),
            (other.confirm, Duration::from_secs(5))
        );
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (text, told) in [
            (
                "threshold = 0.5",
                "presence.threshold is 0.5; it must be 1 to 100",
            ),
            (
                "threshold = nan",
                "presence.threshold is NaN; it must be 1 to 100",
            ),
            (
                "mass_hosts_min = 1",
                "presence.mass_hosts_min is 1; it must be 2 to 1000000",
            ),
            (
                "[groups.\"a\\nb\"]\nconfirm_ms = 99999999999",
                "presence.groups.a\\nb.confirm_ms is 99999999999; it must be 0 to 86400000",
            ),
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert_eq!(config.validate().unwrap_err().to_string(), told);
        }
    }
}
