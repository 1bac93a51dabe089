//! `cargo up -- drill` says the truth: whole where nothing was lost, and not where a line is missing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::process::{Command, Output};

use crmscope_tests::process::binary;

fn drill(arguments: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(binary("crmscope-up"))
        .arg("drill")
        .args(arguments)
        .arg("--no-build")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&stdout) + String::from_utf8_lossy(&stderr);
    println!("drill {arguments:?}: {status}\n{text}");
    (status.code(), text.into_owned())
}

#[test]
fn two_drills_are_whole_and_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let keep = directory.path().join("drills");
    let kept = keep.to_str().unwrap();
    let (code, text) = drill(&[
        "cut-network",
        "kill-agent",
        "--seconds",
        "6",
        "--keep",
        kept,
    ]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("2 of 2 whole"), "{text}");
    // In the table's order, each with what struck and its account.
    let (first, second) = (
        text.find("kill-agent whole"),
        text.find("cut-network whole"),
    );
    assert!(first.is_some() && first < second, "{text}");
    for part in ["kill -9 of agent crm-01", "stalled, then cut", "0 missing"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // All its processes have its directory on their command line.
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        assert!(!line.contains(kept), "still running: {line}");
    }
    // A directory that holds something is not written over.
    let (code, text) = drill(&["kill-agent", "--keep", kept]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("is not empty"), "{text}");
}

#[test]
fn a_line_that_is_missing_is_found() {
    let (code, text) = drill(&["kill-agent", "--seconds", "6", "--sabotage"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("NOT WHOLE: requests_1d holds"), "{text}");
    assert!(text.contains("0 of 1 whole"), "{text}");
}

#[test]
fn what_cannot_run_is_neither_whole_nor_broken() {
    let (code, text) = drill(&["kill-agents"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("there is no drill \"kill-agents\""), "{text}");
    let (code, text) = drill(&["--list"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("kill-kafka-broker"), "{text}");
}
