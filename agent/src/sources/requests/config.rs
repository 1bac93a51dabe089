//! Settings of `[sources.requests]`.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fields::{Fields, LatencyUnit};
use super::{clients, configured, exemplars};
use crate::sources::tail::calendar::zone_ms;

/// Shape of an access log's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Apache `common`, `combined` or `vhost_combined`, with `%D` at the end for latencies.
    Apache,
    /// Whichever the first lines of each file are of.
    #[default]
    Auto,
    /// Caddy's JSON.
    Caddy,
    /// As [`LogConfig::pattern`] says.
    Custom,
    /// Envoy's default text format, or Istio's.
    Envoy,
    /// HAProxy's `option httplog` or `option httpslog`.
    Haproxy,
    /// W3C extended, as IIS writes it.
    Iis,
    /// JSON with fields as [`LogConfig::fields`] says.
    Json,
    /// nginx `combined`, with `$request_time` at the end for latencies.
    Nginx,
    /// Odoo's own log.
    Odoo,
    /// Traefik's common format or its JSON.
    Traefik,
}

impl Format {
    /// Every format, by name.
    pub const ALL: &'static [Self] = &[
        Self::Apache,
        Self::Auto,
        Self::Caddy,
        Self::Custom,
        Self::Envoy,
        Self::Haproxy,
        Self::Iis,
        Self::Json,
        Self::Nginx,
        Self::Odoo,
        Self::Traefik,
    ];

    /// Name in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apache => "apache",
            Self::Auto => "auto",
            Self::Caddy => "caddy",
            Self::Custom => "custom",
            Self::Envoy => "envoy",
            Self::Haproxy => "haproxy",
            Self::Iis => "iis",
            Self::Json => "json",
            Self::Nginx => "nginx",
            Self::Odoo => "odoo",
            Self::Traefik => "traefik",
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
            Self::Caddy => "Caddy's access log in JSON",
            Self::Custom => "nginx's log_format or Apache's LogFormat, given as `pattern`",
            Self::Envoy => "Envoy's default text format, or Istio's",
            Self::Haproxy => "HAProxy's httplog or httpslog, with or without a syslog head",
            Self::Iis => "W3C extended, as IIS writes it: its #Fields: line says what follows",
            Self::Json => "JSON objects; `fields` says which field is what",
            Self::Nginx => {
                "nginx's combined, with or without $request_time $upstream_response_time at the end"
            }
            Self::Odoo => "Odoo's own log, with the requests of werkzeug in it",
            Self::Traefik => "Traefik's common format or its JSON",
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// With format `json`: which field is what. Without it, usual names are looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Fields>,
    /// With format `json`: what its latencies are counted in; seconds, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_unit: Option<LatencyUnit>,
    /// With format `haproxy`, guessed or not, whose dates have none: "local", the default, or an
    /// offset such as "+02:00".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Routes of this log, looked at before those of all logs.
    #[serde(default)]
    pub routes: Vec<String>,
}

