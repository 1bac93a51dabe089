//! Settings of `[[sources.security.logs]]`: logs of applications that tell logins, exports and
//! changes of accounts.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::FollowedLog;
use crate::sources::tail::calendar::zone_ms;

/// Most logs.
pub(in crate::sources::security) const LOGS_MAX: usize = 32;

/// Longest service name, bytes.
const SERVICE_MAX_BYTES: usize = 64;

/// Shape of a log's lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Odoo's server log.
    Odoo,
    /// SuiteCRM 7's `suitecrm.log`.
    SuiteCrm,
    /// One JSON object a line; `fields` say what is what.
    #[default]
    Json,
    /// A regular expression with named groups.
    Regex,
}

/// Where in a JSON object a value stands: names of members with dots between.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Fields {
    /// When it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// To whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_user: Option<String>,
    /// From where: an address, with or without a port, or a host name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_address: Option<String>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What it was; `kinds` translates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Which part of the application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// How many data records it concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub records: Option<String>,
    /// What else should be known. It leaves the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Fields {
    /// What is named, with its key.
    pub(in crate::sources::security) fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("fields.time", &self.time),
            ("fields.user", &self.user),
            ("fields.target_user", &self.target_user),
            ("fields.source_address", &self.source_address),
            ("fields.outcome", &self.outcome),
            ("fields.kind", &self.kind),
            ("fields.method", &self.method),
            ("fields.service", &self.service),
            ("fields.records", &self.records),
            ("fields.detail", &self.detail),
        ]
        .into_iter()
        .filter_map(|(key, name)| Some((key, name.as_deref()?)))
    }
}

/// A condition: only lines whose field has one of the values are events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Where the value stands.
    pub field: String,
    /// Values that an event has.
    pub values: Vec<String>,
}

/// What an application's own word for a kind means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindOf {
    /// The application's word.
    pub value: String,
    /// One of our kinds, such as `app_login`.
    pub kind: String,
}

/// One log, or those of a glob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Path or glob. A glob does not lead to rotated files.
    pub path: String,
    /// Shape of the lines.
    pub format: LogFormat,
    /// Service of the events; `odoo` and `suitecrm` for those formats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Zone of times that carry none: "local", or an offset such as "+02:00". Odoo writes UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// json, regex: what a line is, where it does not say so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// json, regex: what the line's own words for it mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<KindOf>,
    /// json, regex: how it ended, where the line does not say so: "success" or "failure".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// json, regex: words that mean success.
    #[serde(default = "success_words")]
    pub success: Vec<String>,
    /// json, regex: words that mean failure.
    #[serde(default = "failure_words")]
    pub failure: Vec<String>,
    /// json: which lines are events; all conditions must hold.
    #[serde(default, rename = "where", skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// json: where values stand.
    #[serde(default)]
    pub fields: Fields,
    /// regex: the expression; its groups are called as the fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

pub(in crate::sources::security) fn success_words() -> Vec<String> {
    ["success", "succeeded", "ok", "true", "yes", "1"]
        .map(str::to_owned)
        .to_vec()
}

pub(in crate::sources::security) fn failure_words() -> Vec<String> {
    [
        "failure", "failed", "fail", "error", "denied", "false", "no", "0",
    ]
    .map(str::to_owned)
    .to_vec()
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            path: String::new(),
            format: LogFormat::default(),
            service: None,
            zone: None,
            kind: None,
            kinds: Vec::new(),
            outcome: None,
            success: success_words(),
            failure: failure_words(),
            conditions: Vec::new(),
            fields: Fields::default(),
            pattern: None,
        }
    }
}

impl LogConfig {
    /// Every key filled in: the names of all there are.
    #[must_use]
    pub fn template() -> Self {
        let some = || Some(String::new());
        Self {
            service: some(),
            zone: some(),
            kind: some(),
            kinds: vec![KindOf::default()],
            outcome: some(),
            conditions: vec![Condition::default()],
            fields: Fields {
                time: some(),
                user: some(),
                target_user: some(),
                source_address: some(),
                outcome: some(),
                kind: some(),
                method: some(),
                service: some(),
                records: some(),
                detail: some(),
            },
            pattern: some(),
            ..Self::default()
        }
    }

    /// Service of events that do not name their own; empty where none is configured and needs to be.
    #[must_use]
    pub fn service_name(&self) -> &str {
        let usual = match self.format {
            LogFormat::Odoo => "odoo",
            LogFormat::SuiteCrm => "suitecrm",
            LogFormat::Json | LogFormat::Regex => "",
        };
        self.service.as_deref().unwrap_or(usual)
    }

    /// Whether the values make sense.
    ///
    /// # Errors
    /// Names the key that does not, and what would.
    pub fn validate(&self) -> Result<(), String> {
        let place = format!("sources.security.logs: {:?}", self.path);
        if !Path::new(&self.path).is_absolute() {
            return Err(format!("{place}: path is not absolute"));
        }
        glob::Pattern::new(&self.path).map_err(|error| format!("{place}: path: {error}"))?;
        if let Some(zone) = &self.zone
            && zone != "local"
            && zone_ms(zone.as_bytes()).is_none()
        {
            return Err(format!(
                "{place}: zone is {zone:?}; use \"local\" or an offset such as \"+02:00\""
            ));
        }
        if let Some(service) = &self.service
            && (service.is_empty() || service.len() > SERVICE_MAX_BYTES)
        {
            return Err(format!(
                "{place}: service has {} bytes; use 1 to {SERVICE_MAX_BYTES}",
                service.len()
            ));
        }
        FollowedLog::build(self)
            .map(|_| ())
            .map_err(|error| format!("{place}: {error}"))
    }
}
