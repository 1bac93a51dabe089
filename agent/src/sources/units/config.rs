//! Settings of `[sources.units]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Most names and patterns.
const WATCH_MAX: usize = 64;

/// Which units are watched, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether units are watched. Without a name nothing is read.
    pub enabled: bool,
    /// Time between readings.
    pub interval_ms: u64,
    /// How long systemd may take to answer.
    pub deadline_ms: u64,
    /// Names of units, or patterns as `systemctl` knows them, which find loaded units only.
    pub watch: Vec<String>,
    /// Most units that are followed; the rest is counted as dropped.
    pub units_max: usize,
    /// The program that is asked.
    pub program: PathBuf,
    /// There only while systemd runs.
    pub systemd_path: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 30_000,
            deadline_ms: 5_000,
            watch: Vec::new(),
            units_max: 64,
            program: PathBuf::from("systemctl"),
            systemd_path: PathBuf::from("/run/systemd/system"),
        }
    }
}

impl Config {
    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// Says which key is wrong and what it may be.
    pub fn validate(&self) -> Result<(), String> {
        let Self {
            interval_ms,
            deadline_ms,
            units_max,
            ..
        } = *self;
        if !(5_000..=3_600_000).contains(&interval_ms) {
            return Err(format!("interval_ms is {interval_ms}; use 5000 to 3600000"));
        }
        if !(100..=30_000).contains(&deadline_ms) {
            return Err(format!("deadline_ms is {deadline_ms}; use 100 to 30000"));
        }
        if !(1..=1024).contains(&units_max) {
            return Err(format!("units_max is {units_max}; use 1 to 1024"));
        }
        if self.watch.len() > WATCH_MAX {
            return Err(format!(
                "watch has {} names; at most {WATCH_MAX} are possible, patterns among them",
                self.watch.len()
            ));
        }
        // A hyphen at the beginning would be an option, a blank two names.
        if let Some(name) = self.watch.iter().find(|name| {
            name.is_empty()
                || name.len() > 255
                || name.starts_with('-')
                || name.contains(|c: char| c.is_control() || c.is_whitespace())
        }) {
            return Err(format!(
                "watch has {name:?}; use names of units such as \"nginx.service\" or patterns such as \"postgresql*.service\""
            ));
        }
        if self.program.as_os_str().is_empty() {
            return Err("program is empty; use \"systemctl\"".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_named() {
        type Mistake = (&'static str, fn(&mut Config));
        assert_eq!(Config::default().validate(), Ok(()));
        let mistakes: [Mistake; 7] = [
            ("interval_ms", |c| c.interval_ms = 1),
            ("deadline_ms", |c| c.deadline_ms = 1),
            ("units_max", |c| c.units_max = 0),
            ("watch has \"--now\"", |c| {
                c.watch = vec!["--now".to_owned()];
            }),
            ("watch has \"a b\"", |c| c.watch = vec!["a b".to_owned()]),
            ("watch has 65", |c| c.watch = vec!["a".to_owned(); 65]),
            ("program", |c| c.program = PathBuf::new()),
        ];
        for (start, mistake) in mistakes {
            let mut config = Config::default();
            mistake(&mut config);
            let error = config.validate().unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
    }
}
