//! One host: when it was last heard, how surprising its silence is, and what is wrong with it.

use std::time::Duration;

use super::config::Rules;
use super::fault::{Fault, fault_id};
use super::flapping::Flapping;
use super::heard::{Heard, Last};
use super::mass::Quiet;
use super::summary::summary;
use super::{Arrival, State};
use crate::alerts::Kind;
use crate::presence::hosts::Expected;

/// Heartbeats in a row until a host that was down counts as back.
const BEATS_UNTIL_BACK: u32 = 2;

/// From one look for flapping to the next: 21 of them are ten minutes.
const FLAPPING_EVERY: Duration = Duration::from_secs(30);

/// How much longer a host is only suspected while others may be about to fall silent with it.
const GATHER: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) expected: Expected,
    pub(super) rules: Rules,
    heard: Heard,
    pub(super) state: State,
    /// Since when its silence is suspicious.
    pub(super) suspect_since: Option<Duration>,
    /// Beats since it was last suspected, and when the first of them was received, Unix ms.
    beats: u32,
    back_ms: i64,
    flapping: Flapping,
    flapping_due: Duration,
    /// What is wrong: silent, missing or stopped; one at a time.
    pub(super) fault: Option<Fault>,
    flapping_fault: Option<Fault>,
    /// Faults that ended since this collector watches and the host was last heard.
    endings: u32,
}

/// What a look at all hosts found before it looks at each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) now: Duration,
    pub(super) now_ms: i64,
    /// Nobody is convicted now.
    pub(super) guarded: bool,
    /// It fell silent with many others.
    pub(super) in_mass: bool,
    /// It may be the first of many that do.
    pub(super) may_be_in_mass: bool,
    pub(super) missing_after_ms: i64,
    pub(super) stopped_after: Duration,
}

impl Host {
    pub(super) fn new(expected: Expected, rules: Rules, now: Duration) -> Self {
        Self {
            expected,
            rules,
            heard: Heard::default(),
            state: State::Unknown,
            suspect_since: None,
            beats: 0,
            back_ms: 0,
            flapping: Flapping::default(),
            flapping_due: now,
            fault: None,
            flapping_fault: None,
            endings: 0,
        }
    }

    /// The same host, of which something else is expected.
    pub(super) fn expect(self, expected: Expected, rules: Rules) -> Self {
        Self {
            expected,
            rules,
            ..self
        }
    }

    /// Takes over what was found before this collector watched, before anything is heard here. Returns
    /// what it replaces, which nobody would end otherwise.
    pub(super) fn restore(&mut self, fault: Fault, now: Duration) -> Option<Fault> {
        match fault.kind {
            Kind::Flapping => {
                self.flapping = Flapping::restored();
                return self.flapping_fault.replace(fault);
            }
            Kind::HostSilent => (self.suspect_since, self.beats) = (Some(now), 0),
            _ => {}
        }
        self.fault.replace(fault)
    }

    /// It was last heard before this collector watched.
    pub(super) fn recall(&mut self, arrival: &Arrival, heard: Duration) {
        self.heard.recall(arrival, &self.rules, heard);
    }

    /// A heartbeat that was stored at `now`. One that is heard again is no news.
    pub(super) fn hear(&mut self, arrival: &Arrival, now: Duration, teaches: bool) {
        let is_first = self.heard.last().is_none() || self.heard.said_goodbye();
        if !self.heard.hear(arrival, &self.rules, now, teaches) {
            return;
        }
        // What was heard before the silence that somebody else found is no end of it.
        let silent = self
            .fault
            .as_ref()
            .filter(|fault| fault.kind == Kind::HostSilent);
        if silent.is_some_and(|fault| arrival.received_ms <= fault.began_ms) {
            return;
        }
        if self.suspect_since.take().is_some() || is_first {
            self.beats = 0;
            self.back_ms = arrival.received_ms;
        }
        self.beats = self.beats.saturating_add(1);
        self.endings = 0;
    }

    /// The last heartbeat.
    pub(super) const fn last(&self) -> Option<&Last> {
        self.heard.last()
    }

    fn is_silent(&self, now: Duration) -> bool {
        self.heard.is_silent(&self.rules, now)
    }

    fn is_retired(&self, now_ms: i64) -> bool {
        self.expected
            .retired_at_ms
            .is_some_and(|at_ms| at_ms <= now_ms)
    }

    fn said_goodbye(&self) -> bool {
        self.heard.said_goodbye()
    }

    /// What its silence says of more than itself; `None` where it would say nothing.
    pub(super) fn witness(&self, look_ms: i64, now: Duration) -> Option<Quiet> {
        let is_down = self
            .fault
            .as_ref()
            .is_some_and(|fault| fault.kind == Kind::HostSilent);
        let counts = self.last().is_some()
            && !is_down
            && !self.said_goodbye()
            && !self.is_retired(look_ms)
            && !self.expected.in_maintenance;
        counts.then(|| match self.is_silent(now) {
            true => Quiet::Silent,
            false if self.heard.is_overdue(now) => Quiet::Overdue,
            false => Quiet::No,
        })
    }

