//! Settings of `[[objectives]]`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Most objectives.
const OBJECTIVES_MAX: usize = 100;
/// Longest name, bytes.
const NAME_MAX_BYTES: usize = 100;

/// Most that `quiet_minutes` may be: they are of an hour.
const MINUTES_MAX: u64 = 60;

/// What is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Requests, as access logs have them: good ones of all.
    #[default]
    Requests,
    /// Time, as probes have it: up of what is known.
    Availability,
}

/// What is promised of a service, over 30 days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// What it is called in alerts.
    pub name: String,
    /// Which service.
    pub service: String,
    /// What is measured of it.
    #[serde(default)]
    pub kind: Measure,
    /// Share of requests that have to be good, or of time that it has to be up, 0 to 1.
    pub target: f64,
    /// How long a good request may take; 0 for any time.
    #[serde(default)]
    pub latency_ms: u64,
    /// Fewer requests in an hour are low traffic, of which no rate is told; 60 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_requests: Option<u64>,
    /// Of availability: with fewer minutes of an hour known no rate is told; 15 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_minutes: Option<u64>,
}

impl Objective {
    /// One in which every key is there.
    pub(crate) fn template() -> Self {
        Self {
            quiet_requests: Some(60),
            quiet_minutes: Some(15),
            ..Self::default()
        }
    }

    /// Fewer requests, or ms that are known, are too little in an hour.
    pub(super) fn quiet(&self) -> u64 {
        match self.kind {
            Measure::Requests => self.quiet_requests.unwrap_or(60),
            Measure::Availability => self.quiet_minutes.unwrap_or(15) * 60_000,
        }
    }

    /// A key that means nothing for what is measured.
    fn foreign_key(&self) -> Option<&'static str> {
        match self.kind {
            Measure::Requests => self.quiet_minutes.map(|_| "quiet_minutes"),
            Measure::Availability if self.latency_ms > 0 => Some("latency_ms"),
            Measure::Availability => self.quiet_requests.map(|_| "quiet_requests"),
        }
    }
}

/// Objectives that cannot be.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ConfigError {
    /// Too many.
    #[error("objectives: there are {0}; up to {OBJECTIVES_MAX} can be watched")]
    Many(usize),
    /// No name, or one that cannot be shown.
    #[error(
        "objectives: {key} {value:?} of number {number}; it must have 1 to {NAME_MAX_BYTES} bytes without control characters"
    )]
    Text {
        /// Key.
        key: &'static str,
        /// Value.
        value: String,
        /// Which objective, from 1.
        number: usize,
    },
    /// Two of a name.
    #[error("objectives: {0:?} stands twice; each needs a name of its own")]
    Twice(String),
    /// A share that is none, or that nothing could miss.
    #[error(
        "objectives: target of {name:?} is {target}; it must be 0.5 or more and less than 1, such as 0.999"
    )]
    Target {
        /// Objective.
        name: String,
        /// Value.
        target: f64,
    },
    /// A key of the other kind.
    #[error(
        "objectives: {key} of {name:?} means nothing for its kind; latency_ms and quiet_requests are of kind \"requests\", quiet_minutes is of kind \"availability\""
    )]
    Foreign {
        /// Objective.
        name: String,
        /// Key.
        key: &'static str,
    },
    /// More minutes than an hour has, or none.
    #[error("objectives: quiet_minutes of {name:?} is {minutes}; it must be 1 to {MINUTES_MAX}")]
    Minutes {
        /// Objective.
        name: String,
        /// Value.
        minutes: u64,
    },
}

/// Checks the objectives together.
///
/// # Errors
/// Names the first that cannot be, and what it may be.
pub fn validate(objectives: &[Objective]) -> Result<(), ConfigError> {
    if objectives.len() > OBJECTIVES_MAX {
        return Err(ConfigError::Many(objectives.len()));
    }
    let mut names = BTreeSet::new();
    for (position, objective) in objectives.iter().enumerate() {
        for (key, value) in [("name", &objective.name), ("service", &objective.service)] {
            let fits = (1..=NAME_MAX_BYTES).contains(&value.len());
            if !fits || value.chars().any(char::is_control) {
                let (value, number) = (value.clone(), position + 1);
                return Err(ConfigError::Text { key, value, number });
            }
        }
        if !names.insert(&objective.name) {
            return Err(ConfigError::Twice(objective.name.clone()));
        }
        if !(0.5..1.0).contains(&objective.target) {
            return Err(ConfigError::Target {
                name: objective.name.clone(),
                target: objective.target,
            });
        }
        let name = || objective.name.clone();
        if let Some(key) = objective.foreign_key() {
            return Err(ConfigError::Foreign { name: name(), key });
        }
        let minutes = objective.quiet_minutes;
        if let Some(minutes) = minutes.filter(|minutes| !(1..=MINUTES_MAX).contains(minutes)) {
            let name = name();
            return Err(ConfigError::Minutes { name, minutes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Section {
        objectives: Vec<Objective>,
    }

    fn told(text: &str) -> String {
        let section: Section = toml::from_str(text).unwrap();
        let told = validate(&section.objectives);
        told.err()
            .map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn what_cannot_be_is_named() {
        let good = "[[objectives]]\nname = \"pages\"\nservice = \"crm\"\ntarget = 0.999\n";
        assert_eq!(told(good), "");
        assert!(told(&good.repeat(2)).contains("\"pages\" stands twice"));
        assert!(told(&good.replace("0.999", "1.0")).contains("target of \"pages\" is 1;"));
        assert!(told(&good.replace("0.999", "nan")).contains("is NaN"));
        assert!(told(&good.replace("\"crm\"", "\"\"")).contains("service \"\" of number 1"));
        assert!(toml::from_str::<Section>(&good.replace("service", "servise")).is_err());
        let available = format!("{good}kind = \"availability\"\n");
        assert_eq!(told(&format!("{available}quiet_minutes = 60\n")), "");
        for key in ["latency_ms", "quiet_requests"] {
            let wrong = told(&format!("{available}{key} = 5\n"));
            let want = format!("objectives: {key} of \"pages\" means nothing for its kind;");
            assert!(wrong.starts_with(&want), "{wrong}");
        }
        assert!(
            told(&format!("{good}quiet_minutes = 5\n"))
                .contains("quiet_minutes of \"pages\" means")
        );
        let many = told(&format!("{available}quiet_minutes = 61\n"));
        assert!(
            many.ends_with("quiet_minutes of \"pages\" is 61; it must be 1 to 60"),
            "{many}"
        );
        assert!(toml::from_str::<Section>(&available.replace("ility", "le")).is_err());
    }
}
