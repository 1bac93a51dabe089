//! Settings of `[[objectives]]`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Most objectives.
const OBJECTIVES_MAX: usize = 100;
/// Longest name, bytes.
const NAME_MAX_BYTES: usize = 100;

/// What is promised of a service's requests, over 30 days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// What it is called in alerts.
    pub name: String,
    /// Whose requests.
    pub service: String,
    /// Share of requests that have to be good, 0 to 1.
    pub target: f64,
    /// How long a good request may take; 0 for any time.
    #[serde(default)]
    pub latency_ms: u64,
    /// Fewer requests in an hour are low traffic, of which no rate is told.
    #[serde(default = "quiet_requests")]
    pub quiet_requests: u64,
}

const fn quiet_requests() -> u64 {
    60
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
    }
}
