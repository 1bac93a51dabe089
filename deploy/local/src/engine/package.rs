//! Which file libchdb is: name, version and checksums per platform, and where the registry is.

use std::process::{Command, Stdio};

use super::EngineError;

/// The version every part of crmscope is tested with.
pub(super) const VERSION: &str = "26.7.3-stable.1";
const DEFAULT_REGISTRY: &str = "https://registry.npmjs.org";

/// One platform's npm package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Package {
    pub(super) arch: &'static str,
    /// `@chdb/` and this.
    pub(super) name: &'static str,
    pub(super) pinned: Option<Pinned>,
}

/// What the file must be, known when this was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pinned {
    /// npm's integrity of the archive: `sha512-` and base64.
    pub(super) integrity: &'static str,
    pub(super) archive_bytes: u64,
    /// Of the unpacked libchdb.so, in hexadecimal.
    pub(super) library_sha256: &'static str,
    pub(super) library_bytes: u64,
}

const X64: Package = Package {
    arch: "x64",
    name: "lib-linux-x64-gnu",
    pinned: Some(Pinned {
        integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
        archive_bytes: 177_817_999,
        library_sha256: "36ad4e999882821ef13cf2d0f52c93f48e6ee1b4498b35a201c23ce4b8d15bf5",
        library_bytes: 566_330_096,
    }),
};

/// Not pinned: nobody has run this one for crmscope yet, so the registry's own word is all.
const ARM64: Package = Package {
    arch: "arm64",
    name: "lib-linux-arm64-gnu",
    pinned: None,
};

impl Package {
    pub(super) fn of_this_machine() -> Result<Package, EngineError> {
        match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") => Ok(X64),
            ("linux", "aarch64") => Ok(ARM64),
            (os, arch) => Err(EngineError::Platform(format!("{os} on {arch}"))),
        }
    }

    /// What `npm pack` is asked for.
    pub(super) fn spec(&self) -> String {
        format!("@chdb/{}@{VERSION}", self.name)
    }

    pub(super) fn archive_url(&self, registry: &str) -> String {
        format!("{registry}/@chdb/{0}/-/{0}-{VERSION}.tgz", self.name)
    }

    /// The registry's description, which holds `dist.integrity`.
    pub(super) fn description_url(&self, registry: &str) -> String {
        format!("{registry}/@chdb%2f{}/{VERSION}", self.name)
    }
}

/// The npm registry this machine is set up for, without a trailing slash.
pub(super) fn registry() -> String {
    let from_environment = ["npm_config_registry", "NPM_CONFIG_REGISTRY"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let url = from_environment
        .or_else(registry_of_npm)
        .unwrap_or_else(|| DEFAULT_REGISTRY.to_owned());
    url.trim_end_matches('/').to_owned()
}

fn registry_of_npm() -> Option<String> {
    let output = Command::new("npm")
        .args(["config", "get", "registry"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let url = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && url.starts_with("http")).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_the_registry_layout() {
        assert_eq!(
            X64.archive_url("https://registry.npmjs.org"),
            "https://registry.npmjs.org/@chdb/lib-linux-x64-gnu/-/lib-linux-x64-gnu-26.7.3-stable.1.tgz"
        );
        assert_eq!(
            ARM64.description_url("http://r"),
            "http://r/@chdb%2flib-linux-arm64-gnu/26.7.3-stable.1"
        );
        assert_eq!(X64.spec(), "@chdb/lib-linux-x64-gnu@26.7.3-stable.1");
    }
}