impl LogConfig {
    /// A log of a path, without a named service.
    #[must_use]
    pub fn new(path: impl Into<String>, format: Format) -> Self {
        Self {
            path: path.into(),
            format,
            ..Self::default()
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

    /// Whether the keys that belong to some formats stand beside these, and make sense.
    fn check_format_keys(&self) -> Result<(), String> {
        let place = |message: String| format!("sources.requests.logs: {:?}: {message}", self.path);
        for (key, given, format) in [
            ("fields", self.fields.is_some(), Format::Json),
            ("latency_unit", self.latency_unit.is_some(), Format::Json),
            ("zone", self.zone.is_some(), Format::Haproxy),
        ] {
            let guessed = key == "zone" && self.format == Format::Auto;
            if given && self.format != format && !guessed {
                return Err(place(format!(
                    "{key} belongs to format \"{}\" and format is \"{}\"; change one of them",
                    format.name(),
                    self.format.name()
                )));
            }
        }
        if let Some(fields) = &self.fields {
            fields.validate().map_err(place)?;
        }
        match &self.zone {
            Some(zone) if zone != "local" && zone_ms(zone.as_bytes()).is_none() => Err(place(
                format!("zone is {zone:?}; use \"local\" or an offset such as \"+02:00\""),
            )),
            _ => Ok(()),
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
    /// Different words below one route before a further one counts as `{slug}`.
    pub slug_after: usize,
    /// Routes by name, as `/account/{account}/edit` or `/files/*`; the first that matches counts.
    pub routes: Vec<String>,
    /// Most services; requests of further ones count for the service `OTHER`.
    pub max_services: usize,
    /// Most log files open at once, rotated ones included.
    pub max_files: usize,
    /// Where reading starts in files found at the very first start.
    pub from: From,
    /// Requests by network of the client.
    pub clients: clients::Config,
    /// Examples of slow and failed requests.
    pub exemplars: exemplars::Config,
    /// The logs.
    pub logs: Vec<LogConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 1000,
            max_routes: 1000,
            slug_after: 64,
            routes: Vec::new(),
            max_services: 32,
            max_files: 128,
            from: From::End,
            clients: clients::Config::default(),
            exemplars: exemplars::Config::default(),
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
            ("slug_after", self.slug_after, 10_000),
            ("max_services", self.max_services, 1000),
            ("max_files", self.max_files, 4096),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!(
                    "sources.requests.{key} is {value}; use 1 to {most}"
                ));
            }
        }
        for error in [self.clients.validate(), self.exemplars.validate()] {
            error.map_err(|error| format!("sources.requests.{error}"))?;
        }
        self.check_routes()?;
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
            log.check_format_keys()?;
        }
        Ok(())
    }

    fn check_routes(&self) -> Result<(), String> {
        let of_logs = self.logs.iter().flat_map(|log| {
            let routes = log.routes.iter();
            routes.map(|route| ("sources.requests.logs: routes", route))
        });
        let all = self
            .routes
            .iter()
            .map(|route| ("sources.requests.routes", route));
        let mut count = 0;
        for (place, route) in all.chain(of_logs) {
            configured::check(route).map_err(|error| format!("{place}: {route:?} {error}"))?;
            count += 1;
        }
        if count > configured::TEMPLATES_MAX {
            return Err(format!(
                "sources.requests: there are {count} routes, with those of the logs; use at most {}",
                configured::TEMPLATES_MAX
            ));
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

    #[test]
    fn keys_of_a_format_are_checked_and_named() {
        let read = |text: &str| {
            let log: LogConfig = toml::from_str(text).map_err(|error| error.to_string())?;
            let config = Config {
                logs: vec![log],
                ..Config::default()
            };
            config.validate()
        };
        for good in [
            "format = 'json'",
            "format = 'json'\nlatency_unit = 'ns'\nfields = { time = 'a.b', client = '' }",
            "format = 'haproxy'\nzone = 'local'",
            "format = 'haproxy'\nzone = '-03:30'",
        ] {
            assert_eq!(read(&format!("path = '/a'\n{good}")), Ok(()), "{good}");
        }
        for (bad, named) in [
            ("format = 'json'\nfields = { time = '' }", "fields.time"),
            ("format = 'json'\nfields = { site = 'a..b' }", "fields.site"),
            (
                "format = 'json'\nfields = { site = 'a.b.c.d.e.f.g.h.i' }",
                "fields.site",
            ),
            ("format = 'json'\nfields = { clock = 'a' }", "clock"),
            ("format = 'json'\nlatency_unit = 'h'", "latency_unit"),
            (
                "format = 'caddy'\nfields = { time = 'a' }",
                "fields belongs",
            ),
            (
                "format = 'nginx'\nlatency_unit = 's'",
                "latency_unit belongs",
            ),
            ("format = 'nginx'\nzone = 'local'", "zone belongs"),
            ("format = 'haproxy'\nzone = 'Europe/Berlin'", "zone is"),
            ("format = 'squid'", "format"),
        ] {
            let error = read(&format!("path = '/a'\n{bad}")).unwrap_err();
            assert!(error.contains(named), "{bad}: {error}");
        }
        for &format in Format::ALL {
            let name = serde_json::to_value(format).unwrap();
            assert_eq!(name, format.name());
            assert!(!format.description().is_empty());
        }
    }
}
