//! Where a delivered set stays, so that it is in force after a start without a collector.
//!
//! One file in the state directory, replaced as a whole: eight bytes that say what it is, the version,
//! the size once unfolded, and the frame. A file that is damaged counts as none: the collector delivers
//! the set again.

use std::io;
use std::path::Path;

use bytes::Bytes;
use crmscope_rules::Packed;
use crmscope_rules::limits::PACKED_MAX_BYTES;

use crate::kept;

const FILE: &str = "delivered_rules";
const MARK: &[u8; 8] = b"crmrule1";
const HEAD_BYTES: usize = 8 + 8 + 4;

/// The set that was kept last.
///
/// # Errors
/// When there is a file that cannot be read, or is none of these.
pub(super) fn read(state_dir: &Path) -> io::Result<Option<Packed>> {
    let Some(bytes) = kept::read(state_dir, FILE, HEAD_BYTES + PACKED_MAX_BYTES)? else {
        return Ok(None);
    };
    let packed = decode(&Bytes::from(bytes)).ok_or_else(kept::damaged)?;
    packed.files().map_err(io::Error::other)?;
    Ok(Some(packed))
}

/// Keeps a set; one without files takes the file away.
///
/// # Errors
/// When the disk refuses; what was there before stays.
pub(super) fn write(state_dir: &Path, packed: &Packed) -> io::Result<()> {
    match packed.version {
        0 => kept::remove(state_dir, FILE),
        _ => kept::replace(state_dir, FILE, &encode(packed)),
    }
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
    use std::fs;

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
