//! What commands print: what was asked for on standard output, how far they are on a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde::Serialize;

/// Prints what was asked for; the command did well then.
pub(super) fn print(text: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// 0 where all is as it should be, else 1.
pub(super) fn exit_code(is_good: bool) -> ExitCode {
    ExitCode::from(u8::from(!is_good))
}

/// One a line.
pub(super) fn json_lines<T: Serialize>(rows: &[T]) -> anyhow::Result<String> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}

/// One line on the terminal that is written over, of how far a command is. Without a terminal it says
/// nothing.
pub(super) struct Progress {
    terminal: bool,
    shown: Option<String>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            shown: None,
        }
    }

    /// So much is done of so much, and whose turn it is. A name may come from anywhere, so what would move
    /// the cursor is shown as what it is.
    pub(super) fn tell(&mut self, done: u64, of: u64, name: &str) {
        if !self.terminal {
            return;
        }
        let line = format!(
            "{}% {}",
            done.saturating_mul(100) / of.max(1),
            name.escape_debug()
        );
        if self.shown.as_ref() != Some(&line) {
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
            self.shown = Some(line);
        }
    }

    /// Takes the line away, so that something else can be written.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
