//! What a collector may set on an agent: the whole list.
//!
//! Nothing is here that names a file, a program, an address or an identity, and nothing by which an agent
//! would read, run or ask for anything that its own configuration does not: a collector that was taken over
//! may make an agent measure less or more of what it measures already, and no other thing. Ranges are those
//! of the agent's own checks; a test of the agent compares them.

use serde_json::Value;

/// Most elements of a list.
const LIST_MAX: usize = 256;

/// Longest text, bytes.
const TEXT_MAX_BYTES: usize = 256;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Number {
        /// Least.
        min: u64,
        /// Most.
        max: u64,
    },
    /// True or false.
    Switch,
    /// A list of texts.
    Texts,
    /// Groups of processes: a name, with patterns of `comm` or `executable`.
    Processes,
}

impl Kind {
    /// In a few words.
    #[must_use]
    pub fn text(self) -> String {
        match self {
            Self::Number { min, max } => format!("{min} to {max}"),
            Self::Switch => "true or false".to_owned(),
            Self::Texts => "list of texts".to_owned(),
            Self::Processes => "tables with name, comm, executable".to_owned(),
        }
    }
}

/// What becomes of it beside the value of the agent's own configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// It stands instead.
    Replaces,
    /// The lower of both stands: the agent's own is a ceiling.
    Lowers,
    /// True where both are: what the agent has off stays off.
    Narrows,
    /// It stands behind the agent's own; of one name, the agent's own stands.
    Adds,
}

impl Merge {
    /// In a few words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Replaces => "replaces the host's own",
            Self::Lowers => "the lower of both holds",
            Self::Narrows => "off where either is",
            Self::Adds => "added to the host's own",
        }
    }
}

/// One key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// As in the agent's configuration, with its sections.
    pub key: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Beside the agent's own.
    pub merge: Merge,
}

const fn number(key: &'static str, min: u64, max: u64) -> Allowed {
    let kind = Kind::Number { min, max };
    let merge = Merge::Replaces;
    Allowed { key, kind, merge }
}

const fn ceiling(key: &'static str, min: u64, max: u64) -> Allowed {
    let kind = Kind::Number { min, max };
    let merge = Merge::Lowers;
    Allowed { key, kind, merge }
}

const fn switch(key: &'static str, merge: Merge) -> Allowed {
    let kind = Kind::Switch;
    Allowed { key, kind, merge }
}

const fn list(key: &'static str, kind: Kind) -> Allowed {
    let merge = Merge::Adds;
    Allowed { key, kind, merge }
}

/// Every key, in the order of the agent's example configuration.
pub const ALLOWED: &[Allowed] = &[
    number("intervals.batch_ms", 200, 300_000),
    number("intervals.heartbeat_ms", 200, 300_000),
    ceiling("budget.cpu_max_percent", 1, 100_000),
    ceiling("budget.memory_max_bytes", 8 << 20, 1 << 50),
    ceiling("budget.network_max_bytes_per_s", 4_096, 1 << 40),
    switch("sources.host.enabled", Merge::Narrows),
    number("sources.host.interval_ms", 100, 3_600_000),
    number("sources.host.rare_interval_ms", 100, 86_400_000),
    number("sources.host.disks_max", 0, 1_024),
    list("sources.host.disks_excluded", Kind::Texts),
    number("sources.host.interfaces_max", 0, 1_024),
    list("sources.host.interfaces_excluded", Kind::Texts),
    switch("sources.filesystem.enabled", Merge::Narrows),
    number("sources.filesystem.interval_ms", 1_000, 3_600_000),
    number("sources.filesystem.mounts_max", 1, 1_024),
    list("sources.filesystem.types_excluded", Kind::Texts),
    list("sources.filesystem.mount_points_excluded", Kind::Texts),
    switch("sources.transport.enabled", Merge::Narrows),
    number("sources.transport.interval_ms", 1_000, 3_600_000),
    switch("sources.transport.states", Merge::Narrows),
    switch("sources.processes.enabled", Merge::Narrows),
    number("sources.processes.interval_ms", 1_000, 3_600_000),
    number("sources.processes.looks_max", 10, 100_000),
    list("sources.processes.watch", Kind::Processes),
    switch("sources.units.enabled", Merge::Narrows),
    number("sources.units.interval_ms", 5_000, 3_600_000),
    list("sources.units.watch", Kind::Texts),
    number("sources.units.units_max", 1, 1_024),
    switch("sources.containers.enabled", Merge::Narrows),
    number("sources.containers.interval_ms", 1_000, 3_600_000),
    number("sources.containers.containers_max", 1, 4_096),
    switch("sources.sensors.enabled", Merge::Narrows),
    number("sources.sensors.interval_ms", 1_000, 3_600_000),
    number("sources.sensors.sensors_max", 1, 1_024),
    switch("sources.clock.enabled", Merge::Narrows),
    number("sources.clock.interval_ms", 5_000, 3_600_000),
    switch("sources.probes.enabled", Merge::Narrows),
    number("sources.requests.interval_ms", 100, 60_000),
    number("sources.requests.max_routes", 1, 10_000),
    ceiling("sources.requests.slug_after", 1, 10_000),
    list("sources.requests.routes", Kind::Texts),
    number("sources.requests.max_services", 1, 1_000),
    switch("sources.requests.clients.enabled", Merge::Narrows),
    number("sources.requests.clients.max_networks", 1, 1_000),
    ceiling("sources.requests.clients.ipv4_prefix", 1, 32),
    ceiling("sources.requests.clients.ipv6_prefix", 1, 128),
    switch("sources.requests.exemplars.enabled", Merge::Narrows),
    number("sources.requests.exemplars.per_bucket", 1, 20),
    number("sources.requests.exemplars.slow_ms", 1, 3_600_000),
    switch("sources.requests.exemplars.slow_adaptive", Merge::Replaces),
    switch("sources.requests.exemplars.client_errors", Merge::Replaces),
    switch("sources.requests.exemplars.keep_query", Merge::Narrows),
];

