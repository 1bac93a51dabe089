//! The files of sets, and what agents are given of them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crmscope_proto::overlay::{Overlay, file, version_of};
use crmscope_proto::v1;

use super::config::{Config, OWN_SET, SetConfig};
use crate::delivery::offers::Deliverable;
use crate::delivery::record::{Table, Wanted};

/// Largest file, bytes.
const FILE_MAX_BYTES: u64 = 256 * 1024;

/// A set as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Its name and the hosts it is for.
    pub config: SetConfig,
    /// What it says.
    pub overlay: Overlay,
    /// What agents that know of three intervals only show as the version; 0: a hash.
    shown_version: u64,
    /// As it was read.
    text: String,
}

/// What an agent is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Names of the sets.
    pub sets: Vec<String>,
    /// Of all together.
    pub overlay: Overlay,
    /// The same as agents are sent it.
    pub message: v1::Settings,
    /// What agents are sent that know of three intervals only.
    pub intervals: v1::Config,
}

impl Set {
    /// The intervals of the section itself, where there are any.
    pub(super) fn of_section(config: &Config) -> Option<Self> {
        let overlay = config.own().ok().filter(|overlay| !overlay.is_empty())?;
        Some(Self {
            config: SetConfig {
                name: OWN_SET.to_owned(),
                ..SetConfig::default()
            },
            overlay,
            shown_version: config.version,
            text: String::new(),
        })
    }

    /// Of a file's text.
    ///
    /// # Errors
    /// Every mistake, a line each, with file and line.
    pub(super) fn of(config: &SetConfig, text: String) -> Result<Self, String> {
        let overlay = file::parse(&text).map_err(|faults| {
            let path = config.file.display();
            let faults = faults.iter().map(|fault| format!("{path}:{fault}"));
            faults.collect::<Vec<_>>().join("\n")
        })?;
        Ok(Self {
            config: config.clone(),
            overlay,
            shown_version: 0,
            text,
        })
    }
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 {
        0..=FILE_MAX_BYTES => Ok(text),
        _ => Err(std::io::Error::other(format!(
            "it has more than {FILE_MAX_BYTES} bytes"
        ))),
    }
}

impl Deliverable for Set {
    const WHAT: &'static str = "settings";
    const TABLE: Table = Table::Settings;

    type Config = SetConfig;
    type Offer = Offer;

    fn read(config: &SetConfig, before: Option<&Self>) -> Result<Option<Self>, String> {
        let text =
            text_of(&config.file).map_err(|error| format!("{}: {error}", config.file.display()))?;
        if before.is_some_and(|before| before.text == text) {
            return Ok(None);
        }
        Self::of(config, text).map(Some)
    }

    fn config(&self) -> &SetConfig {
        &self.config
    }

    fn tell(&self) {
        let keys = self.overlay.values().count();
        tracing::info!(set = self.config.name, keys, "settings for agents read");
    }

    fn wanted<'a>(agent_id: &'a str, offer: &'a Offer) -> Wanted<'a> {
        Wanted {
            agent_id,
            version: offer.message.version,
            sets: &offer.sets,
            rules: [0; 2],
        }
    }

    fn together(sets: &[&Self]) -> Result<Offer, String> {
        let names: Vec<String> = sets.iter().map(|set| set.config.name.clone()).collect();
        let mut overlay = Overlay::default();
        for set in sets {
            overlay.lay(&set.overlay);
        }
        let encoded = overlay
            .encode()
            .map_err(|error| format!("the sets {} together: {error}", names.join(", ")))?;
        let version = version_of(&encoded);
        let shown = sets.iter().map(|set| set.shown_version).max();
        let number = |key: &str| {
            let number = overlay.get(key).and_then(serde_json::Value::as_u64);
            u32::try_from(number.unwrap_or(0)).unwrap_or(0)
        };
        let intervals = v1::Config {
            version: shown.filter(|&shown| shown != 0).unwrap_or(version),
            collect_interval_ms: number("sources.host.interval_ms"),
            batch_interval_ms: number("intervals.batch_ms"),
            heartbeat_interval_ms: number("intervals.heartbeat_ms"),
        };
        Ok(Offer {
            sets: names,
            overlay,
            message: v1::Settings {
                version,
                overlay: encoded,
            },
            intervals,
        })
    }
}
