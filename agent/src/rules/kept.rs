//! Where a delivered set stays, so that it is in force after a start without a collector.
//!
//! One file in the state directory, replaced as a whole: eight bytes that say what it is, the version,
//! the size once unfolded, and the frame. A file that is damaged counts as none: the collector delivers
//! the set again.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use bytes::Bytes;
use crmscope_rules::Packed;
use crmscope_rules::limits::PACKED_MAX_BYTES;

const FILE: &str = "delivered_rules";
const MARK: &[u8; 8] = b"crmrule1";
const HEAD_BYTES: usize = 8 + 8 + 4;

/// The set that was kept last.
///
/// # Errors
/// When there is a file that cannot be read, or is none of these.
pub(super) fn read(state_dir: &Path) -> io::Result<Option<Packed>> {
    let file = match File::open(state_dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    let max_bytes = HEAD_BYTES + PACKED_MAX_BYTES;
    file.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
    let bytes = Bytes::from(bytes);
    let packed = (bytes.len() <= max_bytes)
        .then(|| decode(&bytes))
        .flatten()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is damaged"))?;
    packed.files().map_err(io::Error::other)?;
    Ok(Some(packed))
}

/// Keeps a set; one without files takes the file away.
///
/// # Errors
/// When the disk refuses; what was there before stays.
pub(super) fn write(state_dir: &Path, packed: &Packed) -> io::Result<()> {
    let path = state_dir.join(FILE);
    if packed.version == 0 {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let new = state_dir.join(format!("{FILE}.new"));
    let mut file = File::create(&new)?;
    file.write_all(&encode(packed))?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(state_dir)?.sync_all()
}

fn encode(packed: &Packed) -> Vec<u8> {
    let files_bytes = u32::try_from(packed.files_bytes).unwrap_or(u32::MAX);
    let mut bytes = Vec::with_capacity(HEAD_BYTES + packed.frame.len());
    bytes.extend_from_slice(MARK);
    bytes.extend_from_slice(&packed.version.to_le_bytes());
    bytes.extend_from_slice(&files_bytes.to_le_bytes());
    bytes.extend_from_slice(&packed.frame);
    bytes
}

fn decode(bytes: &Bytes) -> Option<Packed> {
    let (mark, rest) = bytes.split_first_chunk::<8>()?;
    let (version, rest) = rest.split_first_chunk::<8>()?;
    let (files_bytes, _) = rest.split_first_chunk::<4>()?;
    (mark == MARK).then_some(())?;
    Some(Packed {
        version: u64::from_le_bytes(*version),
        files_bytes: usize::try_from(u32::from_le_bytes(*files_bytes)).ok()?,
        frame: bytes.slice(HEAD_BYTES..),
    })
}

#[cfg(test)]
mod tests {
    use crmscope_rules::DeliveredFile;
    use tempfile::TempDir;

    use super::*;

    fn packed() -> Packed {
        Packed::of(&[DeliveredFile {
            set: 0,
            name: "crm/a.yml".to_owned(),
            text: b"title: a\n".repeat(50),
        }])
        .unwrap()
    }

    #[test]
    fn what_was_kept_is_read_again_and_none_takes_it_away() {
        let folder = TempDir::new().unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        write(folder.path(), &packed()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), Some(packed()));
        write(folder.path(), &Packed::default()).unwrap();
        assert_eq!(read(folder.path()).unwrap(), None);
        write(folder.path(), &Packed::default()).unwrap();
    }

    #[test]
    fn every_damage_is_noticed() {
        let folder = TempDir::new().unwrap();
        let good = encode(&packed());
        let path = folder.path().join(FILE);
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            assert!(read(folder.path()).is_err(), "cut at {length}");
        }
        for position in 0..good.len() {
            let mut damaged = good.clone();
            damaged[position] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            let read = read(folder.path());
            // zstd does not look at every bit of its own head: what comes out is the same then.
            assert!(
                read.is_err() || read.is_ok_and(|read| read.unwrap().files() == packed().files()),
                "changed at {position}"
            );
        }
        fs::write(&path, vec![0; HEAD_BYTES + PACKED_MAX_BYTES + 1]).unwrap();
        assert!(read(folder.path()).is_err());
    }
}
