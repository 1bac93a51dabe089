//! The pages in Chromium with an empty cache: how soon something is told, and how many bytes that takes.

use std::path::Path;
use std::process::Command;

use crmscope_tests::{Stack, neighbours};

use super::questions::QUESTIONS;
use super::{AGENT, SERVICE};

/// Prints what `first_view.mjs` says, a panel without an answer included; fails where a page asks what is not measured.
pub(crate) fn measure(stack: &Stack) {
    let (Some(node), Some(chromium)) = (
        neighbours::program("node", "nodejs"),
        neighbours::program("chromium", "chromium"),
    ) else {
        return;
    };
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("pages");
    if !directory.join("node_modules/puppeteer-core").is_dir() {
        println!(
            "SKIPPED: puppeteer-core is not installed; run `npm ci` in {}",
            directory.display()
        );
        return;
    }
    let known: Vec<&str> = QUESTIONS.iter().map(|question| question.query).collect();
    let output = Command::new(node)
        .current_dir(&directory)
        .args(["first_view.mjs", "--agent", AGENT, "--service", SERVICE])
        .args(["--base", &format!("http://127.0.0.1:{}", stack.http_port)])
        .arg("--chromium")
        .arg(chromium)
        .args(["--known", &known.join(",")])
        .output()
        .unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
