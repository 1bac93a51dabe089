//! What is fuzzed, by name: `tests/fuzz/fuzz_targets/<name>.rs` calls it through [`run`].
//!
//! Each entry takes any bytes, and panics where something does not hold that must hold whatever
//! they are. What it calls stands beside what it tests. `tests/fuzz/tests` gives every target its seeds.

use std::fs;
use std::path::{Path, PathBuf};

use crmscope_proto::v1::{Batch, Encoding};
use crmscope_proto::{Lane, open, seal};

use crate::sources::{self, requests, security, tail};
use crate::{Config, rules, settings, spool};

/// One target.
type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 17] = [
    ("access_log", requests::fuzzing::count),
    ("agent_config", read_config),
    ("batch", open_batch),
    ("checkpoint", tail::fuzzing::restore),
    ("configured_log", read_configured),
    ("database_messages", security::fuzzing::read_database),
    ("host_files", sources::fuzzing::read_host_files),
    ("journal_file", security::fuzzing::watch_journal),
    ("packed_log", tail::fuzzing::unpack),
    ("printed_text", requests::try_log::fuzzing::print),
    ("program_output", sources::fuzzing::read_program_output),
    ("rules", rules::fuzzing::ask),
    ("security_log", security::fuzzing::read),
    ("service_answers", security::fuzzing::read_services),
    ("settings", settings::fuzzing::take),
    ("spool", spool::fuzzing::open),
    ("try_log", requests::try_log::fuzzing::try_log),
];

/// Gives bytes to a target.
///
/// # Panics
/// When there is no such target, and when something does not hold that must.
pub fn run(name: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.expect("the target is in the table");
    target(data);
}

/// The wire: an uncompressed payload of any bytes. What opens must round-trip.
fn open_batch(data: &[u8]) {
    let Some((head, payload)) = data.split_first_chunk::<2>() else {
        return;
    };
    let envelope = Batch {
        agent_id: "fuzz".to_owned(),
        boot_id: vec![1; 16],
        start_id: vec![2; 16],
        spool_id: vec![3; 16],
        lane: Lane::Metrics.into(),
        sequence: 1,
        ..Batch::default()
    };
    let batch = Batch {
        items: u32::from(u16::from_le_bytes(*head)),
        encoding: Encoding::None.into(),
        payload_bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        payload: payload.to_vec().into(),
        ..envelope.clone()
    };
    let Ok(contents) = open(&batch) else {
        return;
    };
    assert_eq!(contents.items(), batch.items as usize);
    if let Ok(again) = seal(&contents, envelope) {
        assert_eq!(open(&again).as_ref(), Ok(&contents));
    }
}

/// A folder of this thread alone, for what a target writes.
pub(crate) fn folder(target: &str) -> PathBuf {
    let (process, thread) = (std::process::id(), std::thread::current().id());
    let name = format!("crmscope-fuzz-{target}-{process}-{thread:?}");
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).expect("the folder for temporary files takes one more");
    folder
}

/// Writes a file with contents of a target's.
pub(crate) fn write(path: &Path, contents: &[u8]) {
    fs::write(path, contents).expect("the folder for temporary files takes the file");
}

/// Whether a text can be shown to people: nothing in it does more than stand there.
pub(crate) fn is_printable(text: &str) -> bool {
    text.chars()
        .all(|character| character == '\n' || !is_hidden(character))
}

/// Controls, and what is not seen or changes how others are seen: by Unicode's list of what may be
/// ignored (`Default_Ignorable_Code_Point`), and its marks of direction and ends of lines.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            u32::from(character),
            0xad | 0x34f
                | 0x61c
                | 0x115f..=0x1160
                | 0x17b4..=0x17b5
                | 0x180b..=0x180f
                | 0x200b..=0x200f
                | 0x2028..=0x202e
                | 0x2060..=0x206f
                | 0x3164
                | 0xfe00..=0xfe0f
                | 0xfeff
                | 0xffa0
                | 0xfff0..=0xfff8
                | 0x1bca0..=0x1bca3
                | 0x1d173..=0x1d17a
                | 0xe0000..=0xe0fff
        )
}

/// A configuration's text: what is taken is valid, can be written down, and is the same again.
fn read_config(text: &[u8]) {
    let path = folder("agent_config").join("agent.toml");
    write(&path, text);
    let config = match Config::load(Some(&path)) {
        Ok(config) => config,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    drop(config.sources.build(&std::sync::Arc::default()));
    let written = serde_json::to_value(&config).expect("a configuration can be written");
    let again: Config = serde_json::from_value(written.clone()).expect("and read again");
    assert_eq!(again.validate(), Ok(()));
    assert_eq!(serde_json::to_value(&again).ok(), Some(written));
}

/// A log as the user describes it: the first byte says for which of the sources.
fn read_configured(data: &[u8]) {
    if let Some((&choice, data)) = data.split_first() {
        match choice % 2 {
            0 => requests::fuzzing::count_configured(data),
            _ => security::fuzzing::read_configured(data),
        }
    }
}
