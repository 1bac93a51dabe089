//! Settings of `[sources.processes]`.

use serde::{Deserialize, Serialize};

use super::pattern::PATTERN_MAX_BYTES;

/// Most groups: a row each, and an attempt at each new process.
const WATCH_MAX: usize = 64;

/// Longest name of a group, bytes.
const NAME_MAX_BYTES: usize = 128;

/// A group of processes to watch. All that is given must fit; a process belongs to the first group
/// that it fits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// Name of the group in every table.
    pub name: String,
    /// Name that the kernel has for the process (the first 15 bytes of its program's, or what it
    /// calls itself), with `*` and `?`.
    pub comm: Option<String>,
    /// Path of the program, with `*` and `?`. Of other users' processes only root sees it.
    pub executable: Option<String>,
    /// Arguments, joined by blanks, of which the first 4096 bytes are looked at: a part of them, or
    /// with `*` and `?` the whole.
    pub command_line: Option<String>,
}

/// Which processes are watched, and how.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether processes are watched. Without a group nothing is read.
    pub enabled: bool,
    /// Time between readings.
    pub interval_ms: u64,
    /// How long a reading may take; what is left is read by the next.
    pub deadline_ms: u64,
    /// Most processes looked at in one reading; what is left waits for the next.
    pub looks_max: usize,
    /// Where the kernel's process file system is mounted.
    pub proc_path: String,
    /// The groups.
    pub watch: Vec<Watch>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            interval_ms: 15_000,
            deadline_ms: 500,
            looks_max: 2_000,
            proc_path: "/proc".to_owned(),
            watch: Vec::new(),
        }
    }
}

impl Config {
    /// Checks that the values make sense together.
    ///
    /// # Errors
    /// Says which key is wrong and what it may be.
    pub fn validate(&self) -> Result<(), String> {
        let Self {
            interval_ms,
            deadline_ms,
            looks_max,
            ..
        } = *self;
        if !(1_000..=3_600_000).contains(&interval_ms) {
            return Err(format!("interval_ms is {interval_ms}; use 1000 to 3600000"));
        }
        if !(10..=10_000).contains(&deadline_ms) {
            return Err(format!("deadline_ms is {deadline_ms}; use 10 to 10000"));
        }
        if !(10..=100_000).contains(&looks_max) {
            return Err(format!("looks_max is {looks_max}; use 10 to 100000"));
        }
        if !self.proc_path.starts_with('/') {
            return Err(format!(
                "proc_path is {:?}; use an absolute path",
                self.proc_path
            ));
        }
        if self.watch.len() > WATCH_MAX {
            return Err(format!(
                "watch has {} groups; at most {WATCH_MAX} are possible",
                self.watch.len()
            ));
        }
        for (position, watch) in self.watch.iter().enumerate() {
            watch.validate()?;
            if self.watch[..position]
                .iter()
                .any(|other| other.name == watch.name)
            {
                return Err(format!(
                    "watch has two groups named {:?}; give each its own name",
                    watch.name
                ));
            }
        }
        Ok(())
    }
}

impl Watch {
    fn validate(&self) -> Result<(), String> {
        let Self {
            name,
            comm,
            executable,
            command_line,
        } = self;
        if name.is_empty() || name.len() > NAME_MAX_BYTES || name.contains(char::is_control) {
            return Err(format!(
                "watch has a group named {name:?}; use 1 to {NAME_MAX_BYTES} bytes without control characters"
            ));
        }
        let given = [comm, executable, command_line];
        if given.iter().all(|pattern| pattern.is_none()) {
            return Err(format!(
                "watch {name:?} has no pattern; give comm, executable or command_line"
            ));
        }
        for pattern in given.into_iter().flatten() {
            if pattern.is_empty() || pattern.len() > PATTERN_MAX_BYTES {
                return Err(format!(
                    "watch {name:?} has a pattern of {} bytes; use 1 to {PATTERN_MAX_BYTES}",
                    pattern.len()
                ));
            }
        }
        if executable
            .as_ref()
            .is_some_and(|path| !path.starts_with(['/', '*']))
        {
            return Err(format!(
                "watch {name:?}: executable is a whole path; begin it with / or *"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> Watch {
        Watch {
            name: name.to_owned(),
            comm: Some("nginx".to_owned()),
            ..Watch::default()
        }
    }

    #[test]
    fn mistakes_are_named() {
        type Mistake = (&'static str, fn(&mut Config));
        let mut good = Config::default();
        good.watch.push(group("web"));
        assert_eq!(good.validate(), Ok(()));
        let mistakes: [Mistake; 9] = [
            ("interval_ms", |c| c.interval_ms = 0),
            ("deadline_ms", |c| c.deadline_ms = 0),
            ("looks_max", |c| c.looks_max = 0),
            ("proc_path", |c| c.proc_path = String::new()),
            ("watch has two", |c| c.watch.push(group("web"))),
            ("watch has a group named", |c| {
                c.watch[0].name = "a\n".to_owned();
            }),
            ("watch \"web\" has no", |c| c.watch[0].comm = None),
            ("watch \"web\" has a pattern of 0", |c| {
                c.watch[0].command_line = Some(String::new());
            }),
            ("watch \"web\": executable", |c| {
                c.watch[0].executable = Some("nginx".to_owned());
            }),
        ];
        for (start, mistake) in mistakes {
            let mut config = good.clone();
            mistake(&mut config);
            let error = config.validate().unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
        good.watch = (0..65).map(|n| group(&n.to_string())).collect();
        assert!(good.validate().unwrap_err().contains("65"));
    }
}
