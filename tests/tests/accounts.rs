//! The real useradd, usermod, userdel, groupadd, gpasswd and chpasswd change accounts in a root of
//! their own: the events in ClickHouse add up to what stands in its passwd and group files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "test code outside of test functions"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crmscope_tests::neighbours::program;
use crmscope_tests::{Stack, seed};

const TOOLS: [&str; 6] = [
    "useradd", "usermod", "userdel", "groupadd", "gpasswd", "chpasswd",
];

/// A root with the programs, their libraries, and account files that nobody else uses.
struct Root {
    path: PathBuf,
    /// Where the programs log to: `/dev/log` of that root.
    log: UnixDatagram,
    /// What they logged, as rsyslog writes it.
    lines: String,
}

impl Root {
    fn new(path: PathBuf, tools: &[PathBuf]) -> Self {
        for folder in ["etc/pam.d", "dev", "home", "tmp"] {
            fs::create_dir_all(path.join(folder)).unwrap();
        }
        let mut files: Vec<PathBuf> = tools.to_vec();
        files.extend(["pam_unix", "pam_permit", "pam_rootok"].map(pam_module));
        for file in files {
            copy(&path, &file);
            for library in libraries(&file) {
                copy(&path, &library);
            }
        }
        let stack = "auth sufficient pam_rootok.so\naccount required pam_permit.so\npassword required pam_unix.so\nsession required pam_permit.so\n";
        for service in ["useradd", "chpasswd", "other"] {
            fs::write(path.join("etc/pam.d").join(service), stack).unwrap();
        }
        for (name, text) in [
            ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            ("group", "root:x:0:\nsudo:x:27:\n"),
            ("shadow", "root:*:19000:0:99999:7:::\n"),
            ("gshadow", "root:*::\nsudo:*::\n"),
            (
                "nsswitch.conf",
                "passwd: files\ngroup: files\nshadow: files\n",
            ),
            (
                "login.defs",
                "UID_MIN 1000\nUID_MAX 60000\nUSERGROUPS_ENAB yes\n",
            ),
            ("subuid", ""),
            ("subgid", ""),
        ] {
            fs::write(path.join("etc").join(name), text).unwrap();
        }
        let log = UnixDatagram::bind(path.join("dev/log")).unwrap();
        log.set_nonblocking(true).unwrap();
        Self {
            path,
            log,
            lines: String::new(),
        }
    }

    /// Runs a program in the root. Returns whether it succeeded.
    fn run(&mut self, command: &[&str], input: &str) -> bool {
        let mut child = Command::new("chroot")
            .arg(&self.path)
            .args(command)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let mut datagram = [0; 8192];
        while let Ok(length) = self.log.recv(&mut datagram) {
            // `<86>Nov 25 09:52:49 useradd[1135]: …`; rsyslog puts the host behind the time.
            let text = String::from_utf8_lossy(&datagram[..length]).into_owned();
            let (_, text) = text.split_once('>').unwrap();
            let (time, rest) = text.split_at(16);
            self.lines
                .push_str(&format!("{time}host {}\n", rest.trim_end()));
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        println!("{command:?}: {} {}", output.status, complaint.trim());
        output.status.success()
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.path.join("etc").join(name)).unwrap()
    }

    fn accounts(&self) -> BTreeSet<String> {
        let text = self.file("passwd");
        let names = text.lines().filter_map(|line| line.split(':').next());
        names
            .filter(|name| *name != "root")
            .map(str::to_owned)
            .collect()
    }

    /// Pairs of account and group.
    fn members(&self) -> BTreeSet<(String, String)> {
        let mut pairs = BTreeSet::new();
        for line in self.file("group").lines() {
            let mut fields = line.split(':');
            let group = fields.next().unwrap();
            for member in fields
                .nth(2)
                .unwrap()
                .split(',')
                .filter(|name| !name.is_empty())
            {
                pairs.insert((member.to_owned(), group.to_owned()));
            }
        }
        pairs
    }
}

fn pam_module(name: &str) -> PathBuf {
    let folders = fs::read_dir("/lib").unwrap().filter_map(Result::ok);
    folders
        .map(|folder| folder.path().join("security").join(format!("{name}.so")))
        .chain([PathBuf::from(format!("/lib/security/{name}.so"))])
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{name} is missing; install libpam-modules"))
}

