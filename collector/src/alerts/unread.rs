//! Incidents of which it is not known yet what became of them before this collector.
//!
//! Pure: time is the caller's. Promises that none waits forever: when ClickHouse is away for long, what is
//! still wrong is told as if it never was, since a repetition is better than silence. What is over waits on:
//! whether its beginning was told decides whether its end is.

use std::collections::BTreeMap;

use crmscope_proto::Id;

use super::notification::Incident;
use super::record::ASKED_MAX;

/// Most that wait; then nothing more is taken in.
pub(super) const UNREAD_MAX: usize = 10_000;
/// So long ClickHouse may be away before what is wrong is told anyway, ms.
const GUESS_AFTER_MS: i64 = 60_000;

/// Those that wait, by id.
#[derive(Debug, Default)]
pub(super) struct Unread {
    waiting: BTreeMap<Id, (Incident, i64)>,
    not_before_ms: i64,
    /// A question is under way.
    is_asking: bool,
}

impl Unread {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes an incident, or what it is now.
    pub(super) fn put(&mut self, incident: Incident, now_ms: i64) {
        let waiting = self.waiting.entry(incident.incident_id);
        let since_ms = now_ms;
        waiting
            .and_modify(|(known, _)| known.clone_from(&incident))
            .or_insert((incident, since_ms));
    }

    /// Ids to ask for now; there is one question at a time.
    pub(super) fn ask(&mut self, now_ms: i64) -> Option<Vec<Id>> {
        if self.is_asking || self.waiting.is_empty() || now_ms < self.not_before_ms {
            return None;
        }
        self.is_asking = true;
        Some(self.waiting.keys().copied().take(ASKED_MAX).collect())
    }

    /// The question was answered.
    pub(super) fn answered(&mut self, ids: &[Id]) -> Vec<Incident> {
        self.is_asking = false;
        let incident = |id| self.waiting.remove(id).map(|(incident, _)| incident);
        ids.iter().filter_map(incident).collect()
    }

    /// There was no answer; gives what can wait no longer.
    pub(super) fn unanswered(&mut self, now_ms: i64, pause_ms: i64) -> Vec<Incident> {
        self.is_asking = false;
        self.not_before_ms = now_ms.saturating_add(pause_ms);
        let waited = |_: &Id, (incident, since_ms): &mut (Incident, i64)| {
            incident.ended_ms.is_none() && now_ms.saturating_sub(*since_ms) >= GUESS_AFTER_MS
        };
        let guessed = self.waiting.extract_if(.., waited);
        guessed.map(|(_, (incident, _))| incident).collect()
    }

    /// When [`Unread::ask`] is worth asking next.
    pub(super) fn next_ms(&self) -> Option<i64> {
        (!self.is_asking && !self.waiting.is_empty()).then_some(self.not_before_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::tests::incident;

    #[test]
    fn there_is_one_question_at_a_time_and_the_newest_state_counts() {
        let mut unread = Unread::default();
        assert_eq!(unread.ask(0), None);
        unread.put(incident(1), 0);
        let ids = unread.ask(0).unwrap();
        assert_eq!(unread.ask(0), None);
        let mut over = incident(1);
        over.ended_ms = Some(9);
        unread.put(over.clone(), 1);
        unread.put(incident(2), 1);
        assert_eq!(unread.answered(&ids), [over]);
        assert_eq!(unread.next_ms(), Some(0));
        assert_eq!(unread.ask(2).unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_does_not_wait_forever_and_what_is_over_does() {
        let mut unread = Unread::default();
        unread.put(incident(1), 0);
        let mut over = incident(2);
        over.ended_ms = Some(9);
        unread.put(over, 0);
        assert_eq!(unread.ask(0).unwrap().len(), 2);
        assert_eq!(unread.unanswered(10, 500), []);
        assert_eq!((unread.ask(509), unread.next_ms()), (None, Some(510)));
        assert_eq!(unread.ask(GUESS_AFTER_MS).unwrap().len(), 2);
        assert_eq!(unread.unanswered(GUESS_AFTER_MS, 500), [incident(1)]);
        assert_eq!(unread.len(), 1);
    }

    #[test]
    fn a_question_is_bounded() {
        let mut unread = Unread::default();
        for number in 0..1000 {
            unread.put(incident(number), 0);
        }
        assert_eq!(unread.ask(0).unwrap().len(), ASKED_MAX);
    }
}
