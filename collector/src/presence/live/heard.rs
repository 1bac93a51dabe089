//! What was heard of one host: its last heartbeat, its pace, and whether its silence surprises.

use std::collections::VecDeque;
use std::time::Duration;

use crmscope_proto::Id;

use super::Arrival;
use super::config::Rules;
use super::phi::{Detector, Settings};
use crate::presence::timeline::Goodbye;

/// Starts whose heartbeats may still be told again: two agents with one id are told apart, too.
const STARTS_MAX: usize = 8;
/// So many surprising silences in a row between heartbeats that follow each other are a new pace.
const SLOW_UNTIL_PACE: u32 = 3;

/// The last heartbeat.
#[derive(Clone, Debug)]
pub(super) struct Last {
    pub(super) start_id: Id,
    pub(super) number: u64,
    pub(super) received_ms: i64,
    pub(super) goodbye: Goodbye,
}

impl Last {
    pub(super) fn of(arrival: &Arrival) -> Self {
        Self {
            start_id: arrival.start_id,
            number: arrival.number,
            received_ms: arrival.received_ms,
            goodbye: arrival.goodbye,
        }
    }

    /// What names it.
    pub(super) fn key(&self) -> Vec<u8> {
        [&self.start_id.0[..], &self.number.to_be_bytes()].concat()
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    detector: Option<Detector>,
    last: Option<Last>,
    /// The highest number of each start, the latest start last.
    starts: VecDeque<(Id, u64)>,
    slow: u32,
}

impl Heard {
    /// The last heartbeat.
    pub(super) const fn last(&self) -> Option<&Last> {
        self.last.as_ref()
    }

    /// It was last heard before anybody listened here.
    pub(super) fn recall(&mut self, arrival: &Arrival, rules: &Rules, heard: Duration) {
        self.detector = Some(Detector::new(&rules.phi, heard));
        self.last = Some(Last::of(arrival));
        self.starts.push_back((arrival.start_id, arrival.number));
    }

    /// A heartbeat that was stored at `now`. Returns whether it is news. One that was held up, out of a
    /// spool or here (not `teaches`), says nothing of the host's pace.
    pub(super) fn hear(
        &mut self,
        arrival: &Arrival,
        rules: &Rules,
        now: Duration,
        teaches: bool,
    ) -> bool {
        let known = self
            .starts
            .iter_mut()
            .find(|(start_id, _)| *start_id == arrival.start_id);
        let mut follows = false;
        match known {
            Some((_, number)) if arrival.number <= *number => return false,
            Some((_, number)) => {
                follows = arrival.number == *number + 1;
                *number = arrival.number;
            }
            None => {
                if self.starts.len() >= STARTS_MAX {
                    self.starts.pop_front();
                }
                self.starts.push_back((arrival.start_id, arrival.number));
            }
        }
        let surprises = self.is_silent(rules, now);
        self.slow = match surprises && follows && teaches && !arrival.is_late {
            true => self.slow + 1,
            false => 0,
        };
        match &mut self.detector {
            Some(detector) if self.slow >= SLOW_UNTIL_PACE => {
                let settings = Settings {
                    first_interval: now.saturating_sub(detector.last()),
                    ..rules.phi.clone()
                };
                *detector = Detector::new(&settings, now);
                self.slow = 0;
            }
            // The silence that a fault made is none of its pace, nor is that before a new start.
            Some(detector) => {
                let follows_fault = !teaches || surprises || !follows || arrival.is_late;
                detector.arrive(&rules.phi, now, follows_fault);
            }
            None => self.detector = Some(Detector::new(&rules.phi, now)),
        }
        self.last = Some(Last::of(arrival));
        true
    }

    /// Whether nothing was heard for a surprising time.
    pub(super) fn is_silent(&self, rules: &Rules, now: Duration) -> bool {
        let phi = |detector: &Detector| detector.phi(&rules.phi, now);
        self.detector.as_ref().map_or(0.0, phi) >= rules.phi.threshold
    }

    /// Whether nothing was heard for longer than usual, surprising or not.
    pub(super) fn is_overdue(&self, now: Duration) -> bool {
        let overdue = |detector: &Detector| detector.is_overdue(now);
        self.detector.as_ref().is_some_and(overdue)
    }

    /// How long nothing was heard.
    pub(super) fn silence(&self, now: Duration) -> Option<Duration> {
        let detector = self.detector.as_ref()?;
        Some(now.saturating_sub(detector.last()))
    }

    /// Whether the last heartbeat said that it is the last.
    pub(super) fn said_goodbye(&self) -> bool {
        let goodbye = self.last.as_ref().map(|last| last.goodbye);
        goodbye.is_some_and(|goodbye| goodbye != Goodbye::None)
    }
}
