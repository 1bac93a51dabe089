//! Real sshd on loopback refusing real logins, through the real journal: the events in ClickHouse
//! are the attempts made.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crmscope_tests::neighbours::program;
use crmscope_tests::stack::free_port;
use crmscope_tests::{Process, Stack, wait_for};

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
fn journal(stack: &Stack) -> Option<Option<Process>> {
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

struct Sshd {
    port: u16,
    _process: Process,
}

fn start_sshd(stack: &Stack, sshd: &Path) -> Sshd {
    let directory = stack.path("sshd");
    fs::create_dir_all(&directory).unwrap();
    let key = directory.join("host_key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status()
        .unwrap();
    assert!(made.success());
    let port = free_port();
    let config = directory.join("sshd_config");
    fs::write(
        &config,
        format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nPidFile {}/pid\nUsePAM yes\n\
             PasswordAuthentication yes\nKbdInteractiveAuthentication no\nMaxAuthTries 3\nMaxStartups 100\n",
            key.display(),
            directory.display()
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
        std::net::TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string())
    });
    Sshd {
        port,
        _process: process,
    }
}

/// One login with a wrong password.
fn refused_login(stack: &Stack, sshd: &Sshd, user: &str) {
    let askpass = stack.path("askpass");
    if !askpass.exists() {
        fs::write(&askpass, "#!/bin/sh\necho wrong-password\n").unwrap();
        fs::set_permissions(&askpass, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let output = Command::new("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args([
            "-o",
            "PreferredAuthentications=password",
            "-o",
            "PubkeyAuthentication=no",
        ])
        .args(["-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR"])
        .args([
            "-p",
            &sshd.port.to_string(),
            "-l",
            user,
            "127.0.0.1",
            "true",
        ])
        .env("SSH_ASKPASS", &askpass)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Permission denied"), "{user}: {said}");
}

/// Whether the agent has a child named journalctl.
fn has_reader(agent: &Process) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", agent.id()));
    threads.into_iter().flatten().flatten().any(|thread| {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.split_whitespace().any(|child| {
            fs::read_to_string(format!("/proc/{child}/comm"))
                .is_ok_and(|name| name.trim() == "journalctl")
        })
    })
}

#[test]
fn refused_logins_are_the_events_stored() {
    let Some(sshd) = program("sshd", "openssh-server") else {
        return;
    };
    if program("ssh", "openssh-client").is_none() || program("journalctl", "systemd").is_none() {
        return;
    }
    if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        println!("SKIPPED: sshd checks passwords only as root");
        return;
    }
    let stack = Stack::start();
    let Some(_journal) = journal(&stack) else {
        return;
    };
    let sshd = start_sshd(&stack, &sshd);
    let mut agent = stack.start_agent(
        "bastion-01",
        "[sources.security]\njournal = true\njournal_idle_ms = 1000\n",
    );
    stack.wait_number(
        "the agent's first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );

    // An account that exists, some that do not, one whose name tries to frame another address, and
    // one that sshd writes in octal.
    let attempts = [
        ("root", 3),
        ("nobody-here", 4),
        ("sales", 2),
        ("x from 6.6.6.6 port 22 ssh2", 2),
        ("jörg sales", 1),
    ];
    for (user, times) in attempts {
        (0..times).for_each(|_| refused_login(&stack, &sshd, user));
    }
    let of = |user: &str| {
        format!(
            "SELECT toUInt64(sum(count)) FROM security_events WHERE kind = 'ssh_login' AND status_id = 2 \
             AND user = '{}'",
            user.replace('\\', "\\\\").replace('ö', "\\\\303\\\\266")
        )
    };
    for (user, times) in attempts {
        stack.wait_number(
            &format!("{times} refused logins of {user}"),
            &of(user),
            |seen| seen == times,
        );
    }
    let total: u64 = attempts.iter().map(|(_, times)| times).sum();
    let all = "SELECT toUInt64(sum(count)) FROM security_events WHERE kind = 'ssh_login'";
    assert_eq!(stack.number(all), total);
    assert_eq!(
        stack.number(&format!(
            "{all} AND source_address = '127.0.0.1' AND source_port > 0"
        )),
        total
    );
    let rolled_up =
        "SELECT toUInt64(sum(events)) FROM security_1m WHERE kind = 'ssh_login' AND status_id = 2";
    stack.wait_number("the roll-up of them", rolled_up, |events| events == total);

    // Without a reader, since nothing comes: the next one is noticed all the same.
    for seen_before in [3, 4] {
        wait_for("the journal's reader to be ended", || {
            match has_reader(&agent) {
                true => Err("it runs".to_owned()),
                false => Ok(()),
            }
        });
        refused_login(&stack, &sshd, "root");
        stack.wait_number("a refused login after a rest", &of("root"), |seen| {
            seen > seen_before
        });
    }
    let total = total + 2;
    assert_eq!(stack.number(all), total);

    // Killed and started again, it reads on where it stood.
    agent.kill();
    refused_login(&stack, &sshd, "sales");
    let agent_config = stack.path("bastion-01.toml");
    let mut agent = stack.start_configured_agent("bastion-01", &agent_config);
    stack.wait_number(
        "the login made while the agent was down",
        &of("sales"),
        |seen| seen == 3,
    );
    assert_eq!(stack.number(all), total + 1);
    assert!(agent.terminate().success());
    let (code, proof) = stack.ledger(&[]);
    assert_eq!(code, 0, "{proof}");
}