fn libraries(file: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let words = text.split_ascii_whitespace();
    words
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

fn copy(root: &Path, file: &Path) {
    let target = root.join(file.strip_prefix("/").unwrap());
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    fs::copy(file, target).unwrap();
}

#[test]
fn events_add_up_to_the_account_files() {
    let mut tools = Vec::new();
    for tool in TOOLS {
        let Some(path) = program(tool, "passwd") else {
            return;
        };
        tools.push(path);
    }
    if !fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0) {
        println!("SKIPPED: only root may run programs in another root");
        return;
    }
    let stack = Stack::start();
    let mut root = Root::new(stack.path("root"), &tools);
    let auth = stack.path("auth.log");
    fs::write(&auth, "").unwrap();
    let sources = format!(
        "[sources.security]\njournal = false\nauth_logs = [{auth:?}]\nauth_log_zone = \"+00:00\"\n"
    );
    let mut agent = stack.start_agent("crm-01", &sources);
    stack.wait_number(
        "the agent's first beat",
        "SELECT count() FROM heartbeats",
        |beats| beats > 0,
    );

    let mut random = fastrand::Rng::with_seed(seed());
    let groups = ["sudo", "sales", "service"];
    assert!(root.run(&["groupadd", "sales"], ""));
    assert!(root.run(&["groupadd", "service"], ""));
    let (mut refused, mut passwords, mut made) = (0, 0, 0);
    for _ in 0..60 {
        let name = format!("user{}", random.u8(..8));
        let group = random.choice(groups).unwrap();
        let there = root.accounts().contains(&name);
        let member = root.members().contains(&(name.clone(), group.to_owned()));
        match random.u8(..8) {
            0..3 => {
                let done = root.run(&["useradd", "-M", "-s", "/bin/sh", &name], "");
                assert_eq!(done, !there, "{name}");
                refused += u64::from(there);
                made += u64::from(!there);
            }
            3 if there => {
                assert!(root.run(&["userdel", &name], "") || !root.accounts().contains(&name));
            }
            4 if there && !member => {
                assert!(root.run(&["gpasswd", "-a", &name, group], ""));
            }
            5 if there && member => {
                assert!(root.run(&["gpasswd", "-d", &name, group], ""));
            }
            6 if there => {
                assert!(root.run(&["usermod", "-aG", group, &name], ""));
            }
            7 if there => {
                assert!(root.run(&["chpasswd"], &format!("{name}:Xq93-sdkfj{made}\n")));
                passwords += 1;
            }
            _ => {}
        }
    }
    println!("{}", root.lines);
    fs::write(&auth, &root.lines).unwrap();

    let events = |condition: &str| {
        format!("SELECT toUInt64(sum(count)) FROM security_events WHERE {condition}")
    };
    stack.wait_number(
        "every account made",
        &events("kind = 'account_created' AND status_id = 1"),
        |seen| seen == made,
    );
    let refusals = events("kind = 'account_created' AND status_id = 2");
    assert_eq!(stack.number(&refusals), refused);
    let changed = events("kind = 'password_changed' AND service = 'chpasswd'");
    assert_eq!(stack.number(&changed), passwords);
    let there = root.accounts();
    for number in 0..8 {
        let name = format!("user{number}");
        let balance = |more: &str, less: &str, group: &str| {
            let of = |kind: &str| {
                stack.number(&events(&format!(
                    "kind = '{kind}' AND status_id = 1 AND target_user = '{name}'{group}"
                )))
            };
            of(more) - of(less)
        };
        let accounts = balance("account_created", "account_deleted", "");
        assert_eq!(accounts, u64::from(there.contains(&name)), "{name}");
        for group in groups {
            let within = format!(" AND detail = '{group}'");
            let members = balance("group_member_added", "group_member_removed", &within);
            let member = root.members().contains(&(name.clone(), group.to_owned()));
            assert_eq!(members, u64::from(member), "{name} in {group}");
        }
    }
    // Joining sudo, and only that, is worse.
    assert_eq!(
        stack.number(&events(
            "kind = 'group_member_added' AND (detail = 'sudo') != (severity_id = 4)"
        )),
        0
    );
    let read = "SELECT toUInt64(sum(items)) FROM source_raw WHERE source = 'security'";
    let lines = root.lines.lines().count() as u64;
    stack.wait_number("every line read", read, |items| items == lines);
    let unread = "SELECT toUInt64(sum(unparsed)) FROM source_raw WHERE source = 'security'";
    assert_eq!(stack.number(unread), 0, "a line was not understood");
    assert!(agent.terminate().success());
    let (code, proof) = stack.ledger(&[]);
    assert_eq!(code, 0, "{proof}");
}
