//! The file, whole and damaged.

use std::fs;

use tempfile::TempDir;

use super::entry;
use crate::settings::kept::{BAD_MAX, Bad, FILE, Kept, read, recall, write};

fn kept() -> Kept {
    Kept {
        good: Some(entry("[intervals]\nbatch_ms = 10000\n")),
        trial: Some(entry("[sources.units]\nwatch = [\"nginx.service\"]\n")),
        stopped: true,
        bad: vec![Bad {
            version: 7,
            reason: "it \"failed\"".to_owned(),
        }],
    }
}

#[test]
fn what_was_kept_is_read_again_and_nothing_takes_the_file_away() {
    let folder = TempDir::new().unwrap();
    assert_eq!(read(folder.path()).unwrap(), None);
    write(folder.path(), &kept()).unwrap();
    assert_eq!(read(folder.path()).unwrap(), Some(kept()));
    write(folder.path(), &Kept::default()).unwrap();
    assert!(!folder.path().join(FILE).exists());
    write(folder.path(), &Kept::default()).unwrap();
    assert_eq!(recall(folder.path()).unwrap(), Kept::default());
}

#[test]
fn every_damage_is_noticed() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &kept()).unwrap();
    let path = folder.path().join(FILE);
    let good = fs::read(&path).unwrap();
    for length in 0..good.len() {
        fs::write(&path, &good[..length]).unwrap();
        assert!(read(folder.path()).is_err(), "cut at {length}");
    }
    for position in 0..good.len() {
        for bit in 0..8 {
            let mut damaged = good.clone();
            damaged[position] ^= 1 << bit;
            fs::write(&path, &damaged).unwrap();
            assert!(read(folder.path()).is_err(), "changed at {position}");
        }
    }
    for strange in [&b""[..], b"\0", b"crmset01 ", b"crmset01 00000000\n"] {
        fs::write(&path, strange).unwrap();
        assert!(read(folder.path()).is_err());
    }
    fs::write(&path, vec![b' '; 2 << 20]).unwrap();
    assert!(read(folder.path()).is_err(), "too large");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(read(folder.path()).is_err(), "a directory");
}

/// Whoever can write the file can write a checksum: its contents are held to the list all the same.
#[test]
fn contents_that_may_not_be_are_damage_also_with_a_checksum() {
    let folder = TempDir::new().unwrap();
    let put = |json: &str| {
        let text = format!("crmset01 {:08x}\n{json}", crc32fast::hash(json.as_bytes()));
        fs::write(folder.path().join(FILE), text).unwrap();
        read(folder.path())
    };
    let of = |overlay: &str, version: u64| {
        let overlay = serde_json::to_string(overlay).unwrap();
        format!(
            "{{\"good\":{{\"version\":{version},\"overlay\":{overlay}}},\"trial\":null,\"stopped\":false,\"bad\":[]}}"
        )
    };
    let hash = |text: &str| crmscope_proto::overlay::version_of(text.as_bytes());
    let good = "{\"intervals.batch_ms\":10000}";
    assert!(put(&of(good, hash(good))).is_ok());
    assert!(put(&of(good, hash(good) ^ 1)).is_err());
    assert!(put(&of("", 0)).is_err(), "no settings are none of these");
    let evil = "{\"state_dir\":\"/\"}";
    assert!(put(&of(evil, hash(evil))).is_err());
    assert!(put(&of(good, hash(good)).replace("stopped", "stoped")).is_err());
    let bad = "{\"version\":1,\"reason\":\"\"},".repeat(BAD_MAX + 1);
    let many = of(good, hash(good)).replace("[]", &format!("[{}]", bad.trim_end_matches(',')));
    assert!(put(&many).is_err());
}

#[test]
fn a_start_writes_down_that_it_is_not_stopped_yet() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), &kept()).unwrap();
    assert_eq!(recall(folder.path()).unwrap(), kept());
    assert!(!read(folder.path()).unwrap().unwrap().stopped);
    // Where that cannot be written, they wait.
    write(folder.path(), &kept()).unwrap();
    fs::create_dir(folder.path().join(format!("{FILE}.new"))).unwrap();
    assert_eq!(recall(folder.path()).unwrap().trial, None);
    assert_eq!(read(folder.path()).unwrap(), Some(kept()));
}
