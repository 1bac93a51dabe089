//! Running curl or npm: the two ways to a registry that respect this machine's proxies and
//! certificates.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::EngineError;
use super::fetch::fetch_error;
use super::package::Package;
use super::progress::{Progress, line};

pub(super) fn exists(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

pub(super) fn curl(url: &str) -> Result<Child, EngineError> {
    // Retries repeat only what failed before its first byte; a broken transfer is reported.
    Command::new("curl")
        .args([
            "--fail",
            "--location",
            "--silent",
            "--show-error",
            "--connect-timeout",
            "20",
        ])
        .args([
            "--retry",
            "3",
            "--retry-connrefused",
            "--speed-time",
            "60",
            "--speed-limit",
            "1",
        ])
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| fetch_error(format!("start curl: {error}")))
}

pub(super) fn finish(child: Child, url: &str) -> Result<(), EngineError> {
    let output = child
        .wait_with_output()
        .map_err(|error| fetch_error(format!("wait for curl: {error}")))?;
    // 23: it could not write, because unpacking stopped first; that error is the one to show.
    if output.status.success() || output.status.code() == Some(23) {
        return Ok(());
    }
    // One line for each attempt; the last says it.
    let text = String::from_utf8_lossy(&output.stderr);
    let reason = text.lines().last().unwrap_or("curl failed").trim();
    Err(fetch_error(format!(
        "download {url}: {reason}: check the network, or npm_config_registry for a mirror"
    )))
}

pub(super) fn npm_pack(package: &Package, directory: &Path) -> Result<PathBuf, EngineError> {
    let _progress = Progress::new("fetching ClickHouse's engine with npm", None);
    let spec = package.spec();
    let output = Command::new("npm")
        .args(["pack", "--silent", "--pack-destination"])
        .arg(directory)
        .arg(&spec)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| fetch_error(format!("start npm: {error}")))?;
    let name = String::from_utf8_lossy(&output.stdout)
        .lines()
        .last()
        .unwrap_or("")
        .trim()
        .to_owned();
    if !output.status.success() || name.is_empty() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(fetch_error(format!(
            "npm pack {spec}: {reason}: check the network"
        )));
    }
    Ok(directory.join(name))
}

/// For a package nobody pinned: what the registry itself says the archive is.
pub(super) fn registry_integrity(url: &str) -> Result<String, EngineError> {
    let mut child = curl(url)?;
    let mut text = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = stdout.take(4 << 20).read_to_end(&mut text);
    }
    finish(child, url)?;
    line("no checksum is pinned for this platform: trusting the registry's own");
    serde_json::from_slice::<serde_json::Value>(&text)
        .ok()
        .and_then(|json| Some(json.get("dist")?.get("integrity")?.as_str()?.to_owned()))
        .filter(|integrity| integrity.starts_with("sha512-"))
        .ok_or_else(|| {
            fetch_error(format!(
                "{url} tells no sha512 integrity: use another registry"
            ))
        })
}
