//! One file of the journal, and how often it holds what is asked for.
//!
//! Owns the handle and what is known of the file's layout (systemd's JOURNAL_FILE_FORMAT). The file
//! keeps each value of a field once, with the number of entries that have it; the values of a field
//! are a list with the newest first. So counting costs a few reads of some bytes each, and no entry
//! is read. Promises that what is not understood is an error, never "nothing new": the layout is
//! the contract of another project, and a file may be damaged or being written. Every walk is
//! bounded. Nothing is mapped and nothing is written.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes of the header that every version has, and of one that counts fields.
const HEADER_BYTES: usize = 208;
const COUNTING_HEADER_BYTES: u64 = 224;

const SIGNATURE: &[u8] = b"LPKSHHRH";

/// XZ, LZ4, keyed hash, ZSTD, compact. They change neither the lists nor where a count stands.
const KNOWN_FLAGS: u32 = 0b1_1111;

/// The layout in which a value begins eight bytes later.
const COMPACT: u32 = 0b1_0000;

/// Kinds of object.
const DATA: u8 = 1;
const FIELD: u8 = 2;

/// Bytes before a value, and before a field's name.
const DATA_BYTES: usize = 64;
const FIELD_BYTES: usize = 40;

/// Longest value looked at; names of programs are far shorter.
const VALUE_MAX_BYTES: usize = 64;

/// Most names of fields, and most new values of a field in one look. A journal into which something
/// logs under ever new names is left to its reader.
const FIELDS_MAX: usize = 4096;
const NEW_VALUES_MAX: usize = 4096;

/// Largest table of fields, bytes; journald makes one of 333 entries.
const TABLE_MAX_BYTES: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct JournalFile {
    file: File,
    compact: bool,
    /// Fields of any name at the last look; `None` in files of systemd before 187.
    known_fields: Option<u64>,
    fields: Vec<Field>,
}

/// A field whose values are asked for.
#[derive(Debug)]
struct Field {
    /// With the `=` that ends it.
    name: String,
    values: Vec<String>,
    /// Where it stands, once the file has it.
    offset: Option<u64>,
    /// The newest value at the last look.
    newest: u64,
    /// Where values that were asked for stand, and in how many entries each is.
    found: Vec<(u64, u64)>,
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what} is not as expected"),
    )
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}

impl JournalFile {
    /// Opens a file and counts once. `asked` are fields with their values.
    pub(super) fn open(path: &Path, asked: &[(&str, Vec<String>)]) -> io::Result<Self> {
        let field = |(name, values): &(&str, Vec<String>)| Field {
            name: (*name).to_owned(),
            values: values.clone(),
            offset: None,
            newest: 0,
            found: Vec::new(),
        };
        let mut opened = Self {
            file: File::open(path)?,
            compact: false,
            known_fields: None,
            fields: asked.iter().map(field).collect(),
        };
        opened.has_more()?;
        Ok(opened)
    }

    /// Whether there are more entries of what is asked for than at the last look. After an error
    /// the file is to be opened anew: what was counted until then is gone.
    pub(super) fn has_more(&mut self) -> io::Result<bool> {
        let header: [u8; HEADER_BYTES] = self.read(0)?;
        let mut flags = [0; 4];
        flags.copy_from_slice(&header[12..16]);
        let flags = u32::from_le_bytes(flags);
        if !header.starts_with(SIGNATURE) || flags & !KNOWN_FLAGS != 0 {
            return Err(damaged("the header"));
        }
        self.compact = flags & COMPACT != 0;
        // The header counts an entry before its values do, so its number of entries proves nothing.
        let known = match word(&header, 88) >= COUNTING_HEADER_BYTES {
            true => Some(word(&self.read::<8>(216)?, 0)),
            false => None,
        };
        let mut fields = std::mem::take(&mut self.fields);
        let is_new = known.is_none() || known != self.known_fields;
        if is_new && fields.iter().any(|field| field.offset.is_none()) {
            self.find(&mut fields, word(&header, 120), word(&header, 128))?;
        }
        let mut more = false;
        for field in &mut fields {
            more |= self.look(field)?;
        }
        self.fields = fields;
        self.known_fields = known;
        Ok(more)
    }

    fn read<const N: usize>(&self, offset: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// Looks for fields that the file did not have before.
    fn find(&self, fields: &mut [Field], table: u64, table_bytes: u64) -> io::Result<()> {
        let size = usize::try_from(table_bytes).unwrap_or(usize::MAX);
        if size > TABLE_MAX_BYTES {
            return Err(damaged("the table of fields"));
        }
        let mut buckets = vec![0; size];
        self.file.read_exact_at(&mut buckets, table)?;
        let mut known = 0;
        for bucket in buckets.chunks_exact(16) {
            let mut next = word(bucket, 0);
            while next != 0 {
                known += 1;
                if known > FIELDS_MAX {
                    return Err(damaged("the number of fields"));
                }
                let object: [u8; FIELD_BYTES] = self.read(next)?;
                if object[0] != FIELD {
                    return Err(damaged("a field"));
                }
                for field in fields.iter_mut().filter(|field| field.offset.is_none()) {
                    let name = field.name.trim_end_matches('=').as_bytes();
                    if word(&object, 8) == (FIELD_BYTES + name.len()) as u64 {
                        let mut found = vec![0; name.len()];
                        let at = next + FIELD_BYTES as u64;
                        self.file.read_exact_at(&mut found, at)?;
                        field.offset = (found == name).then_some(next);
                    }
                }
                next = word(&object, 24);
            }
        }
        Ok(())
    }

    /// Whether a field's values gained entries, or gained a value that is asked for.
    fn look(&self, field: &mut Field) -> io::Result<bool> {
        let Some(offset) = field.offset else {
            return Ok(false);
        };
        let mut more = false;
        for (value, count) in &mut field.found {
            let object: [u8; DATA_BYTES] = self.read(*value)?;
            let now = word(&object, 56);
            more |= now != *count;
            *count = now;
        }
        let object: [u8; FIELD_BYTES] = self.read(offset)?;
        let newest = word(&object, 32);
        let mut next = newest;
        for _ in 0..NEW_VALUES_MAX {
            if next == 0 || next == field.newest {
                field.newest = newest;
                return Ok(more);
            }
            let object: [u8; DATA_BYTES] = self.read(next)?;
            if object[0] != DATA {
                return Err(damaged("a value"));
            }
            if self.is_asked_for(next, &object, field)? {
                field.found.push((next, word(&object, 56)));
                more = true;
            }
            next = word(&object, 32);
        }
        Err(damaged("the number of values"))
    }

    fn is_asked_for(&self, offset: u64, object: &[u8], field: &Field) -> io::Result<bool> {
        let begin = DATA_BYTES + if self.compact { 8 } else { 0 };
        let size = usize::try_from(word(object, 8)).unwrap_or(usize::MAX);
        let length = size
            .checked_sub(begin)
            .ok_or_else(|| damaged("the size of a value"))?;
        // A compressed one may be asked for: it is not unpacked to find out.
        if object[1] != 0 {
            return Ok(true);
        }
        if length > VALUE_MAX_BYTES {
            return Ok(false);
        }
        let mut text = vec![0; length];
        self.file.read_exact_at(&mut text, offset + begin as u64)?;
        let value = text
            .strip_prefix(field.name.as_bytes())
            .ok_or_else(|| damaged("a value's field"))?;
        Ok(field.values.iter().any(|asked| asked.as_bytes() == value))
    }
}
