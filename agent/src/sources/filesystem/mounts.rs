//! /proc/self/mountinfo: which mounts are measured.
//!
//! Owns the choice. Left out are types that hold no files of their own or are full by nature
//! ([`super::Config::types_excluded`]), overlays except the one at `/` (a container's own), hidden
//! mounts (of several at one place the last is on top), and repeated ones: of the mounts of one
//! device, which are bind mounts and subvolumes of the same space, the shortest path stays.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Config;
use crate::sources::host::text::{Fields, lines};

/// One mount to measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sources) struct Mount {
    /// Where the agent finds it.
    pub(super) path: Arc<Path>,
    /// Where it is on the host: the same, but for an agent in a container.
    pub(in crate::sources) mount_point: String,
    /// What is mounted: a device, or a server's path.
    pub(in crate::sources) device: String,
    /// Type as the kernel names it.
    pub(in crate::sources) filesystem_type: String,
}

/// What was chosen.
#[derive(Debug, Default)]
pub(in crate::sources) struct Choice {
    pub(in crate::sources) mounts: Vec<Mount>,
    /// Mounts beyond the bound.
    pub(super) dropped: u64,
    /// Lines not understood.
    pub(super) unparsed: u64,
}

/// One line: `27 1 254:0 / /mnt rw,relatime shared:1 - ext4 /dev/vda rw,discard`.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sources) struct Entry<'a> {
    /// Major and minor number.
    device_number: &'a [u8],
    pub(in crate::sources) mount_point: Vec<u8>,
    pub(in crate::sources) filesystem_type: &'a [u8],
    device: Vec<u8>,
}

/// Reads the table of mounts and chooses.
pub(in crate::sources) fn choose(text: &[u8], config: &Config) -> Choice {
    let mut choice = Choice::default();
    // By mount point, with the line's place: a host of containers has thousands of lines.
    let mut places: HashMap<Vec<u8>, (usize, Entry<'_>)> = HashMap::new();
    let root = config.root_path.as_bytes();
    for (place, line) in lines(text).enumerate() {
        let Some(mut entry) = parse(line) else {
            choice.unparsed += 1;
            continue;
        };
        let Some(mount_point) = below(&entry.mount_point, root) else {
            continue;
        };
        entry.mount_point = mount_point.to_vec();
        // Whatever its type, it hides what was mounted there before.
        places.insert(entry.mount_point.clone(), (place, entry));
    }
    let mut entries: Vec<(usize, Entry<'_>)> = places
        .into_values()
        .filter(|(_, entry)| is_wanted(entry, config))
        .collect();
    // Of equally short paths the first mounted stays.
    entries.sort_unstable_by_key(|(place, entry)| (entry.mount_point.len(), *place));
    let mut spaces = HashSet::new();
    let mut chosen: Vec<Entry<'_>> = entries
        .into_iter()
        .map(|(_, entry)| entry)
        .filter(|entry| spaces.insert(entry.device_number))
        .collect();
    choice.dropped = chosen.len().saturating_sub(config.mounts_max) as u64;
    chosen.truncate(config.mounts_max);
    choice.mounts = chosen.iter().map(|entry| mount(entry, root)).collect();
    choice
}

pub(in crate::sources) fn parse(line: &[u8]) -> Option<Entry<'_>> {
    let mut fields = Fields::new(line);
    fields.number()?;
    fields.number()?;
    let device_number = fields.word()?;
    fields.word()?;
    let mount_point = unescape(fields.word()?);
    fields.word()?;
    // Optional fields, ended by a hyphen.
    while fields.word()? != b"-" {}
    let filesystem_type = fields.word()?;
    let device = unescape(fields.word()?);
    mount_point.starts_with(b"/").then_some(Entry {
        device_number,
        mount_point,
        filesystem_type,
        device,
    })
}

/// The kernel writes blank, tab, line feed and backslash as `\` and three octal digits.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, after)) = rest.split_first() {
        if let (
            b'\\',
            [
                a @ b'0'..=b'3',
                b @ b'0'..=b'7',
                c @ b'0'..=b'7',
                after @ ..,
            ],
        ) = (first, after)
        {
            plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = after;
        } else {
            plain.push(first);
            rest = after;
        }
    }
    plain
}

/// The mount point as seen from `root`; `None` if it is not below.
fn below<'a>(mount_point: &'a [u8], root: &[u8]) -> Option<&'a [u8]> {
    if root == b"/" {
        return Some(mount_point);
    }
    match mount_point.strip_prefix(root)? {
        [] => Some(b"/"),
        rest @ [b'/', ..] => Some(rest),
        _ => None,
    }
}

fn is_wanted(entry: &Entry<'_>, config: &Config) -> bool {
    if entry.filesystem_type == b"overlay" && entry.mount_point != b"/" {
        return false;
    }
    let mut types = config.types_excluded.iter();
    let mut paths = config.mount_points_excluded.iter();
    !types.any(|excluded| excluded.as_bytes() == entry.filesystem_type)
        && !paths.any(|excluded| below(&entry.mount_point, excluded.as_bytes()).is_some())
}

