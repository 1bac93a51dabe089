//! How both ends read their configuration: a TOML file, then the environment, nothing unknown.
//!
//! Promises that a key nobody knows is an error that names the place and the nearest known key,
//! instead of a setting that silently does nothing. Bounds are checked by each module's own
//! `Config::validate`.

use std::path::{Path, PathBuf};

use config::builder::DefaultState;
use config::{Config, ConfigBuilder, Environment, File, FileFormat};
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

/// Reads `file`, if given, then those variables of `environment` that are called
/// `PREFIX__SECTION__KEY`; lists of words are separated by commas there.
///
/// `template` is a configuration in which every list of sections has one: its keys are the known ones.
/// An empty table in it takes any key: whoever owns the table checks them.
///
/// # Errors
/// See [`SettingsError`].
pub fn load<C: Serialize + DeserializeOwned>(
    file: Option<&Path>,
    prefix: &str,
    environment: impl IntoIterator<Item = (String, String)>,
    template: &C,
) -> Result<C, SettingsError> {
    let template = serde_json::to_value(template).map_err(|error| SettingsError::Value {
        place: "defaults".to_owned(),
        message: error.to_string(),
    })?;
    let known = Known {
        keys: keys(&template),
        open: open_tables(&template),
    };
    let mut builder = Config::builder();
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| SettingsError::Read {
            path: path.to_owned(),
            error,
        })?;
        let source = File::from_str(&text, FileFormat::Toml);
        let place = path.display().to_string();
        check(
            Config::builder().add_source(source.clone()),
            &known,
            |_| place.clone(),
            str::to_owned,
        )?;
        builder = builder.add_source(source);
    }
    let begin = format!("{prefix}{ENVIRONMENT_SEPARATOR}");
    let variables = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(&begin))
        .collect();
    let mut source = Environment::with_prefix(prefix)
        .prefix_separator(ENVIRONMENT_SEPARATOR)
        .separator(ENVIRONMENT_SEPARATOR)
        .list_separator(",")
        .try_parsing(true)
        .source(Some(variables));
    let mut lists = Vec::new();
    collect_lists(&template, "", &mut lists);
    if lists.is_empty() {
        // Without a named key every value with a comma would become a list.
        lists.push("-".to_owned());
    }
    for list in lists {
        source = source.with_list_parse_key(&list);
    }
    let variable = |key: &str| {
        let name = key.to_uppercase().replace('.', ENVIRONMENT_SEPARATOR);
        format!("{begin}{name}")
    };
    check(
        Config::builder().add_source(source.clone()),
        &known,
        |key| format!("environment variable {}", variable(key)),
        variable,
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
        .add_source(source)
        .build()
        .map_err(value)?
        .try_deserialize()
        .map_err(value)
}

/// What may be set.
struct Known {
    keys: Vec<String>,
    /// Tables that take any key, each with the dot behind it.
    open: Vec<String>,
}

impl Known {
    fn has(&self, key: &str) -> bool {
        self.open.iter().any(|table| key.starts_with(table)) || self.keys.iter().any(|k| k == key)
    }
}

fn open_tables(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_open_tables(template, "", &mut found);
    found
}

/// Every key of a configuration with its sections, lists marked by `[]`.
#[must_use]
pub fn keys(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_keys(value, "", &mut found);
    found
}

fn check(
    builder: ConfigBuilder<DefaultState>,
    known: &Known,
    place: impl Fn(&str) -> String,
    name: impl Fn(&str) -> String,
) -> Result<(), SettingsError> {
    let given: Value = builder
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|error| SettingsError::Value {
            place: place(""),
            message: error.to_string(),
        })?;
    match keys(&given).into_iter().find(|key| !known.has(key)) {
        None => Ok(()),
        Some(key) => Err(SettingsError::Unknown {
            place: place(&key),
            nearest: nearest(&key, &known.keys).map(|key| name(&key)),
            key,
        }),
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

/// Paths of lists of words, which a variable can hold.
fn collect_lists(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                collect_lists(inner, &path, found);
            }
        }
        Value::Array(list) if list.iter().all(|inner| !inner.is_object()) => {
            found.push(path.to_owned());
        }
        _ => {}
    }
}

fn collect_open_tables(value: &Value, path: &str, found: &mut Vec<String>) {
    let Value::Object(map) = value else { return };
    if map.is_empty() {
        found.push(format!("{path}."));
    }
    for (key, inner) in map {
        let path = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        collect_open_tables(inner, &path, found);
    }
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
        client: std::collections::BTreeMap<String, Value>,
    }

    #[derive(Debug, Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Collector {
        endpoint: String,
        hosts: Vec<String>,
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
                client: std::collections::BTreeMap::new(),
            }
        }
    }

    fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Sample, SettingsError> {
        let directory =
            std::env::temp_dir().join(format!("crmscope-settings-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{:?}.toml", std::thread::current().id()));
        std::fs::write(&path, text).unwrap();
        let environment = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()));
        load(Some(&path), "SAMPLE", environment, &Sample::default())
    }

    fn load_text(text: &str) -> Result<Sample, SettingsError> {
        load_with(text, &[])
    }

    #[test]
    fn variables_go_before_the_file_and_lists_are_separated_by_commas() {
        let environment = [
            ("SAMPLE__INTERVAL_MS", "7"),
            ("SAMPLE__COLLECTOR__ENDPOINT", "a,b"),
            ("SAMPLE__COLLECTOR__HOSTS", "a,b"),
            ("OTHER__X", "1"),
            ("PATH", "/bin"),
        ];
        let sample = load_with("interval_ms = 5", &environment).unwrap();
        assert_eq!(sample.interval_ms, 7);
        assert_eq!(sample.collector.endpoint, "a,b");
        assert_eq!(sample.collector.hosts, ["a", "b"]);
        let error = load_with("", &[("SAMPLE__COLLECTOR__ENDPONT", "x")])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("variable SAMPLE__COLLECTOR__ENDPONT: unknown key"),
            "{error}"
        );
        assert!(
            error.ends_with("did you mean `SAMPLE__COLLECTOR__ENDPOINT`?"),
            "{error}"
        );
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
    fn an_empty_table_takes_any_key() {
        let text = "[client]\n'a.b' = 1\nc = 'x'\nd.e = true\n";
        let sample = load_with(text, &[("SAMPLE__CLIENT__F__G", "7")]).unwrap();
        let want = serde_json::json!({
            "a.b": 1, "c": "x", "d": {"e": true}, "f": {"g": 7}
        });
        assert_eq!(serde_json::to_value(sample.client).unwrap(), want);
        assert!(load_text("clientx = 1").is_err());
    }

    #[test]
    fn wrong_types_and_broken_files_are_errors_with_their_place() {
        for text in ["interval_ms = 'soon'", "interval_ms = ", "interval_ms = -1"] {
            let error = load_text(text).unwrap_err().to_string();
            assert!(error.contains(".toml"), "{error}");
        }
    }
}
