//! One look at one process: its figures, and which group it is in.
//!
//! Reading /proc/PID/cmdline waits for a process that holds its own memory map, so it is done only
//! for a group that asks for it, after the cheaper patterns fitted.

use std::path::Path;

use rustix::io::Errno;

use super::config::{Config, Watch};
use super::folder::Folder;
use super::group::Reading;
use super::{pattern, text};

/// What a look found.
#[derive(Debug)]
pub(super) enum Look {
    /// It ended.
    Gone,
    /// A thread of the kernel.
    Kernel,
    /// Of no group.
    Other,
    /// Its group, its figures, and whether some are another user's.
    Member(usize, Reading, bool),
}

/// Looks at processes.
#[derive(Debug)]
pub(super) struct Looker {
    pub(super) folder: Folder,
    watch: Vec<Watch>,
    ticks_per_second: u64,
    page_bytes: u64,
    /// Programs that could not be seen since this was taken last.
    pub(super) denied: usize,
}

impl Looker {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            folder: Folder::new(Path::new(&config.proc_path)),
            watch: config.watch.clone(),
            ticks_per_second: rustix::param::clock_ticks_per_second().max(1),
            page_bytes: rustix::param::page_size() as u64,
            denied: 0,
        }
    }

    /// Reads a process. Of a member only the name is compared again.
    /// `member` is the group it is known to be in, and whether its figures were refused before.
    pub(super) fn look(&mut self, pid: u32, member: Option<(usize, bool)>) -> Look {
        let Ok(text) = self.folder.read(pid, "stat") else {
            return Look::Gone;
        };
        let Some(stat) = text::stat(text) else {
            return Look::Other;
        };
        if stat.kernel_thread {
            return Look::Kernel;
        }
        if stat.zombie {
            return Look::Gone;
        }
        let ticks_us = |ticks: u64| ticks.saturating_mul(1_000_000) / self.ticks_per_second;
        let mut reading = Reading {
            start_ms: ticks_us(stat.start) / 1000,
            cpu_user_us: ticks_us(stat.user),
            cpu_system_us: ticks_us(stat.system),
            resident_bytes: stat.resident_pages.saturating_mul(self.page_bytes),
            threads: stat.threads,
            ..Reading::default()
        };
        let possible = self.watch.iter().map(|watch| {
            watch
                .comm
                .as_ref()
                .is_none_or(|comm| pattern::fits(comm.as_bytes(), stat.comm))
        });
        let group = match member {
            Some((known, _)) => possible
                .enumerate()
                .find(|&(group, possible)| possible && group == known)
                .map(|(group, _)| group),
            None => {
                let possible: Vec<bool> = possible.collect();
                self.group_of(pid, &possible)
            }
        };
        let Some(group) = group else {
            return Look::Other;
        };
        reading.open_files = self.folder.open_files(pid);
        let mut io_denied = member.is_some_and(|(_, io_denied)| io_denied);
        if !io_denied {
            match self.folder.read(pid, "io") {
                Ok(text) => reading.io_bytes = text::io(text),
                Err(errno) => io_denied = matches!(errno, Errno::ACCESS | Errno::PERM),
            }
        }
        Look::Member(group, reading, io_denied)
    }

    /// The first group whose other patterns fit as well.
    fn group_of(&mut self, pid: u32, possible: &[bool]) -> Option<usize> {
        let mut executable: Option<Vec<u8>> = None;
        let mut command_line: Option<Vec<u8>> = None;
        for (group, watch) in self.watch.iter().enumerate() {
            if possible.get(group) != Some(&true) {
                continue;
            }
            if let Some(pattern) = &watch.executable {
                if executable.is_none() {
                    let path = self.folder.executable(pid);
                    let refused = matches!(path, Err(Errno::ACCESS | Errno::PERM));
                    self.denied += usize::from(refused);
                    executable = Some(path.unwrap_or_default());
                }
                let path = executable.as_deref().unwrap_or_default();
                if !pattern::fits(pattern.as_bytes(), path) {
                    continue;
                }
            }
            if let Some(pattern) = &watch.command_line {
                if command_line.is_none() {
                    command_line = Some(command_line_of(&mut self.folder, pid));
                }
                let text = command_line.as_deref().unwrap_or_default();
                let fits = if pattern::is_glob(pattern) {
                    pattern::fits(pattern.as_bytes(), text)
                } else {
                    memchr::memmem::find(text, pattern.as_bytes()).is_some()
                };
                if !fits {
                    continue;
                }
            }
            return Some(group);
        }
        None
    }
}

/// Arguments joined by blanks; empty where they cannot be read.
fn command_line_of(folder: &mut Folder, pid: u32) -> Vec<u8> {
    let text = folder.read(pid, "cmdline").unwrap_or_default();
    let end = text.iter().rposition(|&byte| byte != 0);
    let arguments = &text[..end.map_or(0, |last| last + 1)];
    let blank = |&byte: &u8| if byte == 0 { b' ' } else { byte };
    arguments.iter().map(blank).collect()
}
