//! The programs of crmscope, built beside this one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use tokio::process::Command;

/// The directory they are in.
#[derive(Clone, Debug)]
pub(crate) struct Binaries(PathBuf);

impl Binaries {
    /// Beside this program.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let program = std::env::current_exe()?;
        let directory = program.parent().context("this program has no directory")?;
        Ok(Self(directory.to_owned()))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.0
    }

    /// Builds them.
    pub(crate) fn build(&self) -> anyhow::Result<()> {
        let mut build = crate::cargo::nested();
        // Of the whole workspace, like the alias: other features would build the dependencies again.
        build.args(["build", "--workspace", "--bins"]);
        // Like this one; a directory is named as its profile, but for the debug build's.
        if let Some(profile) = self.0.file_name()
            && profile != "debug"
        {
            build.arg("--profile").arg(profile);
        }
        // The workspace this command was built from, wherever it is called.
        build.current_dir(env!("CARGO_MANIFEST_DIR"));
        let status = build
            .status()
            .context("run cargo (it must be on the PATH)")?;
        ensure!(status.success(), "the build failed; cargo says why above");
        Ok(())
    }

    /// One of them, by name.
    pub(crate) fn command(&self, name: &str) -> Command {
        Command::new(self.0.join(name))
    }
}
