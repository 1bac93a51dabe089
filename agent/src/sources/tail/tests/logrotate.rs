//! The real logrotate beside the tailer.

use std::process::Command;

use super::*;

/// Runs logrotate on a folder's log, whatever its state file says about the time.
fn logrotate(bench: &Bench, options: &str) {
    let config = bench.path("logrotate.conf");
    let log = bench.path("a.log");
    let text = format!(
        "{} {{\n rotate 50\n missingok\n{options}\n}}\n",
        log.display()
    );
    fs::write(&config, text).unwrap();
    let run = Command::new("logrotate")
        .args(["-f", "-s"])
        .arg(bench.path("state"))
        .arg(&config)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{options}: {}",
        String::from_utf8_lossy(&run.stderr)
    );
}

fn is_installed() -> bool {
    let found = [
        "/usr/sbin/logrotate",
        "/sbin/logrotate",
        "/usr/bin/logrotate",
    ]
    .iter()
    .any(|path| Path::new(path).exists());
    if !found {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "logrotate is missing; install the package logrotate"
        );
        println!("not run: logrotate is not installed; on Debian: apt-get install logrotate");
    }
    found
}

/// Nothing is written between logrotate's copy and its truncation here, so nothing may be lost.
#[test]
fn every_line_is_counted_once_beside_a_real_logrotate() {
    if !is_installed() {
        return;
    }
    for (by_copy, options) in [
        (false, "create"),
        (false, "create\ncompress"),
        (false, "create\ncompress\ndelaycompress"),
        (
            false,
            "create\ndateext\ndateformat -%Y%m%d-%s\ncompress\ndelaycompress",
        ),
        (false, "create\nextension .log\ncompress"),
        (true, "copytruncate"),
        (true, "copytruncate\ncompress"),
        (true, "copytruncate\ncompress\ndelaycompress"),
        (true, "copytruncate\ndateext\ndateformat -%Y%m%d-%s"),
    ] {
        one_way(by_copy, options);
    }
}

fn second() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Rotates; names with a date differ by the second, so the one in which the last rotation ended has to be
/// over.
fn rotate(bench: &Bench, options: &str, last: &mut u64) {
    let by_date = options.contains("dateext");
    while by_date && second() <= *last {
        std::thread::sleep(Duration::from_millis(10));
    }
    logrotate(bench, options);
    *last = second();
}

fn one_way(by_copy: bool, options: &str) {
    let by_date = options.contains("dateext");
    let mut last_second = 0;
    let mut bench = Bench::new(true);
    let mut written = 0;
    let mut write = |bench: &Bench, count: usize| {
        bench.append("a.log", &numbered(written, written + count));
        written += count;
    };
    write(&bench, 20);
    let mut seen = bench.poll();
    let mut rotations = 0;
    for round in 0..if by_date { 1 } else { 4 } {
        // Running.
        write(&bench, 7);
        if round % 2 == 0 {
            seen.append(&mut bench.poll());
        }
        write(&bench, 5);
        rotate(&bench, options, &mut last_second);
        rotations += 1;
        write(&bench, 9);
        seen.append(&mut bench.poll());
        // Stopped, with several rotations.
        let checkpoint = bench.tailer.checkpoint();
        for _ in 0..3 {
            write(&bench, 6);
            rotate(&bench, options, &mut last_second);
            rotations += 1;
        }
        write(&bench, 4);
        bench.restart(&checkpoint);
        for _ in 0..6 {
            seen.append(&mut bench.poll());
        }
    }
    let mut expected = lines(&numbered(0, written));
    seen.sort();
    expected.sort();
    assert_eq!(seen, expected, "{options}, by copy {by_copy}");
    let aside = fs::read_dir(bench.folder.path())
        .unwrap()
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            let name = name.to_string_lossy();
            name.starts_with('a') && name != "a.log"
        })
        .count();
    assert_eq!(aside, rotations, "{options}: logrotate did not rotate");
}
