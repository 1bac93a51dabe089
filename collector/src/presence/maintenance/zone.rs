//! Time zones out of the system's database.
//!
//! Promises: a name never leads out of the database; `UTC` needs none. Leaves the arithmetic to `tz`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use tz::TimeZone;

use super::window::Window;

/// Where systems have their database.
const DIRECTORIES: [&str; 4] = [
    "/usr/share/zoneinfo",
    "/usr/lib/zoneinfo",
    "/usr/share/lib/zoneinfo",
    "/etc/zoneinfo",
];
/// Longest name, bytes; the longest there is has 32.
const NAME_MAX_BYTES: usize = 64;
/// Largest file of a zone, bytes; they have some 4 KB.
const FILE_MAX_BYTES: u64 = 262_144;

/// A zone that cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ZoneError {
    /// No name of a zone.
    #[error("{0:?} is no name of a time zone; write one such as Europe/Berlin, or UTC")]
    Name(String),
    /// It is not in the database, or there is none.
    #[error(
        "time zone {0:?} is not in {path}; check its name, or install the system's tzdata",
        path = DIRECTORIES[0]
    )]
    Unknown(String),
    /// Its file cannot be used.
    #[error("time zone {name:?}: {path:?}: {error}; install the system's tzdata anew")]
    File {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
}

/// Zones by name.
#[derive(Clone, Debug, Default)]
pub struct Zones(BTreeMap<String, TimeZone>);

impl Zones {
    /// Loads those that windows need and that are not loaded, and says which cannot be.
    pub fn load<'a>(&mut self, windows: impl IntoIterator<Item = &'a Window>) -> Vec<ZoneError> {
        let mut failures = Vec::new();
        for window in windows {
            if let Err(error) = self.zone(&window.zone)
                && !failures.contains(&error)
            {
                failures.push(error);
            }
        }
        failures
    }

    /// The zone of this name; loads it where it is not.
    ///
    /// # Errors
    /// When there is no such zone, or it cannot be read.
    pub fn zone(&mut self, name: &str) -> Result<&TimeZone, ZoneError> {
        if !self.0.contains_key(name) {
            self.0.insert(name.to_owned(), load(name)?);
        }
        self.get(name)
            .ok_or_else(|| ZoneError::Unknown(name.to_owned()))
    }

    /// The zone of this name, where it was loaded.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&TimeZone> {
        self.0.get(name)
    }
}

fn load(name: &str) -> Result<TimeZone, ZoneError> {
    if name == "UTC" {
        return Ok(TimeZone::utc());
    }
    if !is_name(name) {
        return Err(ZoneError::Name(name.to_owned()));
    }
    for directory in DIRECTORIES {
        let path = Path::new(directory).join(name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(wrong(name, path, &error.to_string())),
        };
        // A part of a name, such as `Europe`, is a directory.
        if file.metadata().is_ok_and(|of| of.is_dir()) {
            continue;
        }
        let mut bytes = Vec::new();
        if let Err(error) = file.take(FILE_MAX_BYTES).read_to_end(&mut bytes) {
            return Err(wrong(name, path, &error.to_string()));
        }
        let zone = TimeZone::from_tz_data(&bytes)
            .map_err(|error| wrong(name, path.clone(), &error.to_string()))?;
        let is_endless = zone.as_ref().extra_rule().is_some();
        if !is_endless && !zone.as_ref().transitions().is_empty() {
            return Err(wrong(name, path, "it has no rule for the years to come"));
        }
        return Ok(zone);
    }
    Err(ZoneError::Unknown(name.to_owned()))
}

fn wrong(name: &str, path: PathBuf, error: &str) -> ZoneError {
    ZoneError::File {
        name: name.to_owned(),
        path,
        error: error.to_owned(),
    }
}

/// Parts of letters, digits, `_`, `-` and `+`, with `/` in between: no `.`, so none leads upwards.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let is_of = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+');
        !part.is_empty() && part.bytes().all(is_of)
    };
    name.len() <= NAME_MAX_BYTES && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_needs_no_database_and_no_name_leads_out_of_it() {
        assert!(load("UTC").is_ok());
        for name in [
            "",
            "/etc/passwd",
            "../../../etc/passwd",
            "Europe/../UTC",
            "a b",
            "a\0",
            "a/",
            &"a".repeat(65),
        ] {
            assert_eq!(load(name), Err(ZoneError::Name(name.to_owned())), "{name}");
        }
        let unknown = load("Europe/Atlantis").unwrap_err();
        assert_eq!(unknown, ZoneError::Unknown("Europe/Atlantis".to_owned()));
        assert!(unknown.to_string().ends_with("install the system's tzdata"));
        assert!(matches!(load("Europe"), Err(ZoneError::Unknown(_))));
    }
}
