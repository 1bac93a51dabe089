//! From files to a set of rules, with what was refused and why.

use crmscope_rules::check::Count;
use crmscope_rules::version::Versioning;
use crmscope_rules::{Checked, DeliveredFile, Layer, Reading, RuleFile, files, pack};

use super::set::{RuleSet, Surroundings};

pub use crmscope_rules::Fault;

/// What files gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What is kept of them; `None` when no rule can match here.
    pub set: Option<RuleSet>,
    /// A number of the names and contents of the host's files; 0 without files.
    pub version: u64,
    /// Rules that were taken, one for each id.
    pub rules: usize,
    /// Of these, such as a collector delivered.
    pub delivered_rules: usize,
    /// Rules, filters and files that were refused.
    pub refused: usize,
    /// What became of the host's own.
    pub own: Count,
    /// What became of delivered ones.
    pub delivered: Count,
    /// The first refusals.
    pub faults: Vec<Fault>,
}

/// Reads files and makes a set of them and of those that a collector delivered. The host's come first, so
/// that none of them is refused for want of room.
pub(super) fn load(
    files: &[RuleFile],
    delivered: &[DeliveredFile],
    surroundings: &Surroundings,
) -> Loaded {
    let mut reading = Reading::default();
    let mut version = Versioning::default();
    for file in files {
        let layer = Layer::Own(file.directory);
        match files::read(&file.path) {
            Ok(bytes) => {
                version.file(file.name.as_os_str().as_encoded_bytes(), &bytes);
                reading.file(layer, &file.path, &file.name, &bytes);
            }
            Err(reason) => {
                // It is there, and counts as a file.
                version.file(file.name.as_os_str().as_encoded_bytes(), &[]);
                reading.refuse(layer, &file.path, 0, reason);
            }
        }
    }
    pack::check(&mut reading, delivered);
    build(reading.finish(), version.number(), surroundings)
}

/// The same of one file that is in memory.
#[cfg(any(feature = "fuzzing", test))]
pub(super) fn load_bytes(
    path: std::path::PathBuf,
    bytes: &[u8],
    surroundings: &Surroundings,
) -> Loaded {
    let mut reading = Reading::default();
    reading.file(Layer::Own(0), &path, &path, bytes);
    build(reading.finish(), 0, surroundings)
}

fn build(checked: Checked, version: u64, surroundings: &Surroundings) -> Loaded {
    let candidates = &checked.candidates;
    Loaded {
        version,
        rules: candidates.len(),
        delivered_rules: candidates
            .iter()
            .filter(|of| of.layer.is_delivered())
            .count(),
        refused: checked.own.refused + checked.delivered.refused,
        own: checked.own,
        delivered: checked.delivered,
        faults: checked.faults,
        set: RuleSet::build(checked.candidates, &checked.filters, surroundings),
    }
}
