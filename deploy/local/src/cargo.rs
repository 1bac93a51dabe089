//! Cargo, for programs that cargo itself has run: `cargo up`, and tests that need the other programs.

use std::process::Command;

/// A cargo that finds what was built before.
///
/// Cargo tells a program that it runs which package it is of, in the environment. Build scripts that look
/// at that (ring's does) would run again for each package, and all that rests on them be built again.
#[must_use]
pub fn nested() -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_a_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether who runs this has built every program, tests with them: then cargo need not look, which
/// takes seconds for each of many tests. CI says so by `CRMSCOPE_PROGRAMS_ARE_BUILT=1`.
#[must_use]
pub fn are_programs_built() -> bool {
    std::env::var_os("CRMSCOPE_PROGRAMS_ARE_BUILT").is_some_and(|value| value == "1")
}

fn is_of_a_package(variable: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
    prefixes.iter().any(|prefix| variable.starts_with(prefix))
        || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"].contains(&variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_cargo_does_not_hear_which_package_runs_it() {
        // Set by the cargo that runs this test.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let command = nested();
        let is_removed = |name: &str| {
            command
                .get_envs()
                .any(|(key, value)| key == name && value.is_none())
        };
        for name in [
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "CARGO_PKG_VERSION_MAJOR",
        ] {
            assert!(is_removed(name), "{name}");
        }
        for name in [
            "CARGO",
            "CARGO_HOME",
            "CARGO_TARGET_DIR",
            "CARGO_PROFILE_DEV_DEBUG",
        ] {
            assert!(!is_of_a_package(name), "{name}");
        }
    }
}
