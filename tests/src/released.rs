//! Programs of the version before, for scenarios of upgrades.
//!
//! Owns where they are. Leaves building them to `tests/released/build-previous`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::process::binary;

/// Names the directory that holds them.
const DIRECTORY: &str = "CRMSCOPE_PREVIOUS_BINARIES";
/// Set to 1 where it must be there.
const REQUIRE: &str = "CRMSCOPE_REQUIRE_PREVIOUS";
/// What has to be in it.
const FILES: [&str; 4] = [
    "crmscope-agent",
    "crmscope-collector",
    "agent.example.toml",
    "collector.example.toml",
];

/// Which version a program is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Release {
    /// The one that is tested.
    #[default]
    This,
    /// The one that was released last.
    Previous,
}

impl Release {
    /// Path of one of its programs.
    ///
    /// # Panics
    /// When it does not build, or there is no directory with it: see [`gate`].
    #[must_use]
    pub fn binary(self, name: &str) -> PathBuf {
        match self {
            Self::This => binary(name),
            Self::Previous => previous(name),
        }
    }
}

/// Path of what was built of the version before: a program, or one of the example configurations.
///
/// # Panics
/// When there is no directory with it: see [`gate`].
#[must_use]
pub fn previous(name: &str) -> PathBuf {
    let directory = directory().unwrap_or_else(|| panic!("{DIRECTORY} is not set"));
    directory.join(name)
}

/// Relative to the workspace, as tests run in the directory of their package.
fn directory() -> Option<PathBuf> {
    let directory = std::env::var_os(DIRECTORY).filter(|directory| !directory.is_empty())?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    Some(workspace.join(directory))
}

/// Whether the programs are there. Where not, says on standard error how to have them, past the capture of
/// test output.
///
/// # Errors
/// When a directory is named that does not hold them, or `CRMSCOPE_REQUIRE_PREVIOUS=1` and none is.
pub fn gate() -> Result<bool, String> {
    let required = std::env::var(REQUIRE).as_deref() == Ok("1");
    let is_there = decide(directory().as_deref(), required)?;
    if !is_there {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        let text = format!(
            "SKIPPED: {test} needs the programs of the version before: run tests/released/build-previous, \
             and set {DIRECTORY} as it says ({REQUIRE}=1 makes this a failure)\n"
        );
        // Nobody hears it where standard error is closed.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    Ok(is_there)
}

fn decide(directory: Option<&Path>, required: bool) -> Result<bool, String> {
    let Some(directory) = directory else {
        return match required {
            true => Err(format!(
                "{DIRECTORY} is not set: run tests/released/build-previous, and set it as it says"
            )),
            false => Ok(false),
        };
    };
    for file in FILES {
        let path = directory.join(file);
        if !path.is_file() {
            return Err(format!(
                "{DIRECTORY}: {} is not there: run tests/released/build-previous",
                path.display()
            ));
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_programs_it_is_skipped_or_fails_as_asked() {
        assert_eq!(decide(None, false), Ok(false));
        assert!(decide(None, true).unwrap_err().contains(DIRECTORY));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        // Named, and empty: somebody meant to run it.
        assert!(decide(Some(path), false).is_err());
        for file in FILES {
            let error = decide(Some(path), false).unwrap_err();
            assert!(error.contains(file), "{error}");
            std::fs::write(path.join(file), "").unwrap();
        }
        assert_eq!(decide(Some(path), false), Ok(true));
    }
}
