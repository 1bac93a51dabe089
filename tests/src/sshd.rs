//! A real sshd on loopback, real logins at it, and the journal that it writes to.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::neighbours::program;
use crate::stack::free_port;
use crate::{Process, Stack, wait_for};

/// An sshd that asks for passwords, and lets root in with a key of its own.
pub struct Sshd {
    port: u16,
    directory: PathBuf,
    askpass: PathBuf,
    _process: Process,
}

impl Sshd {
    /// Starts it. `None`, with a line that says why, where it cannot run.
    ///
    /// # Panics
    /// When it does not start; under `CI=true` also where it is not installed.
    #[must_use]
    pub fn start(stack: &Stack) -> Option<Self> {
        let sshd = program("sshd", "openssh-server")?;
        program("ssh", "openssh-client")?;
        program("journalctl", "systemd")?;
        if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
            println!("SKIPPED: sshd checks passwords only as root");
            return None;
        }
        let directory = stack.path("sshd");
        fs::create_dir_all(&directory).unwrap();
        for key in ["host_key", "client_key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(directory.join(key))
                .status()
                .unwrap();
            assert!(made.success());
        }
        let askpass = directory.join("askpass");
        fs::write(&askpass, "#!/bin/sh\necho wrong-password\n").unwrap();
        fs::set_permissions(&askpass, fs::Permissions::from_mode(0o700)).unwrap();
        let port = free_port();
        let config = directory.join("sshd_config");
        let root = directory.display();
        fs::write(
            &config,
            format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {root}/host_key\nPidFile {root}/pid\nUsePAM yes\n\
                 PasswordAuthentication yes\nKbdInteractiveAuthentication no\nMaxAuthTries 3\nMaxStartups 100\n\
                 AuthorizedKeysFile {root}/client_key.pub\nStrictModes no\n"
            ),
        )
        .unwrap();
        // sshd insists on it, and Debian makes it when the service starts.
        fs::create_dir_all("/run/sshd").unwrap();
        let process = Process::start(
            "sshd",
            Command::new(sshd).arg("-D").arg("-f").arg(&config),
            &stack.path("sshd.log"),
        );
        wait_for("sshd to answer", || {
            TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
        });
        Some(Self {
            port,
            directory,
            askpass,
            _process: process,
        })
    }

    /// One login with a wrong password, from an address of this host.
    ///
    /// # Panics
    /// When it is not refused.
    pub fn refused_login(&self, from: &str, user: &str) {
        let mut ssh = self.ssh(from, user);
        ssh.args(["-o", "PreferredAuthentications=password"]);
        ssh.args(["-o", "PubkeyAuthentication=no"]);
        let said = String::from_utf8_lossy(&run(&mut ssh).stderr).into_owned();
        assert!(said.contains("Permission denied"), "{user}: {said}");
    }

    /// One login of root with the key that is let in.
    ///
    /// # Panics
    /// When it is refused.
    pub fn login(&self, from: &str) {
        let mut ssh = self.ssh(from, "root");
        ssh.args(["-o", "IdentitiesOnly=yes", "-i"]);
        ssh.arg(self.directory.join("client_key"));
        let output = run(&mut ssh);
        assert!(output.status.success(), "{output:?}");
    }

    fn ssh(&self, from: &str, user: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=no"])
            .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .args(["-o", "NumberOfPasswordPrompts=1"])
            .args(["-b", from, "-p", &self.port.to_string(), "-l", user])
            .env("SSH_ASKPASS", &self.askpass)
            .env("SSH_ASKPASS_REQUIRE", "force")
            .stdin(Stdio::null());
        ssh
    }
}

fn run(ssh: &mut Command) -> Output {
    ssh.args(["127.0.0.1", "true"]).output().unwrap()
}

/// Whether what is logged now can be read back from a journal.
fn journal_works() -> bool {
    let mark = format!("crmscope-mark-{}", std::process::id());
    let logged = Command::new("logger")
        .args(["-t", "crmscope-test", &mark])
        .stderr(Stdio::null())
        .status();
    logged.is_ok_and(|status| status.success())
        && (0..20).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            let read = Command::new("journalctl")
                .args(["-t", "crmscope-test", "-n", "5", "-o", "cat", "--no-pager"])
                .output();
            read.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&mark))
        })
}

/// The machine's journal, or a journald of our own where none runs (containers). `None` when neither can be.
///
/// # Panics
/// Under `CI=true` when there is none.
#[must_use]
pub fn journal(stack: &Stack) -> Option<Option<Process>> {
    if journal_works() {
        return Some(None);
    }
    let journald = PathBuf::from("/lib/systemd/systemd-journald");
    let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if root && journald.is_file() && fs::symlink_metadata("/dev/log").is_err()
        || Path::new("/run/systemd/journal/dev-log").exists()
    {
        fs::create_dir_all("/run/systemd/journal").unwrap();
        let process = Process::start(
            "journald",
            &mut Command::new(journald),
            &stack.path("journald.log"),
        );
        wait_for("journald's socket", || {
            Path::new("/run/systemd/journal/dev-log")
                .exists()
                .then_some(())
                .ok_or_else(|| "not there".to_owned())
        });
        if fs::symlink_metadata("/dev/log").is_err() {
            std::os::unix::fs::symlink("/run/systemd/journal/dev-log", "/dev/log").unwrap();
        }
        if wait_journal() {
            return Some(Some(process));
        }
    }
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "no journal can be read or started here"
    );
    println!("SKIPPED: no journal can be read, and this user cannot start one");
    None
}

fn wait_journal() -> bool {
    (0..10).any(|_| journal_works())
}
