//! Settings of `[sources.requests]`.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Shape of an access log's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Apache `common`, `combined` or `vhost_combined`, with `%D` at the end for latencies.
    Apache,
    /// Whichever the first lines of each file are of.
    #[default]
    Auto,
    /// As [`LogConfig::pattern`] says.
    Custom,
    /// nginx `combined`, with `$request_time` at the end for latencies.
    Nginx,
    /// Odoo's own log.
    Odoo,
}

impl Format {
    /// Every format, by name.
    pub const ALL: &'static [Self] = &[
        Self::Apache,
        Self::Auto,
        Self::Custom,
        Self::Nginx,
        Self::Odoo,
    ];

    /// Name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apache => "apache",
            Self::Auto => "auto",
            Self::Custom => "custom",
            Self::Nginx => "nginx",
            Self::Odoo => "odoo",
        }
    }

    /// The format with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.name() == name)
    }

    /// What it reads, for people.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Apache => {
                "Apache's common, combined or vhost_combined, with or without %D at the end"
            }
            Self::Auto => "guessed from the first lines of each file",
            Self::Custom => "nginx's log_format or Apache's LogFormat, given as `pattern`",
            Self::Nginx => {
                "nginx's combined, with or without $request_time $upstream_response_time at the end"
            }
            Self::Odoo => "Odoo's own log, with the requests of werkzeug in it",
        }
    }
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
    /// With format `custom`: nginx's `log_format` or Apache's `LogFormat`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

impl LogConfig {
    /// A log of a path, without a named service.
    #[must_use]
    pub fn new(path: impl Into<String>, format: Format) -> Self {
        Self {
            path: path.into(),
            service: None,
            format,
            pattern: None,
        }
    }

    /// Whether the pattern is there where it is needed, and can be used.
    fn check_pattern(&self) -> Result<(), String> {
        match (self.format, &self.pattern) {
            (Format::Custom, Some(pattern)) => super::formats::custom::Custom::new(pattern)
                .map(drop)
                .map_err(|error| {
                    format!("sources.requests.logs: pattern of {:?}: {error}", self.path)
                }),
            (Format::Custom, None) => Err(format!(
                "sources.requests.logs: {:?} has format \"custom\" and no pattern; add the server's log format as `pattern`",
                self.path
            )),
            (other, Some(_)) => Err(format!(
                "sources.requests.logs: {:?} has a pattern, which format \"{}\" does not use; set format = \"custom\"",
                self.path,
                other.name()
            )),
            (_, None) => Ok(()),
        }
    }
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
            logs: vec![LogConfig::new("/var/log/nginx/*access*.log", Format::Auto)],
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
            log.check_pattern()?;
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
            logs: vec![LogConfig::new("logs/*.log", Format::Nginx)],
            ..Config::default()
        };
        let none = Config {
            max_routes: 0,
            ..Config::default()
        };
        let custom = |format, pattern: Option<&str>| Config {
            logs: vec![LogConfig {
                pattern: pattern.map(str::to_owned),
                ..LogConfig::new("/a.log", format)
            }],
            ..Config::default()
        };
        let wanting = custom(Format::Custom, None);
        let idle = custom(Format::Nginx, Some("%t"));
        let bad = custom(Format::Custom, Some("%t %>s"));
        for (config, key) in [
            (relative, "path"),
            (none, "max_routes"),
            (wanting, "no pattern"),
            (idle, "format = \"custom\""),
            (bad, "no request"),
        ] {
            assert!(config.validate().is_err_and(|error| error.contains(key)));
        }
        let text = serde_json::to_string(&good).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), good);
        assert!(serde_json::from_str::<Config>(r#"{"max_route":1}"#).is_err());
    }
}