fn mount(entry: &Entry<'_>, root: &[u8]) -> Mount {
    let path = if root == b"/" {
        PathBuf::from(OsStr::from_bytes(&entry.mount_point))
    } else {
        let relative = entry.mount_point.strip_prefix(b"/").unwrap_or_default();
        Path::new(OsStr::from_bytes(root)).join(OsStr::from_bytes(relative))
    };
    Mount {
        path: path.into(),
        mount_point: label(&entry.mount_point),
        device: label(&entry.device),
        filesystem_type: label(entry.filesystem_type),
    }
}

/// Text for a label: within the contract's bound, cut at a character.
fn label(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    let bound = text.floor_char_boundary(crmscope_proto::limits::STRING_MAX_BYTES);
    text.truncate(bound);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = r"22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
28 27 254:0 /srv /var/lib/srv rw - ext4 /dev/vda rw
29 27 254:16 / /mnt/with\040blank\134 rw - xfs /dev/disk/by\040id rw
30 27 0:50 / /var/lib/docker/overlay2/abc/merged rw - overlay overlay rw
31 27 0:51 / /run rw - tmpfs tmpfs rw
32 27 0:60 / /home rw - nfs4 server:/export rw
33 27 254:32 / /hidden rw - ext4 /dev/vdc rw
34 27 0:52 / /hidden rw - tmpfs tmpfs rw
35 27 254:48 / /srv/a rw - ext4 /dev/vdd rw
36 27 254:48 / /a rw - ext4 /dev/vdd rw
";

    fn points(text: &str, change: impl FnOnce(&mut Config)) -> Vec<String> {
        let mut config = Config::default();
        change(&mut config);
        let mounts = choose(text.as_bytes(), &config).mounts;
        mounts.into_iter().map(|mount| mount.mount_point).collect()
    }

    #[test]
    fn each_space_is_measured_once_where_it_is_seen() {
        assert_eq!(
            points(TABLE, |_| {}),
            ["/", "/a", "/home", "/mnt/with blank\\"]
        );
        let choice = choose(TABLE.as_bytes(), &Config::default());
        let home = &choice.mounts[2];
        assert_eq!(&*home.path, Path::new("/home"));
        assert_eq!(
            (home.device.as_str(), home.filesystem_type.as_str()),
            ("server:/export", "nfs4")
        );
        assert_eq!(choice.mounts[3].device, "/dev/disk/by id");
        assert_eq!((choice.dropped, choice.unparsed), (0, 0));
    }

    #[test]
    fn choices_are_configured() {
        let excluded = |c: &mut Config| c.mount_points_excluded = vec!["/mnt".into(), "/ho".into()];
        assert_eq!(
            points(TABLE, excluded),
            ["/", "/a", "/home"],
            "whole folders only"
        );
        assert_eq!(
            points(TABLE, |c| c.types_excluded = vec!["ext4".into()])[..1],
            ["/run"]
        );
        let overlay = "1 0 0:9 / / rw - overlay overlay rw\n";
        assert_eq!(points(overlay, |_| {}), ["/"]);
        let config = Config {
            mounts_max: 1,
            ..Config::default()
        };
        let choice = choose(TABLE.as_bytes(), &config);
        assert_eq!((choice.mounts.len(), choice.dropped), (1, 3));
    }

    #[test]
    fn a_container_sees_the_host_below_a_path() {
        let table = "1 0 0:9 / / rw - overlay overlay rw
2 1 8:1 / /host rw - ext4 /dev/sda1 rw
3 2 8:2 / /host/var rw - ext4 /dev/sda2 rw
4 2 8:3 / /hostile rw - ext4 /dev/sda3 rw
";
        let config = Config {
            root_path: "/host".to_owned(),
            ..Config::default()
        };
        let mounts = choose(table.as_bytes(), &config).mounts;
        let got: Vec<_> = mounts
            .iter()
            .map(|m| (m.path.to_str().unwrap(), m.mount_point.as_str()))
            .collect();
        assert_eq!(got, [("/host/", "/"), ("/host/var", "/var")]);
    }

    #[test]
    fn cut_or_hostile_lines_are_counted_not_taken() {
        for line in [
            "",
            "27",
            "27 1 254:0 / / rw,relatime",
            "27 1 254:0 / / rw,relatime shared:1",
            "27 1 254:0 / / rw,relatime - ext4",
            "27 1 254:0 / relative rw - ext4 /dev/vda rw",
            "x 1 254:0 / / rw - ext4 /dev/vda rw",
        ] {
            let choice = choose(format!("{line}\n").as_bytes(), &Config::default());
            assert_eq!((choice.mounts.len(), choice.unparsed), (0, 1), "{line}");
        }
        for length in 0..TABLE.len() {
            choose(&TABLE.as_bytes()[..length], &Config::default());
        }
        for (escaped, plain) in [
            (r"a\040b", "a b"),
            (r"\011\012\134", "\t\n\\"),
            (r"\04", r"\04"),
            (r"\", r"\"),
            (r"\999", r"\999"),
            (r"\777", r"\777"),
            (r"\\040", r"\ "),
        ] {
            assert_eq!(unescape(escaped.as_bytes()), plain.as_bytes(), "{escaped}");
        }
        let long = format!("1 0 8:1 / /{} rw - ext4 /dev/sda rw\n", "é".repeat(2000));
        assert_eq!(points(&long, |_| {})[0].len(), 1023);
        let bytes = b"1 0 8:1 / /\xff rw - ext4 /dev/sda rw\n";
        assert_eq!(
            choose(bytes, &Config::default()).mounts[0].mount_point,
            "/\u{fffd}"
        );
    }
}
