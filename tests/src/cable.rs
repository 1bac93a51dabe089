//! A host of its own, as far as the kernel makes one: a network namespace at the end of a cable that
//! can be pulled, and boots with their own ids and clocks.
//!
//! Needs root, `ip` and `unshare`; [`Cable::lay`] says so where it cannot be had. Addresses are of
//! 198.18.0.0/15, which RFC 2544 sets aside for tests.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Most cables that one test process can lay.
const CABLES_MAX: u32 = 8;

/// A network namespace and the cable to it; both gone at the end.
pub struct Cable {
    namespace: String,
    near: String,
    address: Ipv4Addr,
}

impl Cable {
    /// Lays a cable to a new namespace.
    ///
    /// # Errors
    /// When this user may not, or the kernel cannot: with what `ip` said.
    ///
    /// # Panics
    /// When more than [`CABLES_MAX`] are laid by one process.
    pub fn lay() -> Result<Self, String> {
        static LAID: AtomicU32 = AtomicU32::new(0);
        let number = LAID.fetch_add(1, Ordering::Relaxed);
        assert!(number < CABLES_MAX, "only {CABLES_MAX} cables a process");
        let process = std::process::id();
        // Four addresses for each, apart from those of other test processes.
        let block = (process * CABLES_MAX + number) % (1 << 15);
        let network = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + block * 4;
        let [address, far_address] = [1, 2].map(|host| Ipv4Addr::from(network + host));
        let cable = Self {
            namespace: format!("crmscope-{process}-{number}"),
            near: format!("cn{process}x{number}"),
            address,
        };
        let far = format!("cf{process}x{number}");
        let (namespace, near) = (cable.namespace.as_str(), cable.near.as_str());
        ip(&["netns", "add", namespace])?;
        ip(&[
            "link", "add", near, "type", "veth", "peer", "name", &far, "netns", namespace,
        ])?;
        ip(&["addr", "add", &format!("{address}/30"), "dev", near])?;
        ip(&["link", "set", near, "up"])?;
        for arguments in [
            &["addr", "add", &format!("{far_address}/30"), "dev", &far][..],
            &["link", "set", &far, "up"],
            &["link", "set", "lo", "up"],
        ] {
            ip(&[&["-n", namespace], arguments].concat())?;
        }
        Ok(cable)
    }

    /// The address of this end, at which whoever is in the namespace finds what listens here.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The name of this end's interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.near
    }

    /// Pulls the cable, or puts it back.
    ///
    /// # Panics
    /// When the interface is gone.
    pub fn pull(&self, out: bool) {
        ip(&["link", "set", &self.near, if out { "down" } else { "up" }]).unwrap();
    }

    /// A program in the namespace, on the boot of this machine.
    #[must_use]
    pub fn command(&self, program: &Path) -> Command {
        let mut command = self.inside();
        command.arg(program);
        command
    }

    /// A program in the namespace, on a boot of its own that began `seconds` ago: another boot id
    /// (a UUID in the file `boot_id`, for as long as the program runs), and clocks since boot that say so.
    ///
    /// # Panics
    /// When the uptime of this machine cannot be read, or is less than `seconds`.
    #[must_use]
    pub fn command_of_boot(&self, program: &Path, boot_id: &Path, seconds: u64) -> Command {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let whole = uptime.split('.').next().unwrap();
        let ago = whole.parse::<u64>().unwrap().checked_sub(seconds).unwrap();
        let mut command = self.inside();
        command
            .args(["unshare", "--mount", "--time"])
            .args(["--boottime", &format!("-{ago}")])
            .args(["--monotonic", &format!("-{ago}")])
            .args(["sh", "-c"])
            .arg("mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"")
            .arg(boot_id)
            .arg(program);
        command
    }

    /// `ip netns exec` runs the program in its own place: the process is the program's.
    fn inside(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace]);
        command
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The cable goes with the namespace, unless laying it failed half-way.
        let _ = ip(&["link", "del", &self.near]);
        let _ = ip(&["netns", "del", &self.namespace]);
    }
}

fn ip(arguments: &[&str]) -> Result<(), String> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("ip {}: {}", arguments.join(" "), said.trim()))
}
