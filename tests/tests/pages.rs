//! The pages in a real browser: at the first start, and with hosts that are well, silent and hostile.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crmscope_tests::{Stack, neighbours};

/// Node, Chromium, and the check with what it needs; `None` where something is missing, with a line.
fn browser() -> Option<(PathBuf, PathBuf, PathBuf)> {
    let node = neighbours::program("node", "nodejs")?;
    let chromium = neighbours::program("chromium", "chromium")?;
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("pages");
    if !check.join("node_modules/puppeteer-core").is_dir() {
        let remedy = format!("run `npm ci` in {}", check.display());
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "puppeteer-core is missing; {remedy}"
        );
        println!("SKIPPED: puppeteer-core is not installed; {remedy}");
        return None;
    }
    Some((node, chromium, check))
}

/// Runs node and fails with all that it says.
fn node(node: &Path, directory: &Path, arguments: &[&str]) {
    let output = Command::new(node)
        .current_dir(directory)
        .args(arguments)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(
        output.status.success(),
        "node {}: {said}{}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn date(format: &str) -> String {
    let output = Command::new("date").args(["-u", format]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Requests of which some fail, are slow, or are meant to become markup.
fn requests() -> String {
    let time = date("+%d/%b/%Y:%H:%M:%S +0000");
    let mut lines = String::new();
    for number in 0..300u64 {
        let (path, status, latency) = match number % 5 {
            0 => ("/slow", 200, "2.200"),
            1 => ("/broken", 502, "0.020"),
            2 => ("/<img src=x onerror=alert(1)>/\u{202e}txt", 404, "0.004"),
            _ => ("/account/17", 200, "0.010"),
        };
        let path = path.replace(' ', "%20");
        let _ = writeln!(
            lines,
            "192.0.2.{} - - [{time}] \"GET {path} HTTP/1.1\" {status} 100 \"-\" \"-\" {latency}",
            number % 7
        );
    }
    lines
}

/// Logins that fail, by names that are meant to become markup or to turn what stands around them.
fn logins() -> String {
    let time = date("+%Y-%m-%dT%H:%M:%S.000000+00:00");
    let mut lines = String::new();
    for number in 0..20 {
        let user = ["root", "<b>eve</b>", "\u{202e}toor", "admin"][number % 4];
        let _ = writeln!(
            lines,
            "{time} app sshd[42]: Failed password for invalid user {user} from 203.0.113.9 port {} ssh2",
            4000 + number
        );
    }
    let _ = writeln!(
        lines,
        "{time} app useradd[43]: new user: name=eve, UID=1001, GID=1001, home=/home/eve, shell=/bin/sh, from=none"
    );
    lines
}

#[test]
fn every_page_can_be_read_and_used() {
    let Some((program, chromium, check)) = browser() else {
        return;
    };
    node(&program, &check, &["--test", "unit.test.mjs"]);
    let stack = Stack::start();
    let base = format!("http://127.0.0.1:{}", stack.http_port);
    let chromium = chromium.to_string_lossy();
    let common = ["check.mjs", "--base", &base, "--chromium", &chromium];
    node(&program, &check, &common);

    let (access, auth) = (stack.path("access.log"), stack.path("auth.log"));
    fs::write(&access, requests()).unwrap();
    fs::write(&auth, "").unwrap();
    let sources = format!(
        "[sources.requests]\nfrom = \"start\"\nlogs = [{{ path = {access:?}, service = \"crm\" }}]\n\
         [sources.security]\njournal = false\nauth_logs = [{auth:?}]\n\
         [sources.transport]\ninterval_ms = 1000\n[sources.filesystem]\ninterval_ms = 1000\n"
    );
    let mut silent = stack.start_agent("db-02", "");
    let mut agent = stack.start_agent("app-01", &sources);
    stack.wait_number(
        "a beat of both",
        "SELECT uniqExact(agent_id) FROM heartbeats",
        |agents| agents == 2,
    );
    fs::write(&auth, logins()).unwrap();
    silent.kill();
    for (what, sql, least) in [
        (
            "every request",
            "SELECT toUInt64(sum(requests)) FROM requests_1m",
            300,
        ),
        (
            "every login",
            "SELECT toUInt64(sum(events)) FROM security_1m",
            21,
        ),
        (
            "minutes of the host",
            "SELECT count() FROM host_1m WHERE agent_id = 'app-01'",
            1,
        ),
        (
            "a file system",
            "SELECT count() FROM filesystem_1m WHERE agent_id = 'app-01'",
            1,
        ),
    ] {
        stack.wait_number(what, sql, |found| found >= least);
    }
    let mut arguments = common.to_vec();
    arguments.extend(["--agent", "app-01", "--service", "crm"]);
    node(&program, &check, &arguments);
    agent.kill();
}
