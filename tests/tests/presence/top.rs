//! `crmscope-collector top` against real processes: as text, and on a pseudo-terminal.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use crmscope_tests::neighbours::program;
use crmscope_tests::process::binary;
use crmscope_tests::{Stack, wait_for};

use super::collector;

/// Waits until `top --once` ends with a code and says all of this, the first of it first.
pub(crate) fn wait_top(stack: &Stack, want: i32, parts: &[&str]) {
    wait_for(&format!("top to say {parts:?}"), || {
        let (code, said) = collector(&stack.path("collector.toml"), &["top", "--once"]);
        let begins = parts.first().is_none_or(|first| said.starts_with(first));
        match code == want && begins && parts.iter().all(|part| said.contains(part)) {
            true => Ok(()),
            false => Err(format!("{code}: {said}")),
        }
    });
}

#[test]
fn without_clickhouse_it_says_that_nothing_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("collector.toml");
    std::fs::write(&config, "[clickhouse]\nurl = \"http://127.0.0.1:1\"\n").unwrap();
    let (code, said) = collector(&config, &["top", "--once"]);
    assert_eq!(code, 3, "{said}");
    assert!(
        said.starts_with("unknown: Nothing is known now: ClickHouse does not answer."),
        "{said}"
    );
    // Output that is no terminal is not drawn on.
    let (code, said) = collector(&config, &["top"]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.contains("there is no terminal to draw on: `top --once`"),
        "{said}"
    );
}

/// `top` on a terminal of its own, between two looks at the terminal's settings.
struct Screen {
    child: Child,
    keys: ChildStdin,
    shown: Arc<Mutex<Vec<u8>>>,
    directory: PathBuf,
}

impl Screen {
    fn start(script: &Path, stack: &Stack, name: &str) -> Self {
        let directory = stack.path(name);
        std::fs::create_dir(&directory).unwrap();
        let (top, config) = (binary("crmscope-collector"), stack.path("collector.toml"));
        let (top, config) = (top.display(), config.display());
        let inside = directory.join("inside.sh");
        let text = format!(
            "stty rows 24 cols 80\nstty -a >before\n\
             sh -c 'echo $$ >pid; exec {top} --config {config} top --every 1s'\n\
             echo $? >code\nstty -a >after\n"
        );
        std::fs::write(&inside, text).unwrap();
        let mut child = Command::new(script)
            .args(["-qfec", "sh inside.sh", "/dev/null"])
            .current_dir(&directory)
            .env("TERM", "xterm")
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let keys = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let shown = Arc::new(Mutex::new(Vec::new()));
        let gathered = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                gathered.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            child,
            keys,
            shown,
            directory,
        }
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    fn wait_shown(&self, part: &str) {
        wait_for(&format!("{part:?} on the screen"), || match self.shown() {
            shown if shown.contains(part) => Ok(()),
            shown => Err(shown),
        });
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.join(file)).unwrap_or_default()
    }

    /// Waits for its end: the terminal is as it was.
    fn ended(mut self) {
        wait_for("top to end", || match self.child.try_wait().unwrap() {
            Some(_) => Ok(()),
            None => Err(self.shown()),
        });
        let (before, after) = (self.read("before"), self.read("after"));
        assert!(
            before.contains("icanon") && before == after,
            "{before}\n{after}"
        );
        assert_eq!(self.read("code"), "0\n");
        let shown = self.shown();
        // The other screen and the cursor: taken once, given back once.
        for (taken, given) in [
            ("\u{1b}[?1049h", "\u{1b}[?1049l"),
            ("\u{1b}[?25l", "\u{1b}[?25h"),
        ] {
            let last = shown.rfind(given).unwrap_or_else(|| panic!("{shown:?}"));
            assert!(shown.rfind(taken).unwrap() < last, "{shown:?}");
        }
    }
}

/// Leaves it by a key, by ctrl-c and by a signal; `agent` is in trouble.
pub(crate) fn is_left_as_it_was_found(stack: &Stack, agent: &str) {
    let Some(script) = program("script", "bsdutils") else {
        return;
    };
    let mut screen = Screen::start(&script, stack, "by-key");
    screen.wait_shown("[BAD]");
    screen.wait_shown(agent);
    screen.press(b"\r");
    screen.wait_shown("next step");
    screen.press(b"qq");
    screen.ended();

    let mut screen = Screen::start(&script, stack, "by-control-c");
    screen.wait_shown("[BAD]");
    screen.press(b"\x03");
    screen.ended();

    let screen = Screen::start(&script, stack, "by-signal");
    screen.wait_shown("[BAD]");
    let pid = screen.read("pid");
    let sent = Command::new("kill")
        .args(["-TERM", pid.trim()])
        .status()
        .unwrap();
    assert!(sent.success());
    screen.ended();
}
