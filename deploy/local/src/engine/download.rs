//! What only npm's registry has: its description of a package, and `npm pack` where there is no curl.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::EngineError;
use super::fetch::fetch_error;
use super::package::Package;
use crate::download::{self, Progress, line};

/// The setting that chooses another registry.
const MIRROR: &str = "npm_config_registry";

pub(super) fn curl(url: &str) -> Result<Child, EngineError> {
    download::curl(url, 0).map_err(|error| fetch_error(error.to_string()))
}

pub(super) fn finish(child: Child, url: &str) -> Result<(), EngineError> {
    download::finish(child, url, MIRROR).map_err(|error| fetch_error(error.to_string()))
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