/// The key of this name.
#[must_use]
pub fn find(key: &str) -> Option<&'static Allowed> {
    ALLOWED.iter().find(|allowed| allowed.key == key)
}

/// The allowed key that is most like one that is not.
#[must_use]
pub fn nearest(key: &str) -> Option<&'static str> {
    let score = |allowed: &Allowed| strsim::jaro_winkler(key, allowed.key);
    let scored = ALLOWED.iter().map(|allowed| (score(allowed), allowed.key));
    scored
        .filter(|(score, _)| *score >= 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, key)| key)
}

/// Why a key cannot be set, as a sentence without the key.
#[must_use]
pub fn refusal(key: &str) -> String {
    match nearest(key) {
        Some(nearest) => {
            format!("is not among what a collector may set; did you mean `{nearest}`?")
        }
        None => "is not among what a collector may set; see `crmscope-collector settings keys`"
            .to_owned(),
    }
}

impl Allowed {
    /// Whether the value can be.
    ///
    /// # Errors
    /// Why not, as a sentence without the key.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        match self.kind {
            Kind::Number { min, max } => match value.as_u64() {
                Some(number) if (min..=max).contains(&number) => Ok(()),
                _ => Err(format!("is {}; it must be {min} to {max}", shown(value))),
            },
            Kind::Switch => match value {
                Value::Bool(_) => Ok(()),
                _ => Err(format!("is {}; it must be true or false", shown(value))),
            },
            Kind::Texts => {
                let list = elements(value)?;
                match list.iter().find(|element| !is_text(element)) {
                    None => Ok(()),
                    Some(element) => Err(format!(
                        "has {}; it must be a text of 1 to {TEXT_MAX_BYTES} bytes without control characters",
                        shown(element)
                    )),
                }
            }
            Kind::Processes => elements(value)?.iter().try_for_each(check_process),
        }
    }
}

fn elements(value: &Value) -> Result<&[Value], String> {
    let list = value
        .as_array()
        .ok_or_else(|| format!("is {}; it must be a list", shown(value)))?;
    match list.len() {
        0..=LIST_MAX => Ok(list),
        more => Err(format!("has {more} elements; {LIST_MAX} can be")),
    }
}

fn is_text(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    (1..=TEXT_MAX_BYTES).contains(&text.len()) && !text.contains(char::is_control)
}

fn check_process(group: &Value) -> Result<(), String> {
    let Some(group) = group.as_object() else {
        return Err(format!(
            "has {}; a group is a table with name, comm and executable",
            shown(group)
        ));
    };
    for (key, value) in group {
        match key.as_str() {
            "name" | "comm" | "executable" if is_text(value) => {}
            "name" | "comm" | "executable" => {
                return Err(format!(
                    "has a group whose {key} is {}; it must be a text of 1 to {TEXT_MAX_BYTES} bytes without control characters",
                    shown(value)
                ));
            }
            // With wildcards over arguments, one could guess what stands in them, letter by letter.
            "command_line" => {
                return Err(
                    "has a group with command_line, which only the host's own file may have: arguments hold secrets, and patterns would let them be guessed"
                        .to_owned(),
                );
            }
            other => {
                return Err(format!(
                    "has a group with `{}`; a group has name, comm and executable",
                    bounded(other)
                ));
            }
        }
    }
    match group.contains_key("name") && group.len() > 1 {
        true => Ok(()),
        false => Err("has a group without a name, or without comm and executable".to_owned()),
    }
}

/// A value in a message, cut.
fn shown(value: &Value) -> String {
    bounded(&value.to_string())
}

fn bounded(text: &str) -> String {
    let cut = crate::payload::truncate(text, 60);
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", cut.replace(char::is_control, "?"))
}
