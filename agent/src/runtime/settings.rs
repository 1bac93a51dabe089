//! Intervals in force, shared by every thread, and their bounds.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crmscope_proto::v1::Config as Wanted;
use serde::{Deserialize, Serialize};

/// Shortest interval that the collector may ask for, ms.
const INTERVAL_MIN_MS: u32 = 200;

/// Longest one, ms: five minutes.
const INTERVAL_MAX_MS: u32 = 300_000;

/// How often things happen.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Time between batches of the metrics and requests lanes, ms. Security events do not wait.
    pub batch_ms: u32,
    /// Time between heartbeats, ms. Presence is judged in slots of 10 s: do not go above that.
    pub heartbeat_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            batch_ms: 5_000,
            heartbeat_ms: 10_000,
        }
    }
}

impl Config {
    /// Checks the bounds.
    ///
    /// # Errors
    /// Names the key that is out of bounds.
    pub fn validate(&self) -> Result<(), String> {
        check("intervals.batch_ms", self.batch_ms)?;
        check("intervals.heartbeat_ms", self.heartbeat_ms)
    }
}

fn check(key: &str, interval_ms: u32) -> Result<(), String> {
    if (INTERVAL_MIN_MS..=INTERVAL_MAX_MS).contains(&interval_ms) {
        Ok(())
    } else {
        Err(format!(
            "{key} is {interval_ms}; it must be {INTERVAL_MIN_MS} to {INTERVAL_MAX_MS}"
        ))
    }
}

/// What is in force, shared by every thread.
#[derive(Debug)]
pub struct Settings {
    /// Those of the configuration in force.
    own: Mutex<Config>,
    /// Whether a collector may ask for others.
    takes_wishes: bool,
    version: AtomicU64,
    collect_ms: AtomicU32,
    batch_ms: AtomicU32,
    heartbeat_ms: AtomicU32,
}

impl Settings {
    /// The agent's own settings.
    #[must_use]
    pub fn new(own: Config) -> Self {
        Self {
            version: AtomicU64::new(0),
            collect_ms: AtomicU32::new(0),
            batch_ms: AtomicU32::new(own.batch_ms),
            heartbeat_ms: AtomicU32::new(own.heartbeat_ms),
            own: Mutex::new(own),
            takes_wishes: true,
        }
    }

    /// The same, and what a collector wishes is refused or not.
    #[must_use]
    pub fn taking_wishes(self, takes_wishes: bool) -> Self {
        Self {
            takes_wishes,
            ..self
        }
    }

    /// Those of a configuration from now on, which a collector's settings are part of or not.
    pub fn set(&self, own: &Config, version: u64) {
        self.collect_ms.store(0, Ordering::Relaxed);
        self.batch_ms.store(own.batch_ms, Ordering::Relaxed);
        self.heartbeat_ms.store(own.heartbeat_ms, Ordering::Relaxed);
        self.version.store(version, Ordering::Release);
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = own.clone();
    }

    /// Puts the wishes of a collector that knows of these three intervals only in force, all or none.
    ///
    /// # Errors
    /// Names the setting that is out of bounds.
    pub fn apply(&self, wanted: &Wanted) -> Result<(), String> {
        if !self.takes_wishes {
            return Err(
                "the host's own configuration refuses settings of a collector: settings.from_collector is false"
                    .to_owned(),
            );
        }
        for (key, value) in [
            ("collect_interval_ms", wanted.collect_interval_ms),
            ("batch_interval_ms", wanted.batch_interval_ms),
            ("heartbeat_interval_ms", wanted.heartbeat_interval_ms),
        ] {
            if value != 0 {
                check(key, value)?;
            }
        }
        let own = self
            .own
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let or_own = |value: u32, own: u32| if value == 0 { own } else { value };
        self.collect_ms
            .store(wanted.collect_interval_ms, Ordering::Relaxed);
        self.batch_ms.store(
            or_own(wanted.batch_interval_ms, own.batch_ms),
            Ordering::Relaxed,
        );
        self.heartbeat_ms.store(
            or_own(wanted.heartbeat_interval_ms, own.heartbeat_ms),
            Ordering::Relaxed,
        );
        self.version.store(wanted.version, Ordering::Release);
        Ok(())
    }

    /// Version in force; 0 is the agent's own.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The collector's interval for host figures, if it has one.
    #[must_use]
    pub fn collect_interval(&self) -> Option<Duration> {
        match self.collect_ms.load(Ordering::Relaxed) {
            0 => None,
            interval_ms => Some(Duration::from_millis(interval_ms.into())),
        }
    }

    /// Time between batches.
    #[must_use]
    pub fn batch_interval(&self) -> Duration {
        Duration::from_millis(self.batch_ms.load(Ordering::Relaxed).into())
    }

    /// Time between heartbeats.
    #[must_use]
    pub fn heartbeat_interval(&self) -> Duration {
        Duration::from_millis(self.heartbeat_ms.load(Ordering::Relaxed).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_apply_whole_or_not_at_all_and_zero_means_the_agents_own() {
        let settings = Settings::new(Config::default());
        let wanted = Wanted {
            version: 3,
            batch_interval_ms: 1_000,
            ..Wanted::default()
        };
        settings.apply(&wanted).unwrap();
        assert_eq!(
            (settings.version(), settings.batch_interval()),
            (3, Duration::from_secs(1))
        );
        assert_eq!(settings.heartbeat_interval(), Duration::from_secs(10));

        let error = settings
            .apply(&Wanted {
                version: 4,
                batch_interval_ms: 2_000,
                heartbeat_interval_ms: 1,
                ..Wanted::default()
            })
            .unwrap_err();
        assert!(error.contains("heartbeat_interval_ms is 1"), "{error}");
        assert_eq!(
            (settings.version(), settings.batch_interval()),
            (3, Duration::from_secs(1))
        );

        settings
            .apply(&Wanted {
                version: 5,
                ..Wanted::default()
            })
            .unwrap();
        assert_eq!(
            (settings.version(), settings.batch_interval()),
            (5, Duration::from_secs(5))
        );

        // Of another configuration, wishes begin anew.
        let own = Config {
            batch_ms: 7_000,
            ..Config::default()
        };
        settings.set(&own, 9);
        assert_eq!(
            (settings.version(), settings.batch_interval()),
            (9, Duration::from_secs(7))
        );
        let refusing = settings.taking_wishes(false);
        let error = refusing.apply(&Wanted::default()).unwrap_err();
        assert!(error.contains("settings.from_collector"), "{error}");
    }
}
