//! The watch on files laid out as systemd's are. Those of a real journald are in `tests/logins.rs`.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::watch::Watch;

/// Where the table of fields stands, and its size in entries.
const TABLE: u64 = 512;
const BUCKETS: u64 = 2;

/// A file of a journal, written as journald does: values first, counts last.
struct Written {
    file: File,
    end: u64,
    fields: Vec<(String, u64)>,
    values: Vec<(String, u64)>,
    value_begin: u64,
}

impl Written {
    fn new(path: &Path, flags: u32) -> Self {
        let file = File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(path)
            .unwrap();
        file.set_len(64 * 1024).unwrap();
        file.write_all_at(b"LPKSHHRH", 0).unwrap();
        file.write_all_at(&flags.to_le_bytes(), 12).unwrap();
        let written = Self {
            file,
            end: TABLE + BUCKETS * 16,
            fields: Vec::new(),
            values: Vec::new(),
            value_begin: if flags & 16 == 0 { 64 } else { 72 },
        };
        written.put(88, 240);
        written.put(120, TABLE);
        written.put(128, BUCKETS * 16);
        written
    }

    fn put(&self, at: u64, word: u64) {
        self.file.write_all_at(&word.to_le_bytes(), at).unwrap();
    }

    fn get(&self, at: u64) -> u64 {
        let mut word = [0; 8];
        self.file.read_exact_at(&mut word, at).unwrap();
        u64::from_le_bytes(word)
    }

    fn object(&mut self, kind: u8, begin: u64, text: &str) -> u64 {
        let at = self.end;
        let size = begin + text.len() as u64;
        self.end += size.next_multiple_of(8);
        self.file.write_all_at(&[kind], at).unwrap();
        self.put(at + 8, size);
        self.file.write_all_at(text.as_bytes(), at + begin).unwrap();
        at
    }

    fn field(&mut self, name: &str) -> u64 {
        if let Some((_, at)) = self.fields.iter().find(|(known, _)| known == name) {
            return *at;
        }
        let at = self.object(2, 40, name);
        // All in one chain, so that chains are walked.
        self.put(at + 24, self.get(TABLE));
        self.put(TABLE, at);
        self.put(216, self.get(216) + 1);
        self.fields.push((name.to_owned(), at));
        at
    }

    /// An entry with one value.
    fn entry(&mut self, text: &str) {
        let known = self.values.iter().find(|(known, _)| known == text);
        let at = match known {
            Some((_, at)) => *at,
            None => {
                let at = self.object(1, self.value_begin, text);
                let field = self.field(text.split_once('=').unwrap().0);
                self.put(at + 32, self.get(field + 32));
                self.put(field + 32, at);
                self.values.push((text.to_owned(), at));
                at
            }
        };
        self.put(152, self.get(152) + 1);
        self.put(at + 56, self.get(at + 56) + 1);
    }
}

