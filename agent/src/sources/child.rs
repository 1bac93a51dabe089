//! A program that is asked for one answer: started, read to its end, and ended at a deadline.
//!
//! Owns the child. Promises: [`Program::ask`] returns within the deadline and a little, also when
//! the program hangs or writes without end; its output is bounded; one that cannot even be killed
//! (it waits in the kernel) is left behind, and no other is started until it is gone. The program
//! gets no input, no shell, and English messages. Leaves the meaning of the answer to the caller.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::SourceError;

/// Longest answer, bytes.
const ANSWER_MAX_BYTES: usize = 1024 * 1024;

/// Kept of what the program complains about.
const COMPLAINT_MAX_BYTES: usize = 300;

/// Time between two looks at a program that has nothing to say yet.
const LOOK: Duration = Duration::from_millis(2);

/// How long a killed program may take to end.
const KILL_PATIENCE: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    deadline: Duration,
    /// A child that did not end when it was killed.
    left_behind: Option<Child>,
}

/// What came of asking.
#[derive(Debug)]
pub(super) enum Answer {
    /// What it wrote, and it ended well.
    Text(Vec<u8>),
    /// It is not installed.
    Absent,
    /// It ended with an error; what it said.
    Refused(String),
}

impl Program {
    pub(super) fn new(path: &Path, deadline: Duration) -> Self {
        Self {
            path: path.to_owned(),
            deadline,
            left_behind: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs the program.
    ///
    /// # Errors
    /// When it cannot be started though it is there, passes the deadline, or writes too much.
    pub(super) fn ask(&mut self, arguments: &[String]) -> Result<Answer, SourceError> {
        self.reap()?;
        let spawned = Command::new(&self.path)
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Answer::Absent),
            Err(error) => {
                return Err(SourceError::Other(format!(
                    "cannot start {}: {error}",
                    self.path.display()
                )));
            }
        };
        let outcome = self.converse(&mut child);
        if outcome.is_err() {
            self.end(child);
        }
        outcome
    }

    fn converse(&self, child: &mut Child) -> Result<Answer, SourceError> {
        let end = Instant::now() + self.deadline;
        let failed = |error: io::Error| {
            SourceError::Other(format!("cannot read {}: {error}", self.path.display()))
        };
        let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed(io::Error::other("it has no output")));
        };
        for nonblocking in [
            rustix::fs::fcntl_setfl(&out, OFlags::NONBLOCK),
            rustix::fs::fcntl_setfl(&err, OFlags::NONBLOCK),
        ] {
            nonblocking.map_err(|errno| failed(errno.into()))?;
        }
        let (mut answer, mut complaint) = (Vec::new(), Vec::new());
        loop {
            let out_ended = take(&mut out, &mut answer, ANSWER_MAX_BYTES).map_err(failed)?;
            // A complaint is cut, not refused.
            take(&mut err, &mut complaint, usize::MAX).map_err(failed)?;
            complaint.truncate(COMPLAINT_MAX_BYTES);
            if answer.len() > ANSWER_MAX_BYTES {
                return Err(SourceError::Other(format!(
                    "{} wrote more than {ANSWER_MAX_BYTES} bytes",
                    self.path.display()
                )));
            }
            if out_ended && let Some(status) = child.try_wait().map_err(failed)? {
                take(&mut err, &mut complaint, usize::MAX).map_err(failed)?;
                complaint.truncate(COMPLAINT_MAX_BYTES);
                if status.success() {
                    return Ok(Answer::Text(answer));
                }
                let said = String::from_utf8_lossy(&complaint);
                return Ok(Answer::Refused(format!(
                    "{} ended with {status}: {}",
                    self.path.display(),
                    said.trim().escape_debug()
                )));
            }
            if Instant::now() >= end {
                return Err(SourceError::Deadline {
                    what: self.path.display().to_string(),
                    deadline_ms: u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX),
                });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Kills the child; if it does not go, keeps it to be looked at again.
    fn end(&mut self, mut child: Child) {
        let _ = child.kill();
        let end = Instant::now() + KILL_PATIENCE;
        while Instant::now() < end {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        self.left_behind = Some(child);
    }

    fn reap(&mut self) -> Result<(), SourceError> {
        if let Some(child) = &mut self.left_behind {
            if matches!(child.try_wait(), Ok(None)) {
                return Err(SourceError::Other(format!(
                    "{} (process {}) hangs and cannot be ended; it is not started again until it is gone",
                    self.path.display(),
                    child.id()
                )));
            }
            self.left_behind = None;
        }
        Ok(())
    }
}

/// Reads what is there; true at the end of the output. Stops behind `max`.
fn take(from: &mut impl Read, into: &mut Vec<u8>, max: usize) -> io::Result<bool> {
    let mut chunk = [0; 8192];
    // So that one that writes for ever is left to the deadline.
    for _ in 0..64 {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(true),
            Ok(have) => {
                into.extend_from_slice(&chunk[..have]);
                if into.len() > max {
                    return Ok(false);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(script: &str, deadline_ms: u64) -> Result<Answer, SourceError> {
        let mut shell = Program::new(Path::new("/bin/sh"), Duration::from_millis(deadline_ms));
        shell.ask(&["-c".to_owned(), script.to_owned()])
    }

    #[test]
    fn an_answer_is_read_whole() {
        let text = |script| match ask(script, 20_000) {
            Ok(Answer::Text(text)) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text("echo one; echo two"), b"one\ntwo\n");
        assert_eq!(text("echo quiet >&2"), b"");
        assert_eq!(
            text("dd if=/dev/zero bs=1000 count=900 2>/dev/null").len(),
            900_000
        );
        match ask("echo \"no bus\u{1b}[31m\" >&2; exit 3", 20_000) {
            Ok(Answer::Refused(why)) => {
                assert!(why.contains("no bus\\u{1b}") && why.contains('3'), "{why}");
            }
            other => panic!("{other:?}"),
        }
        let mut absent = Program::new(Path::new("crmscope-no-such-program"), LOOK);
        assert!(matches!(absent.ask(&[]), Ok(Answer::Absent)));
    }

    #[test]
    fn one_that_hangs_or_never_stops_writing_is_ended() {
        let begin = Instant::now();
        let error = ask("exec sleep 600", 100).unwrap_err();
        assert!(matches!(error, SourceError::Deadline { .. }), "{error}");
        // A complaint without end is cut, and the deadline ends it.
        let error = ask("exec cat /dev/zero >&2", 100).unwrap_err();
        assert!(matches!(error, SourceError::Deadline { .. }), "{error}");
        let error = ask("exec cat /dev/zero", 100_000).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(60));
    }
}
