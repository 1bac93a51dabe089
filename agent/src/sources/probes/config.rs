//! Settings of `[sources.probes]`.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Targets that are probed at the same time.
pub(super) const CONCURRENT_MAX: usize = 16;

/// Most targets that can be allowed.
const TARGETS_MAX: usize = 256;

/// What is probed, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether targets are probed. Without a target nothing is done.
    pub enabled: bool,
    /// Time between runs of a target.
    pub interval_ms: u64,
    /// How long a run may take in all, from the resolver to the end of the body.
    pub deadline_ms: u64,
    /// Most targets; a longer list is an error.
    pub targets_max: usize,
    /// The targets.
    pub targets: Vec<Target>,
}

/// How a target is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Kind {
    /// A page, over http or https.
    Http,
    /// A port that takes connections.
    Tcp,
    /// A name that has an address.
    Dns,
}

impl Kind {
    /// Its word in rows and configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Tcp => "tcp",
            Self::Dns => "dns",
        }
    }
}

impl TryFrom<String> for Kind {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        [Self::Http, Self::Tcp, Self::Dns]
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(|| format!("kind is {word:?}; use \"http\", \"tcp\" or \"dns\""))
    }
}

/// How a page is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE", try_from = "String")]
pub enum Method {
    /// With its body.
    Get,
    /// Without.
    Head,
}

impl TryFrom<String> for Method {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        match word.as_str() {
            "GET" => Ok(Self::Get),
            "HEAD" => Ok(Self::Head),
            _ => Err(format!("method is {word:?}; use \"GET\" or \"HEAD\"")),
        }
    }
}

/// A status that is expected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Status {
    /// One, such as 200.
    Code(i64),
    /// A class, such as "2xx", or a code in quotes.
    Text(String),
}

/// One target. Which keys it takes depends on its kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// What rows call it.
    pub name: String,
    /// The service it belongs to.
    pub service: String,
    /// How it is asked.
    pub kind: Option<Kind>,
    /// Of kind http: the page.
    pub url: Option<String>,
    /// GET if left out.
    pub method: Option<Method>,
    /// 2xx and 3xx if left out.
    pub expect_status: Option<Vec<Status>>,
    /// A text that the body must hold.
    pub expect_body: Option<String>,
    /// An expression that the body must match.
    pub expect_body_regex: Option<String>,
    /// Asked for instead of the URL's host, which only says where to connect.
    pub host: Option<String>,
    /// What the agent calls itself.
    pub user_agent: Option<String>,
    /// Trusted certificates instead of the system's.
    pub server_ca_file: Option<PathBuf>,
    /// Of kind tcp: host and port.
    pub address: Option<String>,
    /// Of kind dns: the name that is looked up.
    pub domain: Option<String>,
    /// Of kind dns: who is asked; the system's resolver if left out.
    pub server: Option<String>,
    /// Of kind dns: an address that must be among the answers.
    pub expect_address: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 30_000,
            deadline_ms: 5_000,
            targets_max: 64,
            targets: Vec::new(),
        }
    }
}

impl Target {
    /// A target with every key.
    #[must_use]
    pub fn template() -> Self {
        let text = || Some(String::new());
        Self {
            kind: Some(Kind::Http),
            url: text(),
            method: Some(Method::Get),
            expect_status: Some(Vec::new()),
            expect_body: text(),
            expect_body_regex: text(),
            host: text(),
            user_agent: text(),
            server_ca_file: Some(PathBuf::new()),
            address: text(),
            domain: text(),
            server: text(),
            expect_address: text(),
            ..Self::default()
        }
    }
}

impl Config {
    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// Says which key, of which target, is wrong and what it may be.
    pub fn validate(&self) -> Result<(), String> {
        let Self {
            interval_ms,
            deadline_ms,
            targets_max,
            ..
        } = *self;
        if !(1_000..=3_600_000).contains(&interval_ms) {
            return Err(format!("interval_ms is {interval_ms}; use 1000 to 3600000"));
        }
        if !(100..=60_000).contains(&deadline_ms) {
            return Err(format!("deadline_ms is {deadline_ms}; use 100 to 60000"));
        }
        if !(1..=TARGETS_MAX).contains(&targets_max) {
            return Err(format!(
                "targets_max is {targets_max}; use 1 to {TARGETS_MAX}"
            ));
        }
        let count = self.targets.len();
        if count > targets_max {
            return Err(format!(
                "targets has {count}, and targets_max is {targets_max}; raise it, or probe some from another agent"
            ));
        }
        // Then even targets that all hang are each asked once an interval.
        let longest_ms = deadline_ms * count.max(1).div_ceil(CONCURRENT_MAX) as u64;
        if longest_ms > interval_ms {
            return Err(format!(
                "deadline_ms is {deadline_ms}: {count} targets that hang take {longest_ms} ms, {CONCURRENT_MAX} at a time, and interval_ms is {interval_ms}; shorten deadline_ms or lengthen interval_ms"
            ));
        }
        let mut names = HashSet::new();
        for (position, target) in self.targets.iter().enumerate() {
            let name = &target.name;
            if name.is_empty() || name.len() > 64 || name.contains(char::is_control) {
                return Err(format!(
                    "targets: target {} has the name {name:?}; use 1 to 64 bytes without control characters",
                    position + 1
                ));
            }
            if !names.insert(name) {
                return Err(format!(
                    "targets: two have the name {name:?}; rows would not tell them apart"
                ));
            }
            target
                .check()
                .map_err(|error| format!("targets: target {name:?}: {error}"))?;
        }
        Ok(())
    }
}
