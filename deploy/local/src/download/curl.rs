//! Running curl.

use std::process::{Child, Command, Stdio};

use super::DownloadError;

/// curl's exit code when it could not write: the reader stopped first, and its error is the one to show.
const WRITE_ERROR: i32 = 23;

/// Whether a program can be run.
pub(crate) fn exists(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Starts a download to the child's standard output, from byte `offset` on.
pub(crate) fn curl(url: &str, offset: u64) -> Result<Child, DownloadError> {
    let mut command = Command::new("curl");
    // Retries repeat only what failed before its first byte; a broken transfer is reported.
    command
        .args(["--fail", "--location", "--silent", "--show-error"])
        .args(["--connect-timeout", "20"])
        .args(["--retry", "3", "--retry-connrefused"])
        .args(["--speed-time", "60", "--speed-limit", "1"]);
    if offset > 0 {
        command.args(["--continue-at", &offset.to_string()]);
    }
    command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| DownloadError(format!("start curl: {error}")))
}

/// Waits for the end. `mirror` names the setting that chooses another registry.
pub(crate) fn finish(child: Child, url: &str, mirror: &str) -> Result<(), DownloadError> {
    let output = child
        .wait_with_output()
        .map_err(|error| DownloadError(format!("wait for curl: {error}")))?;
    if output.status.success() || output.status.code() == Some(WRITE_ERROR) {
        return Ok(());
    }
    // One line for each attempt; the last says it.
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text.lines().last().unwrap_or("curl failed").trim();
    Err(DownloadError(format!(
        "download {url}: {reason}: check the network, or {mirror} for a mirror"
    )))
}
