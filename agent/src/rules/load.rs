//! From files to a set of rules, with what was refused and why.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crmscope_proto::limits::RULE_ID_MAX_BYTES;
use rsigma_eval::{Engine, compile_rule};
use rsigma_parser::{FilterRule, SigmaRule};
use sha2::{Digest, Sha256};

use super::document;
use super::expression;
use super::files::{self, RuleFile};
use super::limits::{ALL_EXPRESSIONS_MAX_BYTES, FAULTS_MAX, FILTERS_MAX, RULES_MAX};
use super::set::{Candidate, RuleSet, Surroundings};

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; 0 where it is about the whole file.
    pub line: usize,
    /// Why.
    pub reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.display();
        match self.line {
            0 => write!(formatter, "{path}: {}", self.reason),
            line => write!(formatter, "{path}:{line}: {}", self.reason),
        }
    }
}

/// What files gave.
#[derive(Debug, Default)]
pub struct Loaded {
    /// What is kept of them; `None` when no rule can match here.
    pub set: Option<RuleSet>,
    /// A number of the files' names and contents; 0 without files.
    pub version: u64,
    /// Rules that were taken.
    pub rules: usize,
    /// Rules, filters and files that were refused.
    pub refused: usize,
    /// The first of these.
    pub faults: Vec<Fault>,
}

/// Where a rule of an id was found.
struct Place {
    directory: usize,
    position: usize,
}

#[derive(Default)]
struct Loading {
    candidates: Vec<Candidate>,
    filters: Vec<FilterRule>,
    places: HashMap<String, Place>,
    expressions_bytes: usize,
    refused: usize,
    faults: Vec<Fault>,
}

/// Reads files and makes a set of them.
pub(super) fn load(files: &[RuleFile], surroundings: &Surroundings) -> Loaded {
    let mut loading = Loading::default();
    let mut version = Sha256::new();
    for file in files {
        let bytes = match files::read(&file.path) {
            Ok(bytes) => bytes,
            Err(reason) => {
                loading.refuse(&file.path, 0, reason);
                continue;
            }
        };
        for part in [file.name.as_os_str().as_encoded_bytes(), bytes.as_slice()] {
            version.update((part.len() as u64).to_le_bytes());
            version.update(part);
        }
        loading.file(file, &bytes);
    }
    let rules = loading.candidates.len();
    Loaded {
        set: RuleSet::build(loading.candidates, &loading.filters, surroundings),
        version: if files.is_empty() {
            0
        } else {
            files::number(version)
        },
        rules,
        refused: loading.refused,
        faults: loading.faults,
    }
}

/// The same of one file that is in memory.
#[cfg(any(fuzzing, test))]
pub(super) fn load_bytes(path: PathBuf, bytes: &[u8], surroundings: &Surroundings) -> Loaded {
    let mut loading = Loading::default();
    loading.file(&RuleFile::named(path), bytes);
    Loaded {
        rules: loading.candidates.len(),
        set: RuleSet::build(loading.candidates, &loading.filters, surroundings),
        version: 0,
        refused: loading.refused,
        faults: loading.faults,
    }
}

impl Loading {
    fn file(&mut self, file: &RuleFile, bytes: &[u8]) {
        let documents = document::read(bytes);
        for (line, reason) in documents.faults {
            self.refuse(&file.path, line, reason);
        }
        let text = String::from_utf8_lossy(bytes);
        let below = |line: usize| {
            text.split_inclusive('\n')
                .skip(line - 1)
                .collect::<String>()
        };
        for (line, rule) in documents.rules {
            if let Err(reason) = self.rule(file, rule) {
                let line = line + document::line_of(&below(line), &reason);
                self.refuse(&file.path, line, document::one_line(&reason));
            }
        }
        for (line, filter) in documents.filters {
            if let Err(reason) = self.filter(filter) {
                let line = line + document::line_of(&below(line), &reason);
                self.refuse(&file.path, line, document::one_line(&reason));
            }
        }
    }

    fn rule(&mut self, file: &RuleFile, parsed: SigmaRule) -> Result<(), String> {
        let id = id_of(&parsed, &file.name)?;
        let size = expression::size(&parsed.detection);
        if self.expressions_bytes + size > ALL_EXPRESSIONS_MAX_BYTES {
            return Err(format!(
                "expressions of all rules take more than {ALL_EXPRESSIONS_MAX_BYTES} bytes"
            ));
        }
        self.expressions_bytes += size;
        let compiled = compile_rule(&parsed).map_err(|error| error.to_string())?;
        let candidate = Candidate {
            id: id.clone(),
            parsed,
            compiled,
        };
        match self.places.get_mut(&id) {
            Some(place) if place.directory < file.directory => {
                place.directory = file.directory;
                self.candidates[place.position] = candidate;
            }
            Some(_) => return Err(format!("another rule has the id '{id}'")),
            None if self.candidates.len() >= RULES_MAX => {
                return Err(format!("more than {RULES_MAX} rules"));
            }
            None => {
                let place = Place {
                    directory: file.directory,
                    position: self.candidates.len(),
                };
                self.places.insert(id, place);
                self.candidates.push(candidate);
            }
        }
        Ok(())
    }

    fn filter(&mut self, filter: FilterRule) -> Result<(), String> {
        if self.filters.len() >= FILTERS_MAX {
            return Err(format!("more than {FILTERS_MAX} filters"));
        }
        Engine::new()
            .apply_filter(&filter)
            .map_err(|error| error.to_string())?;
        self.filters.push(filter);
        Ok(())
    }

    fn refuse(&mut self, path: &Path, line: usize, reason: String) {
        self.refused += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault {
                path: path.to_owned(),
                line,
                reason,
            });
        }
    }
}

/// What events name a rule by.
fn id_of(rule: &SigmaRule, file: &Path) -> Result<String, String> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let file = || {
        file.file_stem()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let id = given(&rule.id)
        .or_else(|| given(&rule.name))
        .or_else(file)
        .unwrap_or_default();
    if id.is_empty() || id.len() > RULE_ID_MAX_BYTES || id.contains(char::is_control) {
        return Err(format!(
            "an id has 1 to {RULE_ID_MAX_BYTES} bytes without control characters, this one {} bytes",
            id.len()
        ));
    }
    Ok(id)
}
