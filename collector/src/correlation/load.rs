//! Rules out of files.
//!
//! Promises: a rule that cannot be is refused with its file and the reason, and the others are looked for. Of
//! a file that became unreadable, what was read before stays; where no directory can be read, all of it does.
//! Everything is bounded: files, their size, rules.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rsigma_parser::{CorrelationRule, SigmaRule, parse_sigma_yaml};
use sha2::{Digest as _, Sha256};

use super::compile::{Base, Bases, base, correlation, single};
use super::rule::Rule;

/// Most files.
const FILES_MAX: usize = 5_000;
/// Largest file, bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// Deepest folder in a directory.
const DEPTH_MAX: usize = 8;
/// Most rules that are looked for.
const RULES_MAX: usize = 2_000;

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct File {
    /// Its path.
    pub path: PathBuf,
    /// Its text, or why there is none.
    pub text: Result<String, String>,
}

/// A rule, or a file, that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Where.
    pub file: PathBuf,
    /// Which rule; empty for the file.
    pub rule: String,
    /// Why.
    pub reason: String,
}

/// A rule and where it stands.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Where.
    pub file: PathBuf,
    /// The rule.
    pub rule: Arc<Rule>,
}

/// What is looked for.
#[derive(Clone, Debug, Default)]
pub struct Set {
    /// The rules.
    pub rules: Vec<Loaded>,
    /// What cannot be.
    pub refused: Vec<Refused>,
    /// Rules of agents that others may refer to.
    pub bases: usize,
    /// A checksum of all texts.
    pub checksum: String,
}

/// Reads all files of these directories, in the order of their paths.
///
/// # Errors
/// Names the directory that cannot be read.
pub fn read(directories: &[PathBuf]) -> Result<Vec<File>, String> {
    let mut paths = BTreeSet::new();
    for directory in directories {
        let told = |error| format!("correlation.directories: {}: {error}", directory.display());
        walk(directory, 0, &mut paths).map_err(told)?;
    }
    if paths.len() > FILES_MAX {
        return Err(format!(
            "correlation.directories: there are {} files; up to {FILES_MAX} are read",
            paths.len()
        ));
    }
    let file = |path: PathBuf| File {
        text: text(&path),
        path,
    };
    Ok(paths.into_iter().map(file).collect())
}

fn walk(directory: &Path, depth: usize, paths: &mut BTreeSet<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let is_rule = path
            .extension()
            .is_some_and(|ext| ext == "yml" || ext == "yaml");
        if path.is_dir() {
            if depth < DEPTH_MAX {
                walk(&path, depth + 1, paths)?;
            }
        } else if is_rule && paths.len() <= FILES_MAX {
            paths.insert(path);
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<String, String> {
    let length = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    if length > FILE_MAX_BYTES {
        return Err(format!(
            "it has {length} bytes; up to {FILE_MAX_BYTES} are read"
        ));
    }
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// The checksum of files, by which a change is noticed.
#[must_use]
pub fn checksum(files: &[File]) -> String {
    let mut hash = Sha256::new();
    for file in files {
        let text = file.text.as_deref().unwrap_or_default();
        for part in [file.path.as_os_str().as_encoded_bytes(), text.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    let mut checksum = String::new();
    for byte in &hash.finalize()[..16] {
        let _ = write!(checksum, "{byte:02x}");
    }
    checksum
}

/// What the files say. Of files that cannot be read now, `before` stays.
#[must_use]
pub fn load(files: &[File], before: &Set) -> Set {
    let mut set = Set {
        checksum: checksum(files),
        ..Set::default()
    };
    let mut known = Bases::new();
    let mut singles: Vec<(&Path, SigmaRule, Base)> = Vec::new();
    let mut correlations: Vec<(&Path, CorrelationRule)> = Vec::new();
    let mut broken = BTreeSet::new();
    for File { path, text } in files {
        let parsed = text
            .clone()
            .and_then(|text| parse_sigma_yaml(&text).map_err(|error| error.to_string()));
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(reason) => {
                broken.insert(path.as_path());
                set.refuse(path, "", reason);
                continue;
            }
        };
        for reason in parsed.errors {
            broken.insert(path.as_path());
            set.refuse(path, "", reason);
        }
        for rule in parsed.rules {
            match base(&rule) {
                Ok(base) => singles.push((path, rule, base)),
                Err(reason) => set.refuse(path, &rule.title, reason),
            }
        }
        correlations.extend(
            parsed
                .correlations
                .into_iter()
                .map(|rule| (path.as_path(), rule)),
        );
    }
    singles.retain(|(path, rule, base)| {
        let names = [Some(&base.id), rule.name.as_ref()];
        let is_taken = |name: &&String| known.get(*name).is_some_and(|of| of.id != base.id);
        let twice =
            known.contains_key(&base.id) || names.iter().flatten().any(|&name| is_taken(&name));
        if twice {
            let reason = "another rule has the same id or name".to_owned();
            set.refuse(path, &rule.title, reason);
        } else {
            let names = names.into_iter().flatten().cloned();
            known.extend(names.map(|name| (name, base.clone())));
            set.bases += 1;
        }
        !twice
    });
    let mut used = BTreeSet::new();
    for (path, rule) in &correlations {
        match correlation(rule, &known) {
            Ok(made) => {
                if !rule.generate {
                    used.extend(made.bases.iter().cloned());
                }
                set.put(path, made);
            }
            Err(reason) => set.refuse(path, &rule.title, reason),
        }
    }
    // What another rule generates from is said by that one, unless both are to speak.
    let speaks: BTreeSet<String> = correlations
        .iter()
        .filter(|(_, rule)| rule.generate)
        .flat_map(|(_, rule)| rule.rules.iter().filter_map(|name| known.get(name)))
        .map(|base| base.id.clone())
        .collect();
    for (path, rule, base) in &singles {
        if used.contains(&base.id) && !speaks.contains(&base.id) {
            continue;
        }
        match single(rule, base) {
            Ok(Some(made)) => set.put(path, made),
            Ok(None) => {}
            Err(reason) => set.refuse(path, &rule.title, reason),
        }
    }
    for loaded in &before.rules {
        if broken.contains(loaded.file.as_path()) && !set.has(&loaded.rule.id) {
            set.rules.push(loaded.clone());
        }
    }
    set
}

impl Set {
    fn has(&self, rule_id: &str) -> bool {
        self.rules.iter().any(|loaded| loaded.rule.id == rule_id)
    }

    fn put(&mut self, file: &Path, rule: Rule) {
        let reason = if self.has(&rule.id) {
            format!("another rule has the same id {:?}", rule.id)
        } else if rule.id.starts_with(crate::baselines::PREFIX) {
            format!(
                "its id {:?} is one of learned baselines; give it another",
                rule.id
            )
        } else if self.rules.len() >= RULES_MAX {
            format!("there are {RULES_MAX} rules, and more are not looked for")
        } else {
            let (file, rule) = (file.to_owned(), Arc::new(rule));
            self.rules.push(Loaded { file, rule });
            return;
        };
        self.refuse(file, &rule.title, reason);
    }

    fn refuse(&mut self, file: &Path, rule: &str, reason: String) {
        let cut = |text: &str, most: usize| text.chars().take(most).collect();
        self.refused.push(Refused {
            file: file.to_owned(),
            rule: cut(rule, 200),
            reason: cut(&reason, 500),
        });
    }
}
