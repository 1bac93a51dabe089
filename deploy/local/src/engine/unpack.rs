//! Takes the library out of the package, hashing both on the way.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;

use base64::Engine as _;
use sha2::{Digest, Sha256, Sha512};

/// The only entry of the package that is kept.
pub(super) const LIBRARY: &str = "libchdb.so";

/// Checksums of what was read and written.
#[derive(Debug)]
pub(super) struct Sums {
    /// As npm writes it: `sha512-` and base64.
    pub(super) archive: String,
    /// sha256 in hexadecimal.
    pub(super) library: String,
}

/// Writes the archive's libchdb.so to `target`, synced, hashing both on the way.
pub(super) fn unpack(archive: impl Read, target: &Path) -> std::io::Result<Sums> {
    let mut archive = Hashed {
        inner: archive,
        hash: Sha512::new(),
    };
    let mut library = Sha256::new();
    let mut found = false;
    {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(&mut archive));
        for entry in tar.entries()? {
            let mut entry = entry?;
            if found || entry.path()?.file_name().is_none_or(|name| name != LIBRARY) {
                continue;
            }
            let mut file = File::create(target)?;
            let mut buffer = vec![0; 1 << 20];
            loop {
                match entry.read(&mut buffer)? {
                    0 => break,
                    count => {
                        library.update(&buffer[..count]);
                        file.write_all(&buffer[..count])?;
                    }
                }
            }
            file.sync_all()?;
            found = true;
        }
    }
    // What follows the last entry belongs to the checksum too.
    std::io::copy(&mut archive, &mut std::io::sink())?;
    if !found {
        return Err(std::io::Error::other(format!(
            "the archive holds no {LIBRARY}"
        )));
    }
    let integrity = base64::engine::general_purpose::STANDARD.encode(archive.hash.finalize());
    let hexadecimal = library
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(Sums {
        archive: format!("sha512-{integrity}"),
        library: hexadecimal,
    })
}

struct Hashed<R, H> {
    inner: R,
    hash: H,
}

impl<R: Read, H: Digest> Read for Hashed<R, H> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(name: &str, data: &[u8]) -> Vec<u8> {
        let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
            Vec::new(),
            flate2::Compression::fast(),
        ));
        for (name, data) in [("package/package.json", b"{}".as_slice()), (name, data)] {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, data).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn unpacks_only_the_library_and_sums_both() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("out");
        let bytes = archive("package/libchdb.so", b"engine");
        let sums = unpack(bytes.as_slice(), &target).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"engine");
        let should = base64::engine::general_purpose::STANDARD.encode(Sha512::digest(&bytes));
        assert_eq!(sums.archive, format!("sha512-{should}"));
    }

    #[test]
    fn refuses_an_archive_without_it_and_a_cut_one() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("out");
        assert!(unpack(archive("package/other", b"x").as_slice(), &target).is_err());
        let bytes = archive("package/libchdb.so", &vec![7; 100_000]);
        assert!(unpack(&bytes[..bytes.len() / 2], &target).is_err());
    }
}
