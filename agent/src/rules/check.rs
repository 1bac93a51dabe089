//! `crmscope-agent rules check`: what is wrong with rules, before an agent has them.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::logsource::Class;
use super::set::{RuleSet, Surroundings};
use super::sieve::Sieve;

/// What to print, and whether all rules are good.
#[derive(Debug)]
pub struct Outcome {
    /// For people.
    pub text: String,
    /// No rule was refused, and there was one.
    pub good: bool,
}

/// Reads the rules of directories as an agent does.
///
/// # Errors
/// When a directory cannot be read, or holds more than the bounds allow.
pub fn run(directories: &[PathBuf], surroundings: &Surroundings) -> Result<Outcome, String> {
    let missing = directories.iter().find(|path| !path.is_dir());
    let loaded = super::load(directories, surroundings)?;
    let mut text = String::new();
    for fault in &loaded.faults {
        let _ = writeln!(text, "{fault}");
    }
    if let Some(missing) = missing {
        let _ = writeln!(text, "{}: not a directory", missing.display());
    }
    let usable = loaded.set.as_ref().map_or(0, RuleSet::len);
    let _ = writeln!(
        text,
        "{} rules taken, {} refused, version {:016x}; {usable} of them are for events of this host:",
        loaded.rules, loaded.refused, loaded.version
    );
    if let Some(set) = &loaded.set {
        for class in Class::ALL {
            let _ = writeln!(text, "  {:<14}{}", class.name(), set.len_of(class));
        }
        let costly = set.sieve().map_or(0, Sieve::rules_of_every_line);
        if costly > 0 {
            let _ = writeln!(
                text,
                "{costly} of the webserver rules hold no text or status that every match has, so every line of access logs has to be looked at: that costs"
            );
        }
    }
    Ok(Outcome {
        text,
        good: loaded.refused == 0 && loaded.rules > 0,
    })
}
