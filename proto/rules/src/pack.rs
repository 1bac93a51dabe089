//! Sets of rules in the form in which they are handed over: files, one after the other, as one zstd frame.
//!
//! Pure. What is packed comes back as it was, and its version is a hash of it, so what was damaged on the
//! way or on a disk is noticed. Bytes from elsewhere are bounded before they are unfolded.

use std::path::Path;

use bytes::Bytes;
use crmscope_proto::v1::RuleFile as Wire;
use prost::Message as _;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::check::{Checked, Layer, Reading};
use crate::limits::{
    DELIVERED_FILES_MAX, DELIVERED_MAX_BYTES, DIRECTORIES_MAX, FILE_MAX_BYTES, FILE_NAME_MAX_BYTES,
    PACKED_MAX_BYTES,
};
use crate::version::Versioning;

/// Field of `RuleFiles`.
const FILES_TAG: u32 = 1;

/// Bound by size and not by speed: it is packed when files change, and sent to every agent.
const ZSTD_LEVEL: i32 = 9;

/// A file of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredFile {
    /// The place of its set among those of the agent; a later one goes before an earlier one.
    pub set: usize,
    /// The set's name, and the path below its directory.
    pub name: String,
    /// Its content.
    pub text: Vec<u8>,
}

/// Files as they are handed over and kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// A hash of names and contents; 0 without a file.
    pub version: u64,
    /// How many bytes it unfolds to.
    pub files_bytes: usize,
    /// A zstd frame; empty without a file.
    pub frame: Bytes,
}

/// What cannot be handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// Too many.
    #[error("{0} files, of {DELIVERED_FILES_MAX} at most; take files away")]
    Files(usize),
    /// Too large together.
    #[error("{0} bytes together, of {DELIVERED_MAX_BYTES} at most; take files away")]
    Bytes(usize),
    /// Too large once compressed.
    #[error("{0} bytes once compressed, of {PACKED_MAX_BYTES} at most; take files away")]
    Frame(usize),
    /// One of them.
    #[error("the file {name:?} has {bytes} bytes, of {FILE_MAX_BYTES} at most")]
    File {
        /// Its name, cut.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// Its name.
    #[error(
        "the file name {0:?} is longer than {FILE_NAME_MAX_BYTES} bytes, empty, or has control characters"
    )]
    Name(String),
    /// Too many sets.
    #[error("set {0}, of {DIRECTORIES_MAX} at most")]
    Set(usize),
    /// No frame, or no files in it.
    #[error("it cannot be read: {0}")]
    Damaged(String),
    /// Not what was announced.
    #[error("it is version {found:016x} and not {announced:016x}")]
    Version {
        /// Of the content.
        found: u64,
        /// As it was announced.
        announced: u64,
    },
}

impl Packed {
    /// Packs files.
    ///
    /// # Errors
    /// When they are beyond a bound.
    pub fn of(files: &[DeliveredFile]) -> Result<Self, PackError> {
        check_all(files)?;
        if files.is_empty() {
            return Ok(Self::default());
        }
        let mut raw = Vec::new();
        for file in files {
            let wire = Wire {
                set: u32::try_from(file.set).unwrap_or(u32::MAX),
                name: file.name.clone(),
                text: file.text.clone(),
            };
            prost::encoding::message::encode(FILES_TAG, &wire, &mut raw);
        }
        check_bytes(raw.len())?;
        let frame = zstd::bulk::compress(&raw, ZSTD_LEVEL)
            .map_err(|error| PackError::Damaged(error.to_string()))?;
        if frame.len() > PACKED_MAX_BYTES {
            return Err(PackError::Frame(frame.len()));
        }
        Ok(Self {
            version: version(files),
            files_bytes: raw.len(),
            frame: frame.into(),
        })
    }

    /// The files again.
    ///
    /// # Errors
    /// When it is no such frame, beyond a bound, or not what the version says.
    pub fn files(&self) -> Result<Vec<DeliveredFile>, PackError> {
        check_bytes(self.files_bytes)?;
        if self.frame.len() > PACKED_MAX_BYTES {
            return Err(PackError::Frame(self.frame.len()));
        }
        let raw = match self.frame.is_empty() {
            true => Vec::new(),
            false => zstd::bulk::decompress(&self.frame, self.files_bytes)
                .map_err(|error| PackError::Damaged(error.to_string()))?,
        };
        let files = unfold(&raw)?;
        check_all(&files)?;
        let found = version(&files);
        if found != self.version {
            let announced = self.version;
            return Err(PackError::Version { found, announced });
        }
        Ok(files)
    }
}

/// Checks the rules of files that are to be, or were, delivered.
pub fn check(reading: &mut Reading, files: &[DeliveredFile]) {
    for file in files {
        let path = Path::new(&file.name);
        reading.file(Layer::Delivered(file.set), path, path, &file.text);
    }
}

/// The same of nothing else.
#[must_use]
pub fn checked(files: &[DeliveredFile]) -> Checked {
    let mut reading = Reading::default();
    check(&mut reading, files);
    reading.finish()
}

fn version(files: &[DeliveredFile]) -> u64 {
    let mut version = Versioning::default();
    for file in files {
        version.file(format!("{}/{}", file.set, file.name).as_bytes(), &file.text);
    }
    version.number()
}

const fn check_bytes(bytes: usize) -> Result<(), PackError> {
    if bytes > DELIVERED_MAX_BYTES {
        return Err(PackError::Bytes(bytes));
    }
    Ok(())
}

fn check_all(files: &[DeliveredFile]) -> Result<(), PackError> {
    if files.len() > DELIVERED_FILES_MAX {
        return Err(PackError::Files(files.len()));
    }
    for file in files {
        let is_good = !file.name.is_empty()
            && file.name.len() <= FILE_NAME_MAX_BYTES
            && !file.name.contains(char::is_control);
        let name = || crmscope_proto::payload::truncate(&file.name, FILE_NAME_MAX_BYTES).to_owned();
        if !is_good {
            return Err(PackError::Name(name()));
        }
        if file.text.len() as u64 > FILE_MAX_BYTES {
            let (name, bytes) = (name(), file.text.len());
            return Err(PackError::File { name, bytes });
        }
        if file.set >= DIRECTORIES_MAX {
            return Err(PackError::Set(file.set));
        }
    }
    check_bytes(files.iter().map(|file| file.text.len()).sum())
}

/// One after the other, so that many empty files of two bytes each do not become much memory.
fn unfold(mut raw: &[u8]) -> Result<Vec<DeliveredFile>, PackError> {
    let damaged = |error: prost::DecodeError| PackError::Damaged(error.to_string());
    let mut files = Vec::new();
    while !raw.is_empty() {
        let (tag, wire_type) = decode_key(&mut raw).map_err(damaged)?;
        if (tag, wire_type) != (FILES_TAG, WireType::LengthDelimited) {
            return Err(PackError::Damaged(format!("field {tag} is not known")));
        }
        let length = decode_varint(&mut raw).map_err(damaged)?;
        let (file, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| raw.split_at_checked(length))
            .ok_or_else(|| PackError::Damaged("a file is cut".to_owned()))?;
        raw = rest;
        if files.len() >= DELIVERED_FILES_MAX {
            return Err(PackError::Files(files.len() + 1));
        }
        let wire = Wire::decode(file).map_err(damaged)?;
        files.push(DeliveredFile {
            set: usize::try_from(wire.set).unwrap_or(usize::MAX),
            name: wire.name,
            text: wire.text,
        });
    }
    Ok(files)
}
