//! Zones of times that carry none, and of the clocks that people look at.
//!
//! Reads a zone once, of a file of at most [`FILE_MAX_BYTES`]; everything else is pure.

use std::fs::File;
use std::io::{Error, ErrorKind, Read as _};

use super::calendar::zone_ms;

/// Largest file of a zone. Those of all zones there are have some KiB.
const FILE_MAX_BYTES: u64 = 256 * 1024;

/// First bytes of such a file.
const MAGIC: &[u8] = b"TZif";

/// Where zones are looked for, and how they are read.
const ZONES: tz::TimeZoneSettings<'static> =
    tz::TimeZoneSettings::new(tz::TimeZoneSettings::DEFAULT_DIRECTORIES, read);

/// A zone.
#[derive(Debug)]
pub(crate) enum Zone {
    /// This far east of UTC, ms.
    Fixed(i64),
    /// The host's, or one that was named.
    Rules(tz::TimeZone),
}

impl Default for Zone {
    fn default() -> Self {
        Self::Fixed(0)
    }
}

impl Zone {
    /// From a checked config value. A host without a readable zone is at UTC.
    pub(crate) fn of(text: &str) -> Self {
        match zone_ms(text.as_bytes()) {
            Some(offset) => Self::Fixed(offset),
            None => ZONES.parse_local().map_or(Self::Fixed(0), Self::Rules),
        }
    }

    /// From `local`, an offset, a name such as `Europe/Berlin` or its rules as POSIX writes them;
    /// `None` when it is none of these.
    pub(crate) fn named(text: &str) -> Option<Self> {
        if text == "local" || zone_ms(text.as_bytes()).is_some() {
            return Some(Self::of(text));
        }
        // A name is looked for below the directories of zones and nowhere else.
        let leaves = text.starts_with(['/', ':']) || text.contains("..") || text == "localtime";
        if leaves {
            return None;
        }
        ZONES.parse_posix_tz(text).ok().map(Self::Rules)
    }

    /// Unix time of a civil time given as if it were UTC.
    pub(crate) fn unix_ms(&self, civil_ms: i64) -> i64 {
        // The offset is needed to know the moment whose offset it is: twice is enough but
        // for the hour that a change of clocks repeats, where either is right.
        let guess = civil_ms - self.offset_ms(civil_ms);
        civil_ms - self.offset_ms(guess)
    }

    /// Civil time at a moment, as if it were UTC.
    pub(crate) fn civil_ms(&self, unix_ms: i64) -> i64 {
        unix_ms.saturating_add(self.offset_ms(unix_ms))
    }

    fn offset_ms(&self, unix_ms: i64) -> i64 {
        match self {
            Self::Fixed(offset) => *offset,
            Self::Rules(zone) => zone
                .find_local_time_type(unix_ms.div_euclid(1000))
                .map_or(0, |found| i64::from(found.ut_offset()) * 1000),
        }
    }
}

/// A file of a zone: not one that has no end, nor one that is something else.
fn read(path: &str) -> Result<Vec<u8>, Box<dyn std::error::Error + Send + Sync>> {
    let no_zone = || {
        Error::new(
            ErrorKind::InvalidData,
            format!("{path} is no file of a zone"),
        )
    };
    // Before it is opened: a pipe would be waited for.
    if !std::fs::metadata(path)?.is_file() {
        return Err(no_zone().into());
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX_BYTES || !bytes.starts_with(MAGIC) {
        return Err(no_zone().into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_or_is_no_zone_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.display().to_string()
        };
        let zone = [MAGIC, &[b'2'; 40]].concat();
        assert_eq!(read(&at("zone", &zone)).unwrap(), zone);
        let large = [MAGIC, &vec![0; 300_000]].concat();
        let folder_path = folder.path().display().to_string();
        for path in [
            "/dev/zero",
            &at("large", &large),
            &at("other", b"root:x:0:0"),
            &folder_path,
        ] {
            assert!(read(path).is_err(), "{path}");
        }
        for text in ["/dev/zero", ":/dev/zero", "../../../dev/zero", "localtime"] {
            assert!(Zone::named(text).is_none(), "{text}");
        }
        assert!(Zone::named("CET-1CEST,M3.5.0,M10.5.0/3").is_some());
    }
}
