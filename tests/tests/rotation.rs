//! An access log under rotation of all kinds, and an agent that is killed, stopped and frozen
//! meanwhile: ClickHouse holds every line once.
//!
//! Each line's byte count is its own number, so that a line lost and another counted twice do not
//! make up for each other. The writer pauses while a copy is taken: what is written between
//! logrotate's copy and its truncation is lost by logrotate, not by us.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crmscope_tests::{Process, Stack, seed};

/// Steps of a run; each writes, and may rotate or trouble the agent.
const STEPS: usize = 60;

/// A log and its older generations, as logrotate keeps them.
struct Log {
    path: PathBuf,
    lines: u64,
    /// The rest of a line whose beginning is in the file.
    open_end: String,
}

impl Log {
    fn generation(&self, number: usize, packed: bool) -> PathBuf {
        let ending = if packed { ".gz" } else { "" };
        PathBuf::from(format!("{}.{number}{ending}", self.path.display()))
    }

    fn write(&mut self, random: &mut fastrand::Rng) {
        let time = Command::new("date")
            .args(["-u", "+%d/%b/%Y:%H:%M:%S +0000"])
            .output()
            .unwrap();
        let time = String::from_utf8(time.stdout).unwrap();
        let mut text = std::mem::take(&mut self.open_end);
        for _ in 0..random.usize(1..200) {
            // Now and then, a line of many thousand bytes.
            let agent = "x".repeat(if random.u32(0..50) == 0 {
                random.usize(0..300_000)
            } else {
                20
            });
            let _ = writeln!(
                text,
                "192.0.2.{} - - [{}] \"GET /r{}/x HTTP/1.1\" 200 {} \"-\" \"{agent}\" 0.001",
                random.u8(..),
                time.trim(),
                random.char('a'..'h'),
                self.lines
            );
            self.lines += 1;
        }
        // Sometimes the last line comes in two writes.
        let cut = text.len() - random.usize(0..40) * usize::from(random.bool());
        File::options()
            .create(true)
            .append(true)
            .open(&self.path)
            .unwrap()
            .write_all(&text.as_bytes()[..cut])
            .unwrap();
        self.open_end = text[cut..].to_owned();
    }

    fn finish_line(&mut self) {
        let rest = std::mem::take(&mut self.open_end);
        if let Ok(mut file) = File::options().append(true).open(&self.path) {
            file.write_all(rest.as_bytes()).unwrap();
        }
    }

    fn rotate(&mut self, random: &mut fastrand::Rng) -> &'static str {
        self.finish_line();
        for number in (1..30).rev() {
            for packed in [false, true] {
                let _ = fs::rename(
                    self.generation(number, packed),
                    self.generation(number + 1, packed),
                );
            }
        }
        let first = self.generation(1, false);
        match random.u32(0..4) {
            0 => {
                fs::copy(&self.path, &first).unwrap();
                File::create(&self.path).unwrap();
                "copytruncate"
            }
            1 => {
                fs::rename(&self.path, &first).unwrap();
                assert!(Command::new("gzip").arg(&first).status().unwrap().success());
                "rename and compress"
            }
            2 => {
                fs::rename(&self.path, &first).unwrap();
                // Delayed compression: the one before.
                let second = self.generation(2, false);
                if second.exists() {
                    assert!(
                        Command::new("gzip")
                            .arg(&second)
                            .status()
                            .unwrap()
                            .success()
                    );
                }
                "rename, compress the one before"
            }
            _ => {
                fs::rename(&self.path, &first).unwrap();
                "rename"
            }
        }
    }
}

fn signal(agent: &Process, name: &str) {
    let id = agent.id().to_string();
    assert!(
        Command::new("kill")
            .args([name, &id])
            .status()
            .unwrap()
            .success()
    );
}

#[test]
fn every_line_counts_once_through_rotations_kills_and_freezes() {
    let mut random = fastrand::Rng::with_seed(seed());
    let mut stack = Stack::start();
    fs::create_dir(stack.path("logs")).unwrap();
    let mut log = Log {
        path: stack.path("logs/access.log"),
        lines: 0,
        open_end: String::new(),
    };
    let sources = format!(
        "[sources.requests]\nfrom = \"start\"\ninterval_ms = 100\nlogs = [{{ path = {:?}, service = \"crm\", format = \"nginx\" }}]\n",
        log.path
    );
    let config = stack.agent_config("app-01", &sources);
    let mut agent = Some(stack.start_configured_agent("app-01", &config));
    let mut frozen = false;
    let stored = "SELECT toUInt64(sum(requests)) FROM requests_raw";
    // The file is known to the agent before the first rotation.
    log.write(&mut random);
    stack.wait_number("the first lines", stored, |count| count > 0);
    for step in 0..STEPS {
        log.write(&mut random);
        let what = match random.u32(0..12) {
            0..4 => log.rotate(&mut random),
            4 if agent.is_none() => {
                agent = Some(stack.start_configured_agent("app-01", &config));
                "start"
            }
            4 | 5 => {
                if let Some(mut running) = agent.take() {
                    if frozen {
                        signal(&running, "-CONT");
                        frozen = false;
                    }
                    match random.bool() {
                        true => running.kill(),
                        false => assert!(running.terminate().success()),
                    }
                    "stop"
                } else {
                    agent = Some(stack.start_configured_agent("app-01", &config));
                    "start"
                }
            }
            6 => match &agent {
                Some(running) => {
                    signal(running, if frozen { "-CONT" } else { "-STOP" });
                    frozen = !frozen;
                    "freeze or thaw"
                }
                None => "nothing",
            },
            _ => "nothing",
        };
        println!("step {step}: {what}, {} lines", log.lines);
        // Chance, not waiting for anything: the agent's own pace is 100 ms.
        std::thread::sleep(Duration::from_millis(random.u64(0..250)));
    }
    log.finish_line();
    match &agent {
        Some(running) if frozen => signal(running, "-CONT"),
        Some(_) => {}
        None => agent = Some(stack.start_configured_agent("app-01", &config)),
    }
    let lines = log.lines;
    stack.wait_number(&format!("{lines} lines to be stored"), stored, |count| {
        count >= lines
    });
    assert!(agent.unwrap().terminate().success());
    let (code, proof) = stack.ledger(&["--json"]);
    assert_eq!(code, 0, "{proof}");
    assert!(stack.collector.as_mut().unwrap().terminate().success());
    assert_eq!(stack.number(stored), lines);
    assert_eq!(
        stack.number("SELECT toUInt64(sum(response_bytes)) FROM requests_1d"),
        lines * (lines - 1) / 2,
        "the sum of every line's own number"
    );
}
