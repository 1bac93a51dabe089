//! A stack with TLS, and agents that speak it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crmscope_tests::process::{Process, binary};
use crmscope_tests::{Stack, wait_for};

/// A stack whose door speaks TLS, with an authority of its own.
pub(crate) struct Secure {
    pub(crate) stack: Stack,
    /// Where certificates are.
    pub(crate) tls: tempfile::TempDir,
}

/// Runs a program and gives what it printed.
pub(crate) fn run(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str]) -> String {
    let output = Command::new(&program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}{error}");
    text
}

/// Makes an authority and a collector's certificate in a directory.
pub(crate) fn authority(directory: &Path) {
    let directory = directory.to_str().unwrap();
    let create = ["authority", "create", "--directory", directory];
    let names = ["--name", "localhost", "--name", "127.0.0.1"];
    run(
        binary("crmscope-collector"),
        &[&create[..], &names].concat(),
    );
}

impl Secure {
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let tls = tempfile::tempdir().unwrap();
        authority(tls.path());
        let file = |name: &str| tls.path().join(name).to_str().unwrap().to_owned();
        let sections = format!(
            "[ingest.tls]\ncertificate_file = {:?}\nkey_file = {:?}\n\
             [ingest.authority]\ncertificate_file = {:?}\nkey_file = {:?}\n",
            file("collector.pem"),
            file("collector.key"),
            file("authority.pem"),
            file("authority.key")
        );
        let stack = Stack::start_configured(settings, &sections);
        Self { stack, tls }
    }

    /// A token, made with these options.
    pub(crate) fn token(&self, options: &[&str]) -> String {
        let arguments = [&["token", "create"], options].concat();
        let (code, text) = self.stack.command(&arguments);
        assert_eq!(code, 0, "{text}");
        let token = text.lines().find(|line| line.starts_with("crmscope1_"));
        token.unwrap_or_else(|| panic!("{text}")).to_owned()
    }

    /// Starts an agent that has this token.
    pub(crate) fn enrolling(&self, agent_id: &str, token: &str) -> Process {
        let file = self.stack.path(&format!("{agent_id}.enrolment"));
        fs::write(&file, token).unwrap();
        self.agent(agent_id, &format!("token_file = {file:?}"))
    }

    /// Starts an agent with these keys of `[identity]`.
    pub(crate) fn agent(&self, agent_id: &str, identity: &str) -> Process {
        let config = self.config(agent_id, identity);
        self.stack.start_configured_agent(agent_id, &config)
    }

    /// Writes its configuration.
    pub(crate) fn config(&self, agent_id: &str, identity: &str) -> PathBuf {
        let config = self
            .stack
            .agent_config(agent_id, &format!("[identity]\n{identity}"));
        let text = fs::read_to_string(&config).unwrap();
        fs::write(
            &config,
            text.replace("http://127.0.0.1", "https://localhost"),
        )
        .unwrap();
        config
    }

    /// Waits until more heartbeats of an agent are stored than now.
    pub(crate) fn wait_beats(&self, agent_id: &str) {
        let sql = format!("SELECT count() FROM heartbeats WHERE agent_id = '{agent_id}'");
        let before = self.stack.number(&sql);
        let what = format!("more than {before} heartbeats of {agent_id}");
        self.stack.wait_number(&what, &sql, |found| found > before);
    }

    /// What a counter stands at.
    pub(crate) fn counter(&self, line: &str) -> u64 {
        let (_, text) = self.stack.get("/metrics").unwrap();
        let value = text
            .lines()
            .find_map(|of| of.strip_prefix(line)?.trim().parse().ok());
        value.unwrap_or(0)
    }

    /// Waits until a counter has counted something.
    pub(crate) fn wait_counted(&self, line: &str) {
        wait_for(line, || match self.counter(line) {
            0 => {
                let (_, text) = self.stack.get("/metrics")?;
                let lines = text.lines().filter(|line| {
                    line.contains("tls_") || line.contains("auth") || line.contains("refused")
                });
                Err(lines.collect::<Vec<_>>().join("\n"))
            }
            _ => Ok(()),
        });
    }
}

/// Waits until a program said something.
pub(crate) fn wait_said(process: &Process, words: &str) {
    wait_for(words, || match process.log().contains(words) {
        true => Ok(()),
        false => Err(process.log()),
    });
}
