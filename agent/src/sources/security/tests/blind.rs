//! A source that does not see what it is told to see fails, run after run, with the reason.

use std::fs;
use std::time::{Duration, Instant};

use super::super::*;
use super::bench::Bench;
use super::source::fake_journalctl;

/// Every one of several runs fails with this; the clock is moved by hand, so the runs are within one
/// look at the files and beyond.
fn always_fails(bench: &mut Bench, why: &str) {
    for run in 0..5 {
        let error = bench.collect().unwrap_err().to_string();
        assert!(error.contains(why), "run {run}: {error}");
    }
}

#[test]
fn without_any_authentication_log_nothing_is_seen() {
    let mut bench = Bench::new(|_, _| {});
    let log = bench.folder.path().join("auth.log");
    fs::remove_file(&log).unwrap();
    always_fails(&mut bench, "no login is seen");
    // Heals by itself.
    bench.append("");
    bench.collect().unwrap();
    // While it was read just now, a rotation is under way.
    fs::remove_file(&log).unwrap();
    bench.collect().unwrap();
    for _ in 0..10 {
        let _ = bench.collect();
    }
    always_fails(&mut bench, "auth.log");
}

#[test]
fn one_authentication_log_of_several_is_enough() {
    let mut bench = Bench::new(|folder, config| {
        let other = folder.join("secure").to_str().unwrap().to_owned();
        config.auth_logs.push(other);
    });
    bench.collect().unwrap();
}

#[test]
fn a_named_log_has_to_be_there_and_a_pattern_may_wait() {
    let mut bench = Bench::new(|folder, config| {
        let pattern = folder.join("later-*.log").to_str().unwrap().to_owned();
        config.audit_logs.push(pattern);
    });
    bench.collect().unwrap();
    let mut bench = Bench::new(|folder, _| fs::remove_file(folder.join("audit.log")).unwrap());
    always_fails(&mut bench, "audit.log");
    bench.append_to("audit.log", "");
    bench.collect().unwrap();
    // Something that is there and is no log.
    let mut bench = Bench::new(|folder, _| {
        fs::remove_file(folder.join("audit.log")).unwrap();
        fs::create_dir(folder.join("audit.log")).unwrap();
    });
    always_fails(&mut bench, "audit.log");
}

#[test]
fn a_reader_of_the_journal_that_is_gone_or_blind_fails_between_its_starts_too() {
    let with = |then: &'static str| {
        let mut bench = Bench::new(move |folder, config| {
            config.journal = JournalMode::On;
            config.journal_program = fake_journalctl(folder, then);
        });
        fs::write(bench.folder.path().join("entries"), "").unwrap();
        // Until it has said so.
        let deadline = Instant::now() + Duration::from_secs(60);
        while bench.collect().is_ok() {
            assert!(Instant::now() < deadline, "{then}");
            std::thread::sleep(Duration::from_millis(5));
        }
        bench
    };
    let partly = "echo 'Hint: You are currently not seeing messages from other users and the system.' >&2; exec sleep 1000";
    always_fails(&mut with(partly), "systemd-journal");
    let closed =
        "echo 'No journal files were opened due to insufficient permissions.' >&2; exec sleep 1000";
    always_fails(&mut with(closed), "systemd-journal");
    let empty = "echo 'No journal files were found.' >&2; exec sleep 1000";
    always_fails(&mut with(empty), "finds no journal");

    let mut bench = Bench::new(|folder, config| {
        config.journal = JournalMode::On;
        config.journal_program = folder.join("journalctl");
    });
    let journalctl = bench.folder.path().join("journalctl");
    // Runs between two starts, which are a second apart at least.
    bench.step = Duration::from_millis(100);
    always_fails(&mut bench, "cannot start");
    fs::write(bench.folder.path().join("entries"), "").unwrap();
    fake_journalctl(bench.folder.path(), "exec sleep 1000");
    assert!(journalctl.exists());
    bench.step = Duration::from_secs(60);
    bench.collect().unwrap();
}
