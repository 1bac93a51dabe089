//! What lines said, counted and written down for people.

use std::fmt::Write as _;
use std::path::Path;

use super::guess::Guess;
use super::input::{Kind, Piece};
use super::table::Table;
use super::text;
use crate::sources::requests::config::Format;
use crate::sources::requests::formats::{LineParser, Reading};
use crate::sources::requests::line::Line;

/// Line numbers given for one reason, and lines shown.
const EXAMPLES_MAX: usize = 5;

const TOO_LONG: &str = "the line is longer than the agent takes";

/// Lines of one kind: how many, and where the first ones are.
#[derive(Debug, Default)]
struct Places {
    count: u64,
    first: Vec<(u64, String)>,
}

/// Everything that is told of a log.
#[derive(Debug)]
pub(super) struct Report {
    show_lines: bool,
    lines: u64,
    table: Table,
    times_ms: Option<(i64, i64)>,
    others: Places,
    /// By reason, in the order of their first lines. Parsers have a fixed set.
    unread: Vec<(&'static str, Places)>,
    open_end: bool,
}

impl Report {
    pub(super) fn new(show_lines: bool) -> Self {
        Self {
            show_lines,
            lines: 0,
            table: Table::default(),
            times_ms: None,
            others: Places::default(),
            unread: Vec::new(),
            open_end: false,
        }
    }

    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    pub(super) fn is_good(&self) -> bool {
        self.table.all.requests > 0 && self.unread.is_empty()
    }

    /// Reads a line.
    pub(super) fn take(&mut self, parser: &mut dyn LineParser, piece: Piece<'_>) {
        self.lines += 1;
        if piece.kind == Kind::TooLong {
            self.unread(TOO_LONG, b"");
            return;
        }
        match parser.parse(piece.text) {
            Ok(Reading::Request(line)) => self.count(&line),
            Ok(Reading::Other) => {
                self.others.add(self.lines, String::new);
            }
            Err(_) if piece.kind == Kind::Open => {
                self.open_end = true;
                self.lines -= 1;
            }
            Err(reason) => self.unread(reason, piece.text),
        }
    }

    fn count(&mut self, line: &Line<'_>) {
        self.table.count(line);
        let (first, last) = self.times_ms.unwrap_or((line.time_ms, line.time_ms));
        self.times_ms = Some((first.min(line.time_ms), last.max(line.time_ms)));
    }

    fn unread(&mut self, reason: &'static str, line: &[u8]) {
        let places = match self.unread.iter().position(|(known, _)| *known == reason) {
            Some(position) => &mut self.unread[position].1,
            None => {
                self.unread.push((reason, Places::default()));
                let last = self.unread.len() - 1;
                &mut self.unread[last].1
            }
        };
        let shown = || {
            if self.show_lines {
                text::shown_line(line)
            } else {
                String::new()
            }
        };
        places.add(self.lines, shown);
    }

    /// The report.
    pub(super) fn text(&self, file: &Path, guess: &Guess) -> String {
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_head(&mut out, file, guess);
        let _ = self.table.write(&mut out);
        let _ = self.write_rest(&mut out);
        if self.table.all.requests > 0 {
            let _ = write_toml(&mut out, file, guess);
        }
        out
    }

