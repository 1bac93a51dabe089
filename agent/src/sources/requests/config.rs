//! Settings of `[sources.requests]`.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Shape of an access log's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// nginx `combined`, with `$request_time` at the end for latencies.
    #[default]
    Nginx,
}

/// Where reading starts in files that are there when a pattern is watched for the first time.
/// Files that appear later are read from their start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// What is written from now on.
    #[default]
    End,
    /// Everything in them.
    Start,
}

/// Access logs of one service, or of one per file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Path or glob. A glob does not lead to rotated files (`.1`, `.gz`).
    pub path: String,
    /// Service the requests count for. Without it, the file's name says: `crm-access.log` is
    /// `crm`, and a plain `access.log` is called as its folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Shape of the lines.
    #[serde(default)]
    pub format: Format,
}

/// Settings of the requests source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether access logs are read.
    pub enabled: bool,
    /// Time between runs, ms.
    pub interval_ms: u64,
    /// Most routes counted apart in one service; further ones count as `OTHER`.
    pub max_routes: usize,
    /// Most services; requests of further ones count for the service `OTHER`.
    pub max_services: usize,
    /// Most log files open at once, rotated ones included.
    pub max_files: usize,
    /// Where reading starts in files found at the very first start.
    pub from: From,
    /// The logs.
    pub logs: Vec<LogConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 1000,
            max_routes: 1000,
            max_services: 32,
            max_files: 128,
            from: From::End,
            logs: vec![LogConfig {
                path: "/var/log/nginx/*access*.log".to_owned(),
                service: None,
                format: Format::Nginx,
            }],
        }
    }
}

impl Config {
    /// Time between runs.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.interval_ms)
    }

    /// Whether the values make sense.
    ///
    /// # Errors
    /// The first that does not, and what would.
    pub fn validate(&self) -> Result<(), String> {
        if !(100..=60_000).contains(&self.interval_ms) {
            return Err(format!(
                "sources.requests.interval_ms is {}; use 100 to 60000",
                self.interval_ms
            ));
        }
        for (key, value, most) in [
            ("max_routes", self.max_routes, 10_000),
            ("max_services", self.max_services, 1000),
            ("max_files", self.max_files, 4096),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!(
                    "sources.requests.{key} is {value}; use 1 to {most}"
                ));
            }
        }
        for log in &self.logs {
            if !Path::new(&log.path).is_absolute() {
                return Err(format!(
                    "sources.requests.logs: path {:?} is not absolute",
                    log.path
                ));
            }
            if let Err(error) = glob::Pattern::new(&log.path) {
                return Err(format!(
                    "sources.requests.logs: path {:?}: {error}",
                    log.path
                ));
            }
            if let Some(service) = &log.service
                && (service.is_empty() || service.len() > super::aggregate::SERVICE_MAX_BYTES)
            {
                return Err(format!(
                    "sources.requests.logs: service {service:?} must have 1 to {} bytes",
                    super::aggregate::SERVICE_MAX_BYTES
                ));
            }
        }
        Ok(())
    }
}

/// Service of a log without a configured one.
pub(super) fn service_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = name.as_deref().unwrap_or_default();
    let stem = name.strip_suffix(".log").unwrap_or(name);
    let separators = ['.', '-', '_'];
    let kept = stem
        .strip_suffix("access_log")
        .or_else(|| stem.strip_suffix("access"))
        .or_else(|| stem.strip_prefix("access"))
        .unwrap_or(stem)
        .trim_matches(separators);
    if !kept.is_empty() {
        return kept.to_owned();
    }
    path.parent().and_then(Path::file_name).map_or_else(
        || "web".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_named_after_files() {
        for (path, service) in [
            ("/var/log/nginx/access.log", "nginx"),
            (
                "/var/log/nginx/crm.example.com-access.log",
                "crm.example.com",
            ),
            ("/var/log/nginx/crm.access.log", "crm"),
            ("/var/log/nginx/access_crm.log", "crm"),
            ("/var/log/httpd/access_log", "httpd"),
            ("/srv/shop.log", "shop"),
        ] {
            assert_eq!(service_of(Path::new(path)), service, "{path}");
        }
    }

    #[test]
    fn defaults_are_valid_and_bad_values_are_named() {
        let good = Config::default();
        assert_eq!(good.validate(), Ok(()));
        let relative = Config {
            logs: vec![LogConfig {
                path: "logs/*.log".to_owned(),
                service: None,
                format: Format::Nginx,
            }],
            ..Config::default()
        };
        let none = Config {
            max_routes: 0,
            ..Config::default()
        };
        for (config, key) in [(relative, "path"), (none, "max_routes")] {
            assert!(config.validate().is_err_and(|error| error.contains(key)));
        }
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), good);
        assert!(serde_json::from_str::<Config>(r#"{"max_route":1}"#).is_err());
    }
}
