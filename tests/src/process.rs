//! A child process: built once, logged to a file, ended with the test.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use crate::wait_for;

/// A running program with its log.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    gentle: bool,
}

impl Process {
    /// Starts a program; both outputs go to `log`, after what is there already.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Self {
        let file = File::options().create(true).append(true).open(log).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            name: name.to_owned(),
            child,
            gentle: false,
            log: log.to_owned(),
        }
    }

    /// Ends with SIGTERM instead of SIGKILL when the test is over: for servers with workers.
    #[must_use]
    pub fn gently(mut self) -> Self {
        self.gentle = true;
        self
    }

    /// What the program said so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills it at once, as a crash would.
    ///
    /// # Panics
    /// When it was gone already: then something else ended it.
    pub fn kill(&mut self) {
        assert!(
            self.is_running(),
            "{} ended by itself:\n{}",
            self.name,
            self.log()
        );
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it where it stands, or lets it go on.
    ///
    /// # Panics
    /// When it was gone already: then something else ended it.
    pub fn freeze(&mut self, frozen: bool) {
        assert!(
            self.is_running(),
            "{} ended by itself:\n{}",
            self.name,
            self.log()
        );
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success(), "{signal} to {}", self.name);
    }

    /// Asks it to end, and waits.
    ///
    /// # Panics
    /// When it does not end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.ask_to_end();
        self.wait()
    }

    /// Asks it to end, without waiting.
    pub fn ask_to_end(&mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not end.
    pub fn wait(&mut self) -> ExitStatus {
        let name = self.name.clone();
        wait_for(&format!("{name} to end"), || {
            self.child
                .try_wait()
                .unwrap()
                .ok_or_else(|| "still running".to_owned())
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Servers that have workers end them only when they are asked to end.
        if self.gentle && self.is_running() {
            self.terminate();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            println!("--- last lines of {} ---", self.name);
            tail.into_iter().rev().for_each(|line| println!("{line}"));
        }
    }
}

/// Path of one of the workspace's binaries, built like the tests themselves.
///
/// # Panics
/// When it does not build.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| {
        // target/<profile>/deps/<test>
        let test = std::env::current_exe().unwrap();
        let directory = test.parent().and_then(Path::parent).unwrap().to_owned();
        if crmscope_local::cargo::are_programs_built() {
            return directory;
        }
        let mut build = crmscope_local::cargo::nested();
        build.current_dir(env!("CARGO_MANIFEST_DIR")).args([
            "build",
            "--quiet",
            "--workspace",
            "--bins",
        ]);
        if directory.ends_with("release") {
            build.arg("--release");
        } else {
            // With the tests, and so with their features: after `cargo test --workspace` this is
            // nothing, where other features would build the dependencies again.
            build.arg("--tests");
        }
        assert!(
            build.status().unwrap().success(),
            "the binaries do not build"
        );
        directory
    });
    directory.join(name)
}
