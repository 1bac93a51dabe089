//! Lines and journal entries become rows here, and what does not is counted.

use crmscope_proto::catalog::SourceMetric;
use crmscope_proto::limits::{TIMESTAMP_MAX_FUTURE_MS, TIMESTAMP_MAX_PAST_MS};
use crmscope_proto::payload::SecurityRow;

use super::audit;
use super::entry::{self, Audited};
use super::event::{Event, Kind, Meaning, Origin, event_id, row};
use super::journal::EntrySink;
use super::message::{self, Program};
use super::reading::Outcome;
use super::rules::Asking;
use super::syslog;
use crate::rules::Class;
use crate::sources::line_counts::LineCounts;
use crate::sources::tail::zone::Zone;
use crate::sources::tail::{LineSink, Loss, Stretch};

/// Most events held: reading waits at this many until they are handed over.
pub(super) const HELD_MAX: usize = 10_000;

/// Older events are dropped: a collector takes only a day more, so that a batch may wait a day.
const EVENT_MAX_AGE_MS: i64 = TIMESTAMP_MAX_PAST_MS - 24 * 3_600_000;

/// Takes lines and entries, and holds their events.
pub(super) struct Sink<'a> {
    pub(super) held: &'a mut Vec<SecurityRow>,
    pub(super) asking: Asking<'a>,
    pub(super) zone: &'a Zone,
    pub(super) now_ms: i64,
    /// The file whose lines come.
    pub(super) path: String,
    pub(super) counts: LineCounts,
}

impl Sink<'_> {
    fn message(&mut self, program: Program, text: &str, origin: &Origin<'_>, trusted: bool) {
        match message::parse(program, text) {
            Meaning::Nothing => {}
            Meaning::Unknown => self.counts.unparsed(),
            Meaning::Event(event) if trusted || needs_no_trust(&event) => {
                let row = hold(self.held, &mut self.counts, &event, origin, self.now_ms);
                self.asking.ask(Class::Auth, origin.service, row, text);
            }
            // Forged: logged under sshd's name by somebody else.
            Meaning::Event(_) => {
                self.counts
                    .drop_line(SourceMetric::LostForgedLines, text.len() as u64);
            }
        }
    }
}

impl Sink<'_> {
    /// One of the kernel's audit records; `None` of a type that is never an event.
    fn audited(&mut self, record: Option<&str>, cursor: &str) {
        match record.map_or(Outcome::Nothing, audit::parse) {
            Outcome::Nothing => {}
            Outcome::Unknown => self.counts.unparsed(),
            Outcome::Event(reading) => {
                let origin = Origin {
                    time_ms: reading.time_ms,
                    service: audit::SERVICE,
                    process_id: reading.process_id,
                    event_id: event_id(&[b"journal", cursor.as_bytes()]),
                };
                let event = reading.event();
                let row = hold(self.held, &mut self.counts, &event, &origin, self.now_ms);
                let text = record.unwrap_or_default();
                self.asking.ask(Class::Audit, "", row, text);
            }
        }
    }
}

/// Holds the row of an event and lends it, unless it is too old or too far ahead for a collector.
pub(super) fn hold<'h>(
    held: &'h mut Vec<SecurityRow>,
    counts: &mut LineCounts,
    event: &Event<'_>,
    origin: &Origin<'_>,
    now_ms: i64,
) -> Option<&'h mut SecurityRow> {
    let age_ms = now_ms.saturating_sub(origin.time_ms);
    if (-TIMESTAMP_MAX_FUTURE_MS..=EVENT_MAX_AGE_MS).contains(&age_ms) {
        held.push(row(event, origin));
        held.last_mut()
    } else {
        counts.drop_line(SourceMetric::LostUntimelyLines, 0);
        None
    }
}

/// Ends of sessions are logged by sshd with the rights of the account that logged in.
fn needs_no_trust(event: &Event<'_>) -> bool {
    event.kind == Kind::SshDisconnect
}

impl LineSink for Sink<'_> {
    fn ready(&self) -> bool {
        self.held.len() < HELD_MAX
    }

    fn begin(&mut self, stretch: &Stretch<'_>) {
        self.path.clear();
        self.path.push_str(&stretch.path.to_string_lossy());
    }

    fn line(&mut self, offset: u64, line: &[u8]) {
        self.counts.line();
        let text = String::from_utf8_lossy(line);
        let Some(entry) = syslog::parse(&text, self.zone, self.now_ms) else {
            self.counts.unparsed();
            return;
        };
        // Other programs share the file.
        let Some(program) = Program::of(entry.program) else {
            return;
        };
        // The path it had when it was written, and what it says: the same in a renamed file and in
        // a copy, another in a file that starts anew.
        let path = std::mem::take(&mut self.path);
        let origin = Origin {
            time_ms: entry.time_ms,
            service: program.name(),
            process_id: entry.process_id,
            event_id: event_id(&[b"file", path.as_bytes(), &offset.to_le_bytes(), line]),
        };
        self.message(program, entry.message, &origin, true);
        self.path = path;
    }

    fn lost(&mut self, loss: &Loss<'_>) {
        self.counts.lose(loss);
    }

    fn lost_more(&mut self, bytes: u64) {
        self.counts.lose_more(bytes);
    }
}

impl EntrySink for Sink<'_> {
    fn ready(&self) -> bool {
        self.held.len() < HELD_MAX
    }

    fn entry(&mut self, line: &[u8]) -> Option<String> {
        self.counts.line();
        let Some(entry) = entry::parse(line) else {
            self.counts.unparsed();
            return None;
        };
        let origin = Origin {
            time_ms: entry.time_ms,
            service: entry.program.map_or("", Program::name),
            process_id: entry.process_id,
            event_id: event_id(&[b"journal", entry.cursor.as_bytes()]),
        };
        match entry.audited {
            Audited::No => {}
            Audited::Forged => {
                self.counts
                    .drop_line(SourceMetric::LostForgedLines, line.len() as u64);
                return Some(entry.cursor);
            }
            Audited::Record(record) => {
                self.audited(record.as_deref(), &entry.cursor);
                return Some(entry.cursor);
            }
        }
        match (entry.program, &entry.message) {
            (Some(program), Some(message)) => {
                self.message(program, message, &origin, entry.trusted);
            }
            (Some(_), None) => self.counts.unparsed(),
            (None, _) => {}
        }
        Some(entry.cursor)
    }

    fn too_long(&mut self, bytes: u64) {
        self.counts.line();
        self.counts.drop_line(SourceMetric::LostTooLongLines, bytes);
    }
}
