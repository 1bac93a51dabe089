//! From files to rules that can be asked, with what was refused and why.
//!
//! Pure: whoever calls reads the files. A later layer goes before an earlier one: a rule of it takes the
//! place of one with the same id, whichever is read first.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crmscope_proto::limits::RULE_ID_MAX_BYTES;
use rsigma_eval::{CompiledRule, Engine, compile_rule};
use rsigma_parser::{FilterRule, SigmaRule};

use crate::document;
use crate::expression;
use crate::limits::{ALL_EXPRESSIONS_MAX_BYTES, FAULTS_MAX, FILTERS_MAX, RULES_MAX};

/// Where files come from. Those of the host go before those of a collector, and of either the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// A set that a collector delivered, by its place among the sets.
    Delivered(usize),
    /// A directory of the host, by its place in the configuration.
    Own(usize),
}

impl Layer {
    /// Whether a collector delivered it.
    #[must_use]
    pub const fn is_delivered(self) -> bool {
        matches!(self, Self::Delivered(_))
    }
}

/// What was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// A collector delivered it; then the path begins with the name of the set.
    pub delivered: bool,
    /// The file.
    pub path: PathBuf,
    /// The line, from 1; 0 where it is about the whole file.
    pub line: usize,
    /// Why.
    pub reason: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.delivered {
            formatter.write_str("delivered ")?;
        }
        // Names of files are anybody's.
        let path = self.path.to_string_lossy();
        let path = path.replace(char::is_control, "?");
        match self.line {
            0 => write!(formatter, "{path}: {}", self.reason),
            line => write!(formatter, "{path}:{line}: {}", self.reason),
        }
    }
}

/// A rule that was read and checked.
#[derive(Debug)]
pub struct Candidate {
    /// What events name it by.
    pub id: String,
    /// Where it stands.
    pub layer: Layer,
    /// As it was written.
    pub parsed: SigmaRule,
    /// As it is asked.
    pub compiled: CompiledRule,
}

/// How much was taken and refused of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Rules and filters that are good, those in whose place another one stands included.
    pub taken: usize,
    /// Rules, filters and files that were refused.
    pub refused: usize,
}

impl Count {
    /// Whether something is there and nothing of it can be taken.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.taken == 0 && self.refused > 0
    }
}

/// What files gave.
#[derive(Debug, Default)]
pub struct Checked {
    /// The rules, one for each id.
    pub candidates: Vec<Candidate>,
    /// The filters.
    pub filters: Vec<FilterRule>,
    /// Of the host's own files.
    pub own: Count,
    /// Of delivered ones.
    pub delivered: Count,
    /// The first refusals.
    pub faults: Vec<Fault>,
}

/// Files that are being read; see the module.
#[derive(Default)]
pub struct Reading {
    checked: Checked,
    /// Where in the candidates a rule of an id stands.
    positions: HashMap<String, usize>,
    expressions_bytes: usize,
}

impl Reading {
    /// Takes a file in: where it stands, its path as it is told, its name below the directory, its content.
    pub fn file(&mut self, layer: Layer, path: &Path, name: &Path, bytes: &[u8]) {
        let documents = document::read(bytes);
        for (line, reason) in documents.faults {
            self.refuse(layer, path, line, reason);
        }
        let text = String::from_utf8_lossy(bytes);
        let below = |line: usize| {
            text.split_inclusive('\n')
                .skip(line - 1)
                .collect::<String>()
        };
        for (line, rule) in documents.rules {
            match self.rule(layer, name, rule) {
                Ok(()) => self.count(layer).taken += 1,
                Err(reason) => {
                    let line = line + document::line_of(&below(line), &reason);
                    self.refuse(layer, path, line, document::one_line(&reason));
                }
            }
        }
        for (line, filter) in documents.filters {
            match self.filter(filter) {
                Ok(()) => self.count(layer).taken += 1,
                Err(reason) => {
                    let line = line + document::line_of(&below(line), &reason);
                    self.refuse(layer, path, line, document::one_line(&reason));
                }
            }
        }
    }

    /// Notes what cannot be taken.
    pub fn refuse(&mut self, layer: Layer, path: &Path, line: usize, reason: String) {
        self.count(layer).refused += 1;
        if self.checked.faults.len() < FAULTS_MAX {
            self.checked.faults.push(Fault {
                delivered: layer.is_delivered(),
                path: path.to_owned(),
                line,
                reason,
            });
        }
    }

    /// What it came to.
    #[must_use]
    pub fn finish(self) -> Checked {
        self.checked
    }

    const fn count(&mut self, layer: Layer) -> &mut Count {
        match layer {
            Layer::Own(_) => &mut self.checked.own,
            Layer::Delivered(_) => &mut self.checked.delivered,
        }
    }

    fn rule(&mut self, layer: Layer, name: &Path, parsed: SigmaRule) -> Result<(), String> {
        let id = id_of(&parsed, name)?;
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
            layer,
            parsed,
            compiled,
        };
        let all = &mut self.checked.candidates;
        match self.positions.get(&id) {
            Some(&position) if all[position].layer < layer => all[position] = candidate,
            // It is good, and another one goes before it.
            Some(&position) if all[position].layer > layer => {}
            Some(_) => return Err(format!("another rule has the id '{id}'")),
            None if all.len() >= RULES_MAX => {
                return Err(format!("more than {RULES_MAX} rules"));
            }
            None => {
                self.positions.insert(id, all.len());
                all.push(candidate);
            }
        }
        Ok(())
    }

    fn filter(&mut self, filter: FilterRule) -> Result<(), String> {
        if self.checked.filters.len() >= FILTERS_MAX {
            return Err(format!("more than {FILTERS_MAX} filters"));
        }
        Engine::new()
            .apply_filter(&filter)
            .map_err(|error| error.to_string())?;
        self.checked.filters.push(filter);
        Ok(())
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
