//! The files of sets.
//!
//! Reads directories; what is read is a set as a whole, or the reason why it cannot be. Unlike on an agent,
//! a directory that is not there is an error: a mount that is missing must not take rules from agents.

use std::path::PathBuf;

use crmscope_rules::{DeliveredFile, Packed, RuleFile};
use crmscope_rules::{Fault, files, pack};

use super::config::SetConfig;
use crate::delivery::offers::Deliverable;
use crate::delivery::record::{Table, Wanted};

/// Most refusals in the log at a time; `rules check` has all.
const LOGGED_MAX: usize = 10;

/// What an agent is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Names of the sets.
    pub sets: Vec<String>,
    /// Their files.
    pub packed: Packed,
    /// Rules and filters that are good.
    pub rules: usize,
    /// Those that agents will refuse.
    pub refused: usize,
}

/// A set as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    /// Its name and the hosts it is for.
    pub config: SetConfig,
    /// Name and content of each file; the name begins with that of the set.
    pub files: Vec<(String, Vec<u8>)>,
    /// Rules and filters that are good.
    pub taken: usize,
    /// Those that agents will refuse.
    pub refused: usize,
    /// The first of these.
    pub faults: Vec<Fault>,
    /// Of the files as they were listed.
    fingerprint: u64,
}

impl Set {
    /// Files as they were read.
    ///
    /// # Errors
    /// When they are more than the bounds allow.
    pub(super) fn of(
        config: &SetConfig,
        files: Vec<(String, Vec<u8>)>,
        fingerprint: u64,
    ) -> Result<Self, String> {
        let delivered = delivered(0, &files);
        // Also tells a name or a size that no agent takes.
        Packed::of(&delivered)
            .map_err(|error| format!("{}: {error}", config.directory.display()))?;
        let checked = pack::checked(&delivered);
        Ok(Self {
            config: config.clone(),
            taken: checked.delivered.taken,
            refused: checked.delivered.refused,
            faults: checked.faults,
            files,
            fingerprint,
        })
    }
}

impl Deliverable for Set {
    const WHAT: &'static str = "rules";
    const TABLE: Table = Table::Rules;

    type Config = SetConfig;
    type Offer = Offer;

    fn read(config: &SetConfig, before: Option<&Self>) -> Result<Option<Self>, String> {
        let directory = &config.directory;
        if !directory.is_dir() {
            return Err(format!(
                "{}: there is no such directory",
                directory.display()
            ));
        }
        let listed = files::list(std::slice::from_ref(directory))?;
        let fingerprint = files::fingerprint(&listed);
        if before.is_some_and(|before| before.fingerprint == fingerprint) {
            return Ok(None);
        }
        let files = listed
            .iter()
            .map(|file| content(config, file))
            .collect::<Result<Vec<_>, _>>()?;
        Self::of(config, files, fingerprint).map(Some)
    }

    fn config(&self) -> &SetConfig {
        &self.config
    }

    fn tell(&self) {
        tracing::info!(
            set = self.config.name,
            files = self.files.len(),
            rules = self.taken,
            refused = self.refused,
            "rules for agents read"
        );
        for fault in self.faults.iter().take(LOGGED_MAX) {
            tracing::warn!(rule = %fault, "agents will refuse a rule");
        }
    }

    fn wanted<'a>(agent_id: &'a str, offer: &'a Offer) -> Wanted<'a> {
        Wanted {
            agent_id,
            version: offer.packed.version,
            sets: &offer.sets,
            rules: [offer.rules, offer.refused],
        }
    }

    fn together(sets: &[&Self]) -> Result<Offer, String> {
        let names: Vec<String> = sets.iter().map(|set| set.config.name.clone()).collect();
        let files: Vec<_> = sets
            .iter()
            .enumerate()
            .flat_map(|(place, set)| delivered(place, &set.files))
            .collect();
        let packed = Packed::of(&files)
            .map_err(|error| format!("the sets {} together: {error}", names.join(", ")))?;
        let checked = pack::checked(&files);
        Ok(Offer {
            sets: names,
            packed,
            rules: checked.candidates.len() + checked.filters.len(),
            refused: checked.delivered.refused,
        })
    }
}

fn content(config: &SetConfig, file: &RuleFile) -> Result<(String, Vec<u8>), String> {
    let name = PathBuf::from(&config.name).join(&file.name);
    let text =
        files::read(&file.path).map_err(|reason| format!("{}: {reason}", file.path.display()))?;
    Ok((name.to_string_lossy().into_owned(), text))
}

/// Files as agents are given them.
fn delivered(set: usize, files: &[(String, Vec<u8>)]) -> Vec<DeliveredFile> {
    let file = |(name, text): &(String, Vec<u8>)| DeliveredFile {
        set,
        name: name.clone(),
        text: text.clone(),
    };
    files.iter().map(file).collect()
}
