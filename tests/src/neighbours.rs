//! Programs that stand beside crmscope on a CRM host: nginx, sshd and their like.

use std::path::PathBuf;

/// Finds a program, also where only root looks.
///
/// Without it the scenario is skipped with a line that says how to install it, except under
/// `CI=true`, where a missing program is a failure: a scenario must not pass by not running.
///
/// # Panics
/// Under `CI=true` when the program is missing.
#[must_use]
pub fn program(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file());
    if found.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "{name} is missing; install the package {package}"
        );
        println!("SKIPPED: {name} is not installed; on Debian: apt-get install {package}");
    }
    found
}
