//! Which logs lie on file systems that may hang: those that a server, or a program, answers for.
//!
//! Looks only at the table of mounts and at links on the host's own file systems, so that it never
//! waits for a server itself.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use crate::sources::filesystem::mounts::parse;

/// File systems that the kernel answers for alone, from a disk or from memory.
const OWN_TYPES: [&str; 26] = [
    "aufs", "bcachefs", "btrfs", "devtmpfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs",
    "hfsplus", "iso9660", "jfs", "nilfs2", "ntfs3", "overlay", "proc", "ramfs", "reiserfs",
    "rootfs", "squashfs", "sysfs", "tmpfs", "vfat", "xfs", "zfs",
];

/// Most links followed on the way to a log.
const LINKS_MAX: usize = 40;

/// Mount points, and whether what is mounted there last is the host's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts(BTreeMap<PathBuf, bool>);

impl Mounts {
    /// Out of /proc/self/mountinfo.
    pub(super) fn read() -> io::Result<Self> {
        Ok(Self::of(&std::fs::read("/proc/self/mountinfo")?))
    }

    fn of(table: &[u8]) -> Self {
        let entries = table.split(|&byte| byte == b'\n').filter_map(parse);
        Self(
            entries
                .map(|entry| {
                    let own = OWN_TYPES
                        .iter()
                        .any(|own| own.as_bytes() == entry.filesystem_type);
                    (PathBuf::from(OsStr::from_bytes(&entry.mount_point)), own)
                })
                .collect(),
        )
    }

    /// The mount point a pattern's files lie on, if that may hang. Wildcards end the look.
    pub(super) fn apart(&self, pattern: &str) -> Option<PathBuf> {
        let is_plain = |part: &Component<'_>| {
            let text = part.as_os_str().as_bytes();
            !text.iter().any(|byte| b"*?[".contains(byte))
        };
        let start = Path::new(pattern).components().take_while(is_plain);
        let mut left: Vec<PathBuf> = parts(start);
        let (mut here, mut links) = (PathBuf::from("/"), 0);
        while let Some(part) = left.pop() {
            if part == Path::new("..") {
                here.pop();
                continue;
            }
            here.push(part);
            if let Some((point, false)) = self.under(&here) {
                return Some(point.to_owned());
            }
            // On the host's own file systems: this does not wait.
            if links < LINKS_MAX
                && let Ok(target) = std::fs::read_link(&here)
            {
                links += 1;
                here.pop();
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                left.extend(parts(target.components()));
            }
        }
        None
    }

    fn under(&self, path: &Path) -> Option<(&Path, bool)> {
        path.ancestors()
            .find_map(|above| self.0.get_key_value(above))
            .map(|(point, own)| (point.as_path(), *own))
    }
}

/// Names of a path, the first last.
fn parts<'a>(components: impl Iterator<Item = Component<'a>>) -> Vec<PathBuf> {
    let mut parts: Vec<PathBuf> = components
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| PathBuf::from(part.as_os_str()))
        .collect();
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"21 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        22 21 0:5 / /mnt/crm rw - nfs4 server:/crm rw\n\
        23 22 8:2 / /mnt/crm/own rw - xfs /dev/sdb rw\n\
        24 21 0:6 / /srv/a\\040b rw - fuse.sshfs host: rw\n\
        25 21 0:7 / /misc rw - autofs map rw\n";

    #[test]
    fn logs_that_a_server_answers_for_are_told_by_their_mounts() {
        let folder = tempfile::TempDir::new().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/mnt/crm/logs", &link).unwrap();
        let round = folder.path().join("round");
        std::os::unix::fs::symlink(&round, &round).unwrap();
        let mounts = Mounts::of(TABLE);
        for (pattern, expected) in [
            ("/var/log/*.log", None),
            ("/mnt/crm/logs/access.log", Some("/mnt/crm")),
            ("/mnt/crm/*/access.log", Some("/mnt/crm")),
            ("/mnt/crm/own/access.log", Some("/mnt/crm")),
            ("/mnt/crmscope/access.log", None),
            ("/mnt/x/../crm/access.log", Some("/mnt/crm")),
            ("/srv/a b/x.log", Some("/srv/a b")),
            ("/misc/x.log", Some("/misc")),
            (&format!("{}/x.log", link.display()), Some("/mnt/crm")),
            (&format!("{}/x.log", round.display()), None),
        ] {
            assert_eq!(
                mounts.apart(pattern).as_deref(),
                expected.map(Path::new),
                "{pattern}"
            );
        }
    }
}