    fn write_head(&self, out: &mut String, file: &Path, guess: &Guess) -> std::fmt::Result {
        let format = guess.log.format;
        let how = if guess.guessed { ", guessed" } else { "" };
        writeln!(out, "{}", text::shown(&file.to_string_lossy()))?;
        writeln!(
            out,
            "format: {}{how}: {}",
            format.name(),
            format.description()
        )?;
        if !guess.equals.is_empty() {
            let names: Vec<_> = guess.equals.iter().map(|format| format.name()).collect();
            writeln!(
                out,
                "  {} reads the same from the first lines",
                names.join(", ")
            )?;
        }
        let understood = self.table.all.requests + self.others.count;
        writeln!(
            out,
            "understood: {understood} of {} ({} requests, {} other lines)",
            text::lines(self.lines),
            self.table.all.requests,
            self.others.count,
        )?;
        if self.open_end {
            writeln!(
                out,
                "  and the last line has no end yet: the agent waits for it"
            )?;
        }
        if let Some((first_ms, last_ms)) = self.times_ms {
            writeln!(out, "times: {} to {} UTC", date(first_ms), date(last_ms))?;
        }
        for (name, sketch) in [
            ("latency", &self.table.all.latency),
            ("upstream latency", &self.table.all.upstream),
        ] {
            match sketch.count() {
                0 => writeln!(out, "{name}: in no line")?,
                count => writeln!(out, "{name}: in {}", text::lines(count))?,
            }
        }
        Ok(())
    }

    fn write_rest(&self, out: &mut String) -> std::fmt::Result {
        if self.others.count > 0 {
            writeln!(
                out,
                "\nno requests, passed over: {}",
                self.others.describe()
            )?;
        }
        if !self.unread.is_empty() {
            writeln!(out, "\nnot understood:")?;
        }
        for (reason, places) in &self.unread {
            writeln!(out, "  {reason}: {}", places.describe())?;
            for (number, line) in &places.first {
                if !line.is_empty() {
                    writeln!(out, "    {number}: {line}")?;
                }
            }
        }
        if !self.unread.is_empty() && !self.show_lines {
            writeln!(out, "  --show-lines shows the lines")?;
        }
        Ok(())
    }
}

impl Places {
    fn add(&mut self, number: u64, shown: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < EXAMPLES_MAX {
            self.first.push((number, shown()));
        }
    }

    fn describe(&self) -> String {
        let numbers: Vec<_> = self.first.iter().map(|(at, _)| at.to_string()).collect();
        let more = if self.count > numbers.len() as u64 {
            ", …"
        } else {
            ""
        };
        format!(
            "{} (number {}{more})",
            text::lines(self.count),
            numbers.join(", ")
        )
    }
}

fn write_toml(out: &mut String, file: &Path, guess: &Guess) -> std::fmt::Result {
    writeln!(
        out,
        "\nto follow it, put this into the agent's configuration:\n"
    )?;
    writeln!(out, "[[sources.requests.logs]]")?;
    writeln!(out, "path = {}", text::toml(&pattern_of(&live_path(file))))?;
    writeln!(out, "format = \"{}\"", guess.log.format.name())?;
    if let Some(pattern) = &guess.log.pattern {
        writeln!(out, "pattern = {}", text::toml(pattern))?;
    }
    if guess.guessed && guess.log.format == Format::Apache {
        writeln!(
            out,
            "\na number at the end of the lines, if there is one, is read as %D, in µs; for any other use --pattern"
        )?;
    }
    Ok(())
}

/// The pattern that leads to this path and to no other.
fn pattern_of(path: &str) -> String {
    if path.contains(['*', '?', '[', ']']) {
        glob::Pattern::escape(path)
    } else {
        path.to_owned()
    }
}

/// The log that a rotated or compressed file was.
fn live_path(file: &Path) -> String {
    if file == Path::new("-") {
        return "/path/of/the/log".to_owned();
    }
    let path = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let path = path.to_string_lossy();
    let path = path.strip_suffix(".gz").unwrap_or(&path);
    match path.rsplit_once('.') {
        Some((live, number))
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            live.to_owned()
        }
        _ => path.to_owned(),
    }
}

fn date(unix_ms: i64) -> String {
    tz::UtcDateTime::from_timespec(unix_ms.div_euclid(1000), 0).map_or_else(
        |_| format!("{unix_ms} ms"),
        |at| {
            format!(
                "{}-{:02}-{:02} {:02}:{:02}:{:02}",
                at.year(),
                at.month(),
                at.month_day(),
                at.hour(),
                at.minute(),
                at.second()
            )
        },
    )
}
