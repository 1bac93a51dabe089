//! Lines of followed logs become rows here, and what does not is counted.

use crmscope_proto::payload::SecurityRow;

use super::super::event::{Origin, event_id};
use super::super::reading::Outcome;
use super::super::rules::Asking;
use super::super::sink::{HELD_MAX, hold};
use super::FollowedLog;
use crate::rules::Class;
use crate::sources::line_counts::LineCounts;
use crate::sources::tail::{LineSink, Loss, Stretch};

/// Takes lines, and holds their events.
pub(in crate::sources::security) struct LogSink<'a> {
    pub(in crate::sources::security) held: &'a mut Vec<SecurityRow>,
    pub(in crate::sources::security) asking: Asking<'a>,
    /// In the order of the tailer's patterns; of one pattern's, the first that knows a line reads it.
    pub(in crate::sources::security) logs: &'a mut [Vec<FollowedLog>],
    pub(in crate::sources::security) now_ms: i64,
    /// The file whose lines come, and which log it belongs to.
    pub(in crate::sources::security) path: String,
    pub(in crate::sources::security) log: usize,
    pub(in crate::sources::security) counts: LineCounts,
}

impl LineSink for LogSink<'_> {
    fn ready(&self) -> bool {
        self.held.len() < HELD_MAX
    }

    fn begin(&mut self, stretch: &Stretch<'_>) {
        self.path.clear();
        self.path.push_str(&stretch.path.to_string_lossy());
        self.log = stretch.pattern;
    }

    fn line(&mut self, offset: u64, line: &[u8]) {
        self.counts.line();
        let Some(logs) = self.logs.get_mut(self.log) else {
            return;
        };
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\r').unwrap_or(&text);
        let read = logs
            .iter_mut()
            .map(|log| (log.read(text, self.now_ms), &*log))
            .find(|(outcome, _)| *outcome != Outcome::Nothing);
        match read {
            None | Some((Outcome::Nothing, _)) => {}
            Some((Outcome::Unknown, _)) => self.counts.unparsed(),
            Some((Outcome::Event(reading), log)) => {
                let service = if reading.service.is_empty() {
                    log.service()
                } else {
                    &reading.service
                };
                let origin = Origin {
                    time_ms: reading.time_ms,
                    service,
                    process_id: reading.process_id,
                    // As for authentication logs: where it was written, and what it says.
                    event_id: event_id(&[
                        b"file",
                        self.path.as_bytes(),
                        &offset.to_le_bytes(),
                        line,
                    ]),
                };
                let event = reading.event();
                let row = hold(self.held, &mut self.counts, &event, &origin, self.now_ms);
                let class = if log.is_audit() {
                    Class::Audit
                } else {
                    Class::Application
                };
                self.asking.ask(class, log.service(), row, text);
            }
        }
    }

    fn lost(&mut self, loss: &Loss<'_>) {
        self.counts.lose(loss);
    }

    fn lost_more(&mut self, bytes: u64) {
        self.counts.lose_more(bytes);
    }
}
