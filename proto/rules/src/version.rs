//! Versions of rules: hashes of names and contents, as numbers.
//!
//! Pure. 0 stands for no file at all.

use sha2::{Digest, Sha256};

/// A version that grows file by file.
#[derive(Debug, Default)]
pub struct Versioning {
    hash: Sha256,
    files: usize,
}

impl Versioning {
    /// Takes a file in.
    pub fn file(&mut self, name: &[u8], text: &[u8]) {
        self.files += 1;
        for part in [name, text] {
            self.hash.update((part.len() as u64).to_le_bytes());
            self.hash.update(part);
        }
    }

    /// The version; 0 without files.
    #[must_use]
    pub fn number(self) -> u64 {
        match self.files {
            0 => 0,
            _ => number(self.hash),
        }
    }
}

/// The version of an agent's own files and those delivered to it together: that of one where there is no
/// other.
#[must_use]
pub fn both(own: u64, delivered: u64) -> u64 {
    match (own, delivered) {
        (version, 0) | (0, version) => version,
        _ => {
            let mut hash = Sha256::new();
            hash.update(own.to_le_bytes());
            hash.update(delivered.to_le_bytes());
            number(hash)
        }
    }
}

/// The first bytes of a hash; never 0.
pub(crate) fn number(hash: Sha256) -> u64 {
    let digest = hash.finalize();
    let first = digest.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first).max(1)
}
