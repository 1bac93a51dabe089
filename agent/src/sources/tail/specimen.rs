//! A file that rotation put aside, opened to see whether it was read already.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::file::Followed;
use super::identity::{self, ANCHOR_BYTES, Identity, Mark, Stamp, open_regular};
use super::names::Packing;
use super::packed::{self, Packed};

/// What a file is to a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// Something else.
    Other,
    /// It ends where the mark stands.
    Same,
    /// It goes on where the mark stands.
    More,
    /// A copy that was made before reading came to the mark.
    Shorter,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Specimen {
    file: File,
    metadata: Metadata,
    packing: Packing,
    /// First bytes, unpacked.
    head: Vec<u8>,
    /// Unpacked, where that is known.
    length: Option<u64>,
    /// The same modulo 2^32.
    length_modulo: Option<u32>,
}

impl Specimen {
    /// `None` for what is no regular file.
    pub(super) fn open(path: &Path, packing: Packing) -> io::Result<Option<Self>> {
        let Some((file, metadata)) = open_regular(path)? else {
            return Ok(None);
        };
        let mut specimen = Self {
            head: Vec::new(),
            length: None,
            length_modulo: None,
            file,
            metadata,
            packing,
        };
        let size = specimen.metadata.len();
        match packing {
            Packing::None => {
                specimen.head = identity::head(&specimen.file)?;
                specimen.length = Some(size);
            }
            Packing::Gzip | Packing::Zstd if size > 0 => {
                let (head, whole) = packed::head(packing, &specimen.file)?;
                specimen.length = whole.then_some(head.len() as u64);
                specimen.head = head;
                if packing == Packing::Gzip {
                    specimen.length_modulo = Some(packed::gzip_length(&specimen.file, size)?);
                }
            }
            Packing::Gzip | Packing::Zstd => specimen.length = Some(0),
            // Known by the bytes as they are, only to be known again.
            Packing::Other => specimen.head = identity::head(&specimen.file)?,
        }
        Ok(Some(specimen))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == Some(0)
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.length
    }

    pub(super) fn packing(&self) -> Packing {
        self.packing
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::of(&self.metadata)
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp::of(&self.metadata)
    }

    /// A mark at its start.
    pub(super) fn at_start(&self) -> Mark {
        Mark::at_start(&self.head)
    }

    /// A mark at its end; at its start when the end is not known.
    pub(super) fn at_end(&self) -> io::Result<Mark> {
        let mut mark = self.at_start();
        if let Some(length) = self.length {
            mark.position = length;
            mark.anchor = Some(identity::anchor(&self.before(length)?.unwrap_or_default()));
        }
        Ok(mark)
    }

    /// The bytes before a position, where they can be had.
    fn before(&self, position: u64) -> io::Result<Option<Vec<u8>>> {
        if self.packing == Packing::None {
            return identity::before(&self.file, position).map(Some);
        }
        let end = usize::try_from(position).ok();
        let known = end.and_then(|end| self.head.get(..end));
        Ok(known.map(|bytes| bytes[bytes.len().saturating_sub(ANCHOR_BYTES)..].to_vec()))
    }

    /// Whether this is the whole of a file that was only known by its first bytes.
    pub(super) fn is(&self, head: identity::Fingerprint) -> bool {
        head.length > 0 && head == identity::Fingerprint::of(&self.head)
    }

    /// Whether all first bytes that the mark knows are here.
    pub(super) fn begins_with(&self, mark: &Mark) -> bool {
        mark.head.begins(&self.head)
    }

    /// What this is to a mark.
    pub(super) fn relation(&self, mark: &Mark) -> io::Result<Relation> {
        if self.packing == Packing::Other || (mark.head.length == 0 && mark.position == 0) {
            return Ok(Relation::Other);
        }
        if self.length.is_some_and(|length| length < mark.position) {
            let start = self.head.get(..ANCHOR_BYTES).map(crc32fast::hash);
            let begins = if self.head.len() >= mark.head.length && mark.head.length > 0 {
                mark.head.begins(&self.head)
            } else {
                mark.start.is_some() && mark.start == start
            };
            return Ok(if begins {
                Relation::Shorter
            } else {
                Relation::Other
            });
        }
        // A copy may be shorter than the first bytes that were seen, and yet as long as what was
        // read.
        let begins = mark.head.begins(&self.head)
            || (mark.position > 0
                && self
                    .length
                    .is_some_and(|length| length < mark.head.length as u64));
        let anchored = match self.before(mark.position)? {
            Some(bytes) => bytes.len() == mark.anchor_bytes() && mark.is_anchor(&bytes),
            // Far into a packed file; looked at when reading comes there.
            None => true,
        };
        if !begins || !anchored {
            return Ok(Relation::Other);
        }
        let ends = match (self.length, self.length_modulo) {
            (Some(length), _) => length == mark.position,
            (None, Some(modulo)) => u64::from(modulo) == mark.position % (1 << 32),
            (None, None) => false,
        };
        Ok(if ends { Relation::Same } else { Relation::More })
    }

    /// Whether this came of a file that is being read: the packed form of a rotated one, or a copy
    /// of a live one that is not truncated yet. Logs may begin alike, so that the contents alone do
    /// not say it.
    pub(super) fn is_of(&self, followed: &Followed) -> io::Result<bool> {
        let mark = &followed.mark;
        match (followed.plain_file(), self.packing) {
            (Some(file), Packing::None) => Ok(!followed.rotated && self.is_copy(file)?),
            (Some(file), _) => {
                if file.metadata()?.nlink() > 0 {
                    return Ok(false);
                }
                if self.length.is_some() {
                    return self.has_prefix_in(file);
                }
                Ok(identity::head(file)? == self.head || self.relation(mark)? != Relation::Other)
            }
            (None, _) => Ok(self.is(mark.head)),
        }
    }

    /// Whether this is a copy of the file at a path.
    pub(super) fn is_copy_of_path(&self, path: &Path) -> io::Result<bool> {
        match open_regular(path) {
            Ok(Some((file, _))) => self.is_copy(&file),
            Ok(None) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn is_copy(&self, file: &File) -> io::Result<bool> {
        // A copy is younger than its original, and a generation older than what took its place.
        if let (Ok(made), Ok(original)) = (self.metadata.created(), file.metadata()?.created())
            && made < original
        {
            return Ok(false);
        }
        self.has_prefix_in(file)
    }

    /// Whether a file begins with all that this says.
    fn has_prefix_in(&self, file: &File) -> io::Result<bool> {
        let Some(length) = self.length else {
            return Ok(false);
        };
        Ok(identity::head(file)?.starts_with(&self.head)
            && Some(identity::before(file, length)?) == self.before(length)?)
    }

    /// Follows it from a mark on, as what became of the log at `path`.
    pub(super) fn follow(
        self,
        pattern: usize,
        path: PathBuf,
        mut mark: Mark,
        now: Instant,
    ) -> Followed {
        if !mark.head.begins(&self.head) {
            // A copy that is shorter than the first bytes that were seen.
            mark.head = identity::Fingerprint::default();
        }
        mark.cover(&self.head);
        let mut followed = if self.packing == Packing::None {
            Followed::plain(pattern, path, self.file, &self.metadata, mark, now)
        } else {
            let packed = Packed::new(self.packing, self.file);
            Followed::packed(pattern, path, packed, &self.metadata, mark, now)
        };
        followed.rotated = true;
        followed
    }
}
