//! What a person sees while something is fetched: a bar on a terminal, a line now and then
//! elsewhere.

use std::io::{IsTerminal as _, Read, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Bytes between two lines when there is no terminal.
const LINE_EVERY_BYTES: u64 = 32 << 20;

/// Progress of one download.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    done: u64,
    next_line: u64,
}

impl Progress {
    /// `total` is the expected number of bytes, where it is known.
    pub(crate) fn new(what: &str, total: Option<u64>) -> Progress {
        let bar = std::io::stderr().is_terminal().then(|| {
            let (bar, template) = match total {
                Some(total) => (
                    ProgressBar::new(total),
                    "{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}",
                ),
                None => (
                    ProgressBar::new_spinner(),
                    "{spinner} {msg} {bytes} {bytes_per_sec}",
                ),
            };
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> ");
            bar.with_style(style).with_message(what.to_owned())
        });
        match &bar {
            Some(bar) => bar.enable_steady_tick(Duration::from_millis(120)),
            None => line(what),
        }
        Progress {
            bar,
            total,
            done: 0,
            next_line: LINE_EVERY_BYTES,
        }
    }

    /// Some more bytes came.
    pub(crate) fn advance(&mut self, bytes: u64) {
        self.done += bytes;
        match &self.bar {
            Some(bar) => bar.set_position(self.done),
            None if self.done >= self.next_line => {
                self.next_line = self.done + LINE_EVERY_BYTES;
                match self.total {
                    Some(total) => line(&format!("  {} of {} MB", self.done >> 20, total >> 20)),
                    None => line(&format!("  {} MB", self.done >> 20)),
                }
            }
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One line for people, on stderr, so that stdout stays for programs.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Counts what is read through it.
#[derive(Debug)]
pub(crate) struct Counted<R> {
    pub(crate) inner: R,
    pub(crate) progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.advance(count as u64);
        Ok(count)
    }
}
