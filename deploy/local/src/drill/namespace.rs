//! A place where a file system may be mounted, for those who are not root.
//!
//! A drill that needs a small disk starts itself again as root of a user namespace of its own, with
//! mounts that nobody else sees. Leaves to the drill what it mounts, and saying why it cannot where
//! such namespaces may not be made.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use super::table::{self, Fault};
use super::{Arguments, say};

/// Starts the program again where it may mount, if a drill needs that. Returns where none does, where
/// it may already, and where it may not at all.
pub fn enter(arguments: &Arguments) {
    let mounts = table::chosen(&arguments.names).is_ok_and(|drills| {
        drills
            .iter()
            .any(|drill| matches!(drill.fault, Fault::FillDisk))
    });
    if arguments.list || !mounts || rustix::process::geteuid().is_root() {
        return;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "--"]);
        command
    };
    let tried = unshare()
        .arg("true")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !tried.is_ok_and(|status| status.success()) {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let error = unshare()
            .arg(program)
            .args(std::env::args_os().skip(1))
            .exec();
        say(&format!(
            "cannot start again in a namespace of its own: {error}"
        ));
    }
}
