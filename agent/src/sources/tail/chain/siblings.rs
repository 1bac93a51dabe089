//! The generations that lie beside a log.

use std::io;
use std::path::{Path, PathBuf};

use super::NAMES_MAX;
use crate::sources::tail::identity::{Identity, Stamp};
use crate::sources::tail::names::{self, Generation, Packing};

/// A generation as the folder lists it.
pub(super) struct Sibling {
    pub(super) path: PathBuf,
    pub(super) generation: Generation,
    pub(super) identity: Identity,
    pub(super) stamp: Stamp,
}

/// What rotation put aside of a log, oldest first.
pub(super) fn siblings(path: &Path) -> io::Result<Vec<Sibling>> {
    let (Some(folder), Some(live)) = (
        path.parent(),
        path.file_name().and_then(|name| name.to_str()),
    ) else {
        return Ok(Vec::new());
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let entries: Vec<_> = entries.take(NAMES_MAX).collect::<io::Result<_>>()?;
    let mut found: Vec<(String, Generation)> = entries
        .iter()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| {
            let generation = names::generation(live, &name)?;
            Some((name, generation))
        })
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let mut siblings = Vec::new();
    for (name, generation) in &found {
        // While a file and its packed form are both there, the latter is being made.
        let (base, packing) = names::unpacked(name);
        let original = |(other, _): &(String, Generation)| other.as_str().cmp(base);
        if packing != Packing::None && (base == live || found.binary_search_by(original).is_ok()) {
            continue;
        }
        let path = folder.join(name);
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            // A link that leads nowhere, or to where nobody may look, is no generation.
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    || error.kind() == io::ErrorKind::PermissionDenied
                    || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        siblings.push(Sibling {
            path,
            generation: *generation,
            identity: Identity::of(&metadata),
            stamp: Stamp::of(&metadata),
        });
    }
    siblings.sort_by_key(|sibling| (sibling.stamp.modified_ms(), sibling.generation.rank));
    Ok(siblings)
}