    /// Says what is thought of it now, and which faults began, changed or ended.
    pub(super) fn judge(&mut self, look: &Look, faults: &mut Vec<Fault>) -> State {
        let silent = self.is_silent(look.now) && !self.said_goodbye();
        if silent && !look.guarded {
            self.suspect_since.get_or_insert(look.now);
        } else if silent {
            // Who is not convicted now is looked at anew afterwards.
            self.suspect_since = self.suspect_since.map(|_| look.now);
        }
        if look.in_mass {
            self.suspect_since = Some(look.now);
        }
        let idle = self.is_retired(look.now_ms) || self.expected.in_maintenance;
        self.judge_flapping(look, silent && !idle && !look.in_mass, faults);
        if self.is_retired(look.now_ms) {
            // Should it be expected again, it is looked at anew.
            self.suspect_since = None;
            self.end_fault(look.now_ms, faults);
            return State::Retired;
        }
        self.end_if_over(faults);
        if self.expected.in_maintenance {
            return State::Maintenance;
        }
        let Some(last) = self.last() else {
            let since_ms = self.expected.since_ms;
            if !look.guarded && look.now_ms - since_ms > look.missing_after_ms {
                self.begin(
                    Kind::HostMissing,
                    since_ms,
                    since_ms.to_be_bytes().to_vec(),
                    faults,
                );
            }
            return State::Unknown;
        };
        let (received_ms, key) = (last.received_ms, last.key());
        if self.said_goodbye() {
            let silence = self.heard.silence(look.now).unwrap_or_default();
            if !look.guarded && silence > look.stopped_after {
                self.begin(Kind::Stopped, received_ms, key, faults);
            }
            return State::Unknown;
        }
        let Some(since) = self.suspect_since else {
            return if silent { self.state } else { State::Up };
        };
        let gather = match look.may_be_in_mass {
            true => GATHER,
            false => Duration::ZERO,
        };
        let is_confirmed = look.now.saturating_sub(since) >= self.rules.confirm + gather;
        if self.fault.is_none() && (look.in_mass || !is_confirmed) {
            return State::Suspect;
        }
        if !self.flapping.flaps() {
            self.begin(Kind::HostSilent, received_ms, key, faults);
        }
        State::Down
    }

    fn judge_flapping(&mut self, look: &Look, silent: bool, faults: &mut Vec<Fault>) {
        if look.now < self.flapping_due || look.guarded {
            return;
        }
        self.flapping_due = look.now + FLAPPING_EVERY;
        let flaps = self.flapping.look(silent);
        match (flaps, &mut self.flapping_fault) {
            (true, None) => {
                let key = self.last().map(Last::key).unwrap_or_default();
                let fault = self.fault_of(Kind::Flapping, look.now_ms, &key);
                self.flapping_fault = Some(fault.clone());
                faults.push(fault);
            }
            (false, Some(_)) => {
                let fault = self.flapping_fault.take();
                faults.extend(fault.map(|fault| fault.ended(look.now_ms)));
            }
            _ => {}
        }
    }

    fn end_if_over(&mut self, faults: &mut Vec<Fault>) {
        let Some(fault) = self.fault.as_ref().filter(|_| self.last().is_some()) else {
            return;
        };
        let is_back = match fault.kind {
            Kind::HostSilent => self.suspect_since.is_none() && self.beats >= BEATS_UNTIL_BACK,
            Kind::Stopped => !self.said_goodbye(),
            _ => true,
        };
        // An orderly end is one, too, of a silence.
        if is_back || (fault.kind == Kind::HostSilent && self.said_goodbye()) {
            self.end_fault(self.back_ms, faults);
        }
    }

    fn end_fault(&mut self, ended_ms: i64, faults: &mut Vec<Fault>) {
        if let Some(fault) = self.fault.take() {
            self.endings += 1;
            faults.push(fault.ended(ended_ms));
        }
    }

    fn begin(&mut self, kind: Kind, began_ms: i64, key: Vec<u8>, faults: &mut Vec<Fault>) {
        if self.fault.is_none() {
            let fault = self.fault_of(kind, began_ms, &key);
            self.fault = Some(fault.clone());
            faults.push(fault);
        }
    }

    fn fault_of(&self, kind: Kind, began_ms: i64, key: &[u8]) -> Fault {
        // What ended and begins again without a heartbeat in between is another fault.
        let key = [key, &self.endings.to_be_bytes()].concat();
        let Expected {
            agent_id,
            role,
            host_group,
            ..
        } = &self.expected;
        Fault {
            fault_id: fault_id(kind, agent_id, &key),
            kind,
            agent_id: agent_id.clone(),
            role: role.clone(),
            host_group: host_group.clone(),
            objective: String::new(),
            began_ms,
            ended_ms: None,
            summary: summary(kind, agent_id, self.last().map(|last| last.goodbye)),
        }
    }
}
