//! What the configuration says of sets, of whatever kind they are.

use std::path::{Path, PathBuf};

/// Longest name of a set, bytes.
const NAME_MAX_BYTES: usize = 64;

/// A set as the configuration has it.
pub trait SetConfig: Clone + Send + 'static {
    /// Section of the configuration that lists the sets.
    const SECTION: &'static str;
    /// Most sets.
    const SETS_MAX: usize;
    /// A name that means something else.
    const TAKEN_NAME: Option<&'static str>;
    /// What is at its path, and such a path.
    const PLACE: (&'static str, &'static str);

    /// What it is called in tables and messages.
    fn name(&self) -> &str;

    /// Where it is read from.
    fn path(&self) -> &Path;

    /// Roles of hosts that have it; empty: all.
    fn roles(&self) -> &[String];

    /// Groups of hosts that have it; empty: all.
    fn groups(&self) -> &[String];
}

/// A list of sets that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SetsError {
    /// A number.
    #[error("{section}.check_interval_ms is {interval_ms}; it must be 200 to 3600000")]
    Interval {
        /// Section of the configuration.
        section: &'static str,
        /// As it was given.
        interval_ms: u64,
    },
    /// Too many.
    #[error("{section}.sets has {sets} sets; up to {max} can be")]
    Many {
        /// Section of the configuration.
        section: &'static str,
        /// How many there are.
        sets: usize,
        /// How many can be.
        max: usize,
    },
    /// Its name.
    #[error(
        "{section}.sets: a set has the name {name:?}; a name has 1 to {NAME_MAX_BYTES} letters, digits, `.`, `_` and `-`, begins with a letter or digit, stands once{}",
        taken.map_or_else(String::new, |taken| format!(", and is not {taken}"))
    )]
    Name {
        /// Section of the configuration.
        section: &'static str,
        /// As it was given.
        name: String,
        /// A name that no set may have.
        taken: Option<&'static str>,
    },
    /// Where it is.
    #[error(
        "{section}.sets: {set}: the {what} {path:?} is no absolute path; write one such as {example}"
    )]
    Place {
        /// Section of the configuration.
        section: &'static str,
        /// The set.
        set: String,
        /// What should be there.
        what: &'static str,
        /// As it was given.
        path: PathBuf,
        /// One that could be.
        example: &'static str,
    },
    /// Its roles or groups.
    #[error(
        "{section}.sets: {set}: an empty role or group is that of no host; leave the list out for all hosts"
    )]
    Label {
        /// Section of the configuration.
        section: &'static str,
        /// The set.
        set: String,
    },
}

/// Checks a section's sets, and the time between looks at them, ms.
///
/// # Errors
/// Names what cannot be, and what it may be.
pub(super) fn validate<S: SetConfig>(interval_ms: u64, sets: &[S]) -> Result<(), SetsError> {
    let section = S::SECTION;
    if !(200..=3_600_000).contains(&interval_ms) {
        return Err(SetsError::Interval {
            section,
            interval_ms,
        });
    }
    if sets.len() > S::SETS_MAX {
        return Err(SetsError::Many {
            section,
            sets: sets.len(),
            max: S::SETS_MAX,
        });
    }
    for (position, set) in sets.iter().enumerate() {
        let name = set.name();
        let is_twice = sets[..position].iter().any(|other| other.name() == name);
        if !is_name(name) || is_twice || S::TAKEN_NAME == Some(name) {
            return Err(SetsError::Name {
                section,
                name: name.to_owned(),
                taken: S::TAKEN_NAME,
            });
        }
        if !set.path().is_absolute() {
            let (what, example) = S::PLACE;
            return Err(SetsError::Place {
                section,
                set: name.to_owned(),
                what,
                path: set.path().to_owned(),
                example,
            });
        }
        if set.roles().iter().chain(set.groups()).any(String::is_empty) {
            return Err(SetsError::Label {
                section,
                set: name.to_owned(),
            });
        }
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let first = name.as_bytes().first();
    first.is_some_and(u8::is_ascii_alphanumeric)
        && name.len() <= NAME_MAX_BYTES
        && name.bytes().all(letters)
}
