//! Control groups of containers, by the names that runtimes give them.
//!
//! Owns the walk. Promises: it looks at a bounded number of folders no deeper than runtimes nest
//! them, does not go into a container, and takes no name for a container that has not the 64
//! hexadecimal digits of an id.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

/// Digits of an id.
const ID_DIGITS: usize = 64;

/// Digits that are kept of it, as runtimes print it.
const ID_DIGITS_SHOWN: usize = 12;

/// kubelet.slice, kubepods.slice, the class, the pod, the container, and one to spare.
const DEPTH_MAX: usize = 6;

/// Most folders looked into: a host of 10,000 units still fits.
const FOLDERS_MAX: usize = 12_000;

/// Names of runtimes by the beginning of a folder's name.
const RUNTIMES: [(&[u8], &str); 7] = [
    (b"docker-", "docker"),
    (b"cri-containerd-", "containerd"),
    (b"nerdctl-", "containerd"),
    (b"crio-", "cri-o"),
    (b"libpod-payload-", "podman"),
    (b"libpod-", "podman"),
    (b"", ""),
];

/// One container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Below the mount of its hierarchy.
    pub(super) path: PathBuf,
    /// Of the folder: another number means that the group was made anew.
    pub(super) inode: u64,
    /// The first digits of its id.
    pub(super) id: String,
    /// The pod's uid, or nothing.
    pub(super) pod: String,
    /// Name of the runtime, or nothing where the name does not tell.
    pub(super) runtime: &'static str,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) found: Vec<Found>,
    /// Folders that were not looked into, for their number.
    pub(super) folders_left: u64,
}

/// All containers below a hierarchy's mount.
pub(super) fn walk(mount: &Path) -> Walk {
    let mut walk = Walk::default();
    let mut looked = 0;
    let mut waiting = vec![(PathBuf::new(), 0, String::new(), "")];
    while let Some((below, depth, pod, parent_runtime)) = waiting.pop() {
        if looked >= FOLDERS_MAX {
            walk.folders_left += 1;
            continue;
        }
        looked += 1;
        // One that is gone again.
        let Ok(entries) = std::fs::read_dir(mount.join(&below)) else {
            continue;
        };
        for entry in entries.flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let name = entry.file_name();
            let path = below.join(&name);
            if let Some((id, runtime)) = container(name.as_bytes()) {
                walk.found.push(Found {
                    path,
                    inode: entry.ino(),
                    id,
                    pod: pod.clone(),
                    runtime: if runtime.is_empty() {
                        parent_runtime
                    } else {
                        runtime
                    },
                });
            } else if depth < DEPTH_MAX {
                let pod = pod_uid(name.as_bytes()).unwrap_or_else(|| pod.clone());
                let runtime = runtime_of_parent(&name).unwrap_or(parent_runtime);
                waiting.push((path, depth + 1, pod, runtime));
            }
        }
    }
    // Folders are listed in any order; the bound must keep the same ones each time.
    walk.found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    walk
}

/// Id and runtime of a folder that is a container: `docker-<id>.scope`, `<id>`.
fn container(name: &[u8]) -> Option<(String, &'static str)> {
    let name = name.strip_suffix(b".scope").unwrap_or(name);
    let split = name.len().checked_sub(ID_DIGITS)?;
    let (prefix, id) = name.split_at(split);
    let (_, runtime) = RUNTIMES.iter().find(|(known, _)| *known == prefix)?;
    let digits = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let shown = id.iter().all(digits).then(|| &id[..ID_DIGITS_SHOWN])?;
    Some((String::from_utf8_lossy(shown).into_owned(), *runtime))
}

/// `/docker/<id>` and the like, where the container's own folder has no runtime in its name.
fn runtime_of_parent(name: &OsStr) -> Option<&'static str> {
    match name.as_bytes() {
        b"docker" => Some("docker"),
        b"libpod_parent" | b"machine" => Some("podman"),
        _ => None,
    }
}

/// `pod<uid>`, or `kubepods-burstable-pod<uid>.slice` with underscores for hyphens.
fn pod_uid(name: &[u8]) -> Option<String> {
    let name = name.strip_suffix(b".slice").unwrap_or(name);
    let at = memchr::memmem::rfind(name, b"pod")?;
    let uid = name.get(at + 3..)?;
    let fits = uid.len() == 36 || uid.len() == 32;
    let digit = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_');
    let uid = (fits && uid.iter().all(digit)).then_some(uid)?;
    Some(String::from_utf8_lossy(uid).replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn containers_are_known_by_their_names() {
        for (name, runtime) in [
            (format!("docker-{ID}.scope"), Some("docker")),
            (format!("cri-containerd-{ID}.scope"), Some("containerd")),
            (format!("crio-{ID}.scope"), Some("cri-o")),
            (format!("libpod-{ID}.scope"), Some("podman")),
            (ID.to_owned(), Some("")),
            (format!("crio-conmon-{ID}.scope"), None),
            (format!("libpod-conmon-{ID}.scope"), None),
            (format!("evil-{ID}.scope"), None),
            (ID[1..].to_owned(), None),
            (ID.replace('f', "g"), None),
            (ID.to_uppercase(), None),
            ("system.slice".to_owned(), None),
            (String::new(), None),
        ] {
            let want = runtime.map(|runtime| (ID[..12].to_owned(), runtime));
            assert_eq!(container(name.as_bytes()), want, "{name}");
        }
    }

    #[test]
    fn pods_are_known_by_their_uid() {
        let uid = "1b2c3d4e-0000-1111-2222-333344445555";
        for (name, want) in [
            (format!("pod{uid}"), Some(uid)),
            (
                format!("kubepods-burstable-pod{}.slice", uid.replace('-', "_")),
                Some(uid),
            ),
            ("podman.service".to_owned(), None),
            ("kubepods.slice".to_owned(), None),
            (format!("pod{uid}x"), None),
        ] {
            assert_eq!(pod_uid(name.as_bytes()).as_deref(), want, "{name}");
        }
    }

    #[test]
    fn a_walk_finds_what_runtimes_make_and_goes_no_deeper() {
        let root = tempfile::tempdir().unwrap();
        let uid = "1b2c3d4e-0000-1111-2222-333344445555";
        let id = |first: char| format!("{first}{}", &ID[1..]);
        for path in [
            format!("system.slice/docker-{}.scope/init", id('1')),
            format!(
                "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/cri-containerd-{}.scope",
                uid.replace('-', "_"),
                id('2')
            ),
            format!("kubepods/besteffort/pod{uid}/{}", id('3')),
            format!("docker/{}/docker/{}", id('4'), id('f')),
            "a/b/c/d/e/f/g/h".to_owned(),
        ] {
            std::fs::create_dir_all(root.path().join(path)).unwrap();
        }
        let walk = walk(root.path());
        let found: Vec<_> = walk
            .found
            .iter()
            .map(|found| (found.id.as_str(), found.pod.as_str(), found.runtime))
            .collect();
        let id = |first: char| id(first)[..12].to_owned();
        assert_eq!(
            found,
            [
                (id('1').as_str(), "", "docker"),
                (id('2').as_str(), uid, "containerd"),
                (id('3').as_str(), uid, ""),
                (id('4').as_str(), "", "docker"),
            ]
        );
        assert_eq!(walk.folders_left, 0);
    }
}