fn asked() -> [(&'static str, Vec<String>); 2] {
    [
        (
            "SYSLOG_IDENTIFIER=",
            vec!["sshd".to_owned(), "sudo".to_owned()],
        ),
        ("_AUDIT_TYPE=", vec!["1112".to_owned()]),
    ]
}

/// A directory with a machine's directory, and a file in it.
fn journal(flags: u32) -> (TempDir, PathBuf, Written) {
    let folder = TempDir::new().unwrap();
    let machine = folder.path().join("3d1219c7");
    fs::create_dir(&machine).unwrap();
    let file = Written::new(&machine.join("system.journal"), flags);
    (folder, machine, file)
}

#[test]
fn an_entry_of_interest_is_seen_and_no_other() {
    for flags in [0, 0b0_1100, 0b1_1100] {
        let (folder, _, mut file) = journal(flags);
        file.entry("SYSLOG_IDENTIFIER=cron");
        file.entry("MESSAGE=sshd");
        let mut watch = Watch::open(&[folder.path().to_owned()], &asked()).unwrap();
        assert!(!watch.has_more().unwrap());
        file.entry("SYSLOG_IDENTIFIER=cron");
        file.entry("SYSLOG_IDENTIFIER=sshd-keygen");
        file.entry("MESSAGE=sudo");
        assert!(!watch.has_more().unwrap());
        // A name that the file did not have, one that it had, and a field that it did not have.
        for text in [
            "SYSLOG_IDENTIFIER=sshd",
            "SYSLOG_IDENTIFIER=sshd",
            "SYSLOG_IDENTIFIER=sudo",
            "_AUDIT_TYPE=1112",
            "_AUDIT_TYPE=1112",
        ] {
            file.entry(text);
            assert!(watch.has_more().unwrap(), "{text}");
            assert!(!watch.has_more().unwrap(), "{text}");
        }
        file.entry("_AUDIT_TYPE=1325");
        assert!(!watch.has_more().unwrap());
        // What stood there before is not new to another watch.
        let mut watch = Watch::open(&[folder.path().to_owned()], &asked()).unwrap();
        assert!(!watch.has_more().unwrap());
        file.entry("SYSLOG_IDENTIFIER=sudo");
        assert!(watch.has_more().unwrap());
    }
}

#[test]
fn a_count_that_follows_the_headers_is_seen() {
    let (folder, _, mut file) = journal(0);
    file.entry("SYSLOG_IDENTIFIER=sshd");
    let mut watch = Watch::open(&[folder.path().to_owned()], &asked()).unwrap();
    // journald is stopped between the two.
    file.put(152, 2);
    assert!(!watch.has_more().unwrap());
    let sshd = file.values[0].1;
    file.put(sshd + 56, 2);
    assert!(watch.has_more().unwrap());
}

#[test]
fn files_that_come_and_go_count_as_more() {
    let (folder, machine, _file) = journal(0);
    let later = folder.path().join("later");
    let directories = [folder.path().to_owned(), later.clone()];
    let open = || Watch::open(&directories, &asked()).unwrap();
    let mut watch = open();
    assert!(!watch.has_more().unwrap());
    fs::create_dir(&later).unwrap();
    assert!(watch.has_more().unwrap());
    let mut watch = open();
    // Rotated.
    let aside = machine.join("system@0006-9f28.journal");
    fs::rename(machine.join("system.journal"), &aside).unwrap();
    Written::new(&machine.join("system.journal"), 0);
    assert!(watch.has_more().unwrap());
    let mut watch = open();
    Written::new(&machine.join("user-1000.journal"), 0).entry("SYSLOG_IDENTIFIER=sudo");
    assert!(watch.has_more().unwrap());
}

#[test]
fn what_is_not_understood_is_an_error() {
    let refused = |damage: &dyn Fn(&mut Written)| {
        let (folder, _, mut file) = journal(0);
        file.entry("SYSLOG_IDENTIFIER=cron");
        damage(&mut file);
        Watch::open(&[folder.path().to_owned()], &asked()).unwrap_err()
    };
    // No journal, a flag of a newer systemd, and a table beyond any size.
    refused(&|file| file.put(0, 0));
    refused(&|file| file.put(12, 1 << 9));
    refused(&|file| file.put(128, u64::MAX));
    refused(&|file| file.put(128, 1 << 20));
    // A field and a value that are none, behind the end, and in a circle.
    for target in [TABLE, 8, 1 << 40, u64::MAX] {
        refused(&|file| file.put(TABLE, target));
        refused(&|file| file.put(file.fields[0].1 + 32, target));
    }
    refused(&|file| file.put(file.fields[0].1 + 24, file.fields[0].1));
    refused(&|file| file.put(file.values[0].1 + 32, file.values[0].1));
    // A value shorter than its beginning, and one of another field.
    refused(&|file| file.put(file.values[0].1 + 8, 10));
    refused(&|file| file.put(file.values[0].1 + 64, 0));
    let empty = TempDir::new().unwrap();
    Watch::open(&[empty.path().to_owned()], &asked()).unwrap_err();
}
