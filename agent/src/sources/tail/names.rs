//! Names that rotation gives, and which file they belong to.

use std::path::Path;

/// How a file is packed, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not at all.
    None,
    Gzip,
    Zstd,
    /// In a way that is not read here.
    Other,
}

const PACKED: &[(&str, Packing)] = &[
    (".gz", Packing::Gzip),
    (".zst", Packing::Zstd),
    (".bz2", Packing::Other),
    (".xz", Packing::Other),
    (".lz4", Packing::Other),
];

/// A name without the ending that packing gave it.
pub(super) fn unpacked(name: &str) -> (&str, Packing) {
    PACKED
        .iter()
        .find_map(|&(ending, packing)| Some((name.strip_suffix(ending)?, packing)))
        .unwrap_or((name, Packing::None))
}

/// A file that rotation put aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation {
    pub(super) packing: Packing,
    /// Tells the order of files written in the same moment: smaller is older.
    pub(super) rank: i64,
}

/// What `name` is to the log that is called `live`; `None` when it does not belong to it.
pub(super) fn generation(live: &str, name: &str) -> Option<Generation> {
    let (base, packing) = unpacked(name);
    if base == live {
        return (packing != Packing::None).then_some(Generation { packing, rank: 0 });
    }
    let rank = match base.strip_prefix(live) {
        Some(tag) => rank_of(tag.strip_prefix(['.', '-', '_'])?)?,
        None => {
            let (stem, ending) = live.rsplit_once('.')?;
            let tag = base.strip_prefix(stem)?.strip_suffix(ending)?;
            infix_rank(tag.strip_suffix('.')?)?
        }
    };
    Some(Generation { packing, rank })
}

/// The live log that a name like `access.1.log` or `access-20261125.log` would belong to.
pub(super) fn live_of_infix(name: &str) -> Option<String> {
    let (base, _) = unpacked(name);
    let (rest, ending) = base.rsplit_once('.')?;
    (1..rest.len())
        .filter(|&at| rest.is_char_boundary(at))
        .find(|&at| infix_rank(&rest[at..]).is_some())
        .map(|at| format!("{}.{ending}", &rest[..at]))
}

/// Of `.1` or `-20261125` before the ending. A short number after a dash is part of a name.
fn infix_rank(tag: &str) -> Option<i64> {
    let rest = tag.strip_prefix(['.', '-', '_'])?;
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    if !tag.starts_with('.') && digits < 8 {
        return None;
    }
    (digits > 0).then(|| rank_of(rest)).flatten()
}

/// Of `1`, `20261125-17`, `2026-11-25T17:00`, `old`. Numbers count back, dates go forward.
fn rank_of(tag: &str) -> Option<i64> {
    if matches!(tag, "old" | "bak") {
        return Some(0);
    }
    let known = |byte: u8| byte.is_ascii_digit() || b"-._:+TZ".contains(&byte);
    if !tag.starts_with(|first: char| first.is_ascii_digit()) || !tag.bytes().all(known) {
        return None;
    }
    let digits = tag.bytes().filter(u8::is_ascii_digit);
    let number = digits
        .take(18)
        .fold(0i64, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some(if number < 1_000_000 { -number } else { number })
}

/// Whether a name is one that rotation gives: `.1`, `-20261123`, `.gz`, `.old`.
pub(super) fn is_put_aside(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let Some((_, ending)) = name.and_then(|name| name.rsplit_once(['.', '-'])) else {
        return false;
    };
    matches!(ending, "gz" | "bz2" | "xz" | "zst" | "lz4" | "old" | "bak")
        || (!ending.is_empty() && ending.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_rotation_gives_are_told_from_live_ones() {
        for name in [
            "access.log.1",
            "access.log.2.gz",
            "access.log-20261123",
            "access.log.old",
        ] {
            assert!(is_put_aside(Path::new(name)), "{name}");
        }
        for name in ["access.log", "crm-access.log", "access_log", "access-2.log"] {
            assert!(!is_put_aside(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn generations_belong_to_their_log() {
        for (name, packing) in [
            ("access.log.1", Packing::None),
            ("access.log.12.gz", Packing::Gzip),
            ("access.log.gz", Packing::Gzip),
            ("access.log.3.zst", Packing::Zstd),
            ("access.log.3.bz2", Packing::Other),
            ("access.log-20261125", Packing::None),
            ("access.log-20261125-1732.gz", Packing::Gzip),
            ("access.log.2026-11-25T17:32", Packing::None),
            ("access.log_20261125", Packing::None),
            ("access.log.old", Packing::None),
            ("access.1.log", Packing::None),
            ("access-20261125.log.gz", Packing::Gzip),
        ] {
            let found = generation("access.log", name).map(|generation| generation.packing);
            assert_eq!(found, Some(packing), "{name}");
        }
        for name in [
            "access.log",
            "access-2.log",
            "access.log.swp",
            "access.log.1~",
            "crm-access.log.1",
            "access.logs.1",
            "access.log.",
            "access.log.conf",
            "access-crm.log.1",
            "error.log.1",
            "",
        ] {
            assert_eq!(generation("access.log", name), None, "{name}");
        }
    }

    #[test]
    fn older_generations_rank_lower() {
        let rank = |name| generation("a.log", name).unwrap().rank;
        assert!(rank("a.log.2") < rank("a.log.1"));
        assert!(rank("a.log.10.gz") < rank("a.log.9.gz"));
        assert!(rank("a.log-20261124") < rank("a.log-20261125"));
        assert!(rank("a.log-20261125-0100") < rank("a.log-20261125-0200"));
    }

    #[test]
    fn infix_names_lead_to_their_log() {
        for (name, live) in [
            ("access.1.log", Some("access.log")),
            ("access-20261125.log", Some("access.log")),
            ("access-20261125.log.gz", Some("access.log")),
            ("access-2.log", None),
            ("access.log", None),
        ] {
            assert_eq!(live_of_infix(name).as_deref(), live, "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_name_panics(live in ".{0,20}", name in ".{0,30}") {
            let _ = (generation(&live, &name), live_of_infix(&name));
        }
    }
}
