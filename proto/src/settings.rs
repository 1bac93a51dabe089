//! How both ends read their configuration: a TOML file, then the environment, nothing unknown.
//!
//! Promises that a key nobody knows is an error that names the place and the nearest known key,
//! instead of a setting that silently does nothing. Bounds are checked by each module's own
//! `Config::validate`.

use std::path::{Path, PathBuf};

use config::{Environment, File, FileFormat};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Separates the sections of a key in an environment variable: `PREFIX__SECTION__KEY`.
pub const ENVIRONMENT_SEPARATOR: &str = "__";

/// Names further from an unknown key than this similarity (0 to 1) are not offered.
const SIMILARITY_MIN: f64 = 0.6;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is not there or cannot be read.
    #[error("cannot read the configuration {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// Not TOML, or a value of the wrong type.
    #[error("{place}: {message}")]
    Value {
        /// The file or the environment.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A key that means nothing.
    #[error("{place}: unknown key `{key}`{}", hint(.nearest))]
    Unknown {
        /// The file or the environment variable.
        place: String,
        /// The key with its sections.
        key: String,
        /// The nearest key that exists.
        nearest: Option<String>,
    },
    /// A value out of bounds.
    #[error("{place}: {message}")]
    Invalid {
        /// The file or the environment.
        place: String,
        /// Names the key, the bound and the remedy.
        message: String,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|key| format!("; did you mean `{key}`?"))
        .unwrap_or_default()
}

/// Reads `file`, if given, then variables `PREFIX__SECTION__KEY`.
///
/// `template` is a configuration in which every list has an element and every option a value: its
/// keys are the known ones.
///
/// # Errors
/// See [`SettingsError`].
pub fn load<C: Serialize + DeserializeOwned>(
    file: Option<&Path>,
    environment_prefix: &str,
    template: &C,
) -> Result<C, SettingsError> {
    let known = serde_json::to_value(template).map_err(|error| SettingsError::Value {
        place: "defaults".to_owned(),
        message: error.to_string(),
    })?;
    let mut builder = config::Config::builder();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| SettingsError::Read {
            path: path.to_owned(),
            error,
        })?;
        let source = File::from_str(&text, FileFormat::Toml);
        let place = path.display().to_string();
        check(
            config::Config::builder().add_source(source.clone()),
            &known,
            |_| place.clone(),
        )?;
        builder = builder.add_source(source);
    }
    let environment = Environment::with_prefix(environment_prefix)
        .prefix_separator(ENVIRONMENT_SEPARATOR)
        .separator(ENVIRONMENT_SEPARATOR)
        .try_parsing(true);
    check(
        config::Config::builder().add_source(environment.clone()),
        &known,
        |key| {
            let variable = key.to_uppercase().replace('.', ENVIRONMENT_SEPARATOR);
            format!("environment variable {environment_prefix}{ENVIRONMENT_SEPARATOR}{variable}")
        },
    )?;
    let place = file.map_or_else(
        || "the environment".to_owned(),
        |path| path.display().to_string(),
    );
    let value = |error: config::ConfigError| SettingsError::Value {
        place: place.clone(),
        message: error.to_string(),
    };
    builder
        .add_source(environment)
        .build()
        .map_err(value)?
        .try_deserialize()
        .map_err(value)
}

/// Every key of a configuration with its sections, lists marked by `[]`.
#[must_use]
pub fn keys(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_keys(value, "", &mut found);
    found
}

fn check(
    builder: config::ConfigBuilder<config::builder::DefaultState>,
    known: &Value,
    place: impl Fn(&str) -> String,
) -> Result<(), SettingsError> {
    let given: Value = builder
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|error| SettingsError::Value {
            place: place(""),
            message: error.to_string(),
        })?;
    let known = keys(known);
    match keys(&given).into_iter().find(|key| !known.contains(key)) {
        None => Ok(()),
        Some(key) => {
            let nearest = nearest(&key, &known);
            Err(SettingsError::Unknown {
                place: place(&key),
                key,
                nearest,
            })
        }
    }
}

/// The known key that is most like `key`: by its whole path, or by its last word.
fn nearest(key: &str, known: &[String]) -> Option<String> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let score = |candidate: &String| {
        strsim::jaro_winkler(key, candidate)
            .max(strsim::jaro_winkler(&last(key), &last(candidate)) - 0.01)
    };
    known
        .iter()
        .map(|candidate| (score(candidate), candidate))
        .filter(|(score, _)| *score >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.clone())
}

fn collect_keys(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                found.push(path.clone());
                collect_keys(inner, &path, found);
            }
        }
        Value::Array(list) => {
            for inner in list {
                collect_keys(inner, &format!("{path}[]"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(default)]
    struct Sample {
        interval_ms: u32,
        collector: Collector,
        logs: Vec<Log>,
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Collector {
        endpoint: String,
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Log {
        path: String,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self {
                interval_ms: 1,
                collector: Collector::default(),
                logs: vec![Log {
                    path: String::new(),
                }],
            }
        }
    }

    fn load_text(text: &str) -> Result<Sample, SettingsError> {
        let directory =
            std::env::temp_dir().join(format!("crmscope-settings-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{}.toml", text.len()));
        std::fs::write(&path, text).unwrap();
        load(Some(&path), "CRMSCOPE_SETTINGS_TEST", &Sample::default())
    }

    #[test]
    fn known_keys_are_read() {
        let sample =
            load_text("interval_ms = 5\n[collector]\nendpoint = 'x'\n[[logs]]\npath = 'a'\n")
                .unwrap();
        assert_eq!(
            (
                sample.interval_ms,
                sample.collector.endpoint.as_str(),
                sample.logs.len()
            ),
            (5, "x", 1)
        );
    }

    #[test]
    fn unknown_keys_name_the_place_and_the_nearest_known_key() {
        for (text, nearest) in [
            ("intervall_ms = 5", "interval_ms"),
            ("[collector]\nendpont = 'x'", "collector.endpoint"),
            ("[colector]\nendpoint = 'x'", "collector"),
            ("[[logs]]\npath = 'a'\n[[logs]]\npaht = 'a'", "logs[].path"),
        ] {
            let error = load_text(text).unwrap_err().to_string();
            assert!(error.contains(".toml: unknown key `"), "{error}");
            assert!(
                error.ends_with(&format!("did you mean `{nearest}`?")),
                "{text}: {error}"
            );
        }
    }

    #[test]
    fn wrong_types_and_broken_files_are_errors_with_their_place() {
        for text in ["interval_ms = 'soon'", "interval_ms = ", "interval_ms = -1"] {
            let error = load_text(text).unwrap_err().to_string();
            assert!(error.contains(".toml"), "{error}");
        }
    }
}
