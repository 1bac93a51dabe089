//! Hosts that fall silent together: one fault of a path or a collector, not one of each host.
//!
//! After Kubernetes (a zone with 55 % and at least 3 of its nodes not ready is a zone's disruption) and
//! Eureka (self-preservation): a share of hosts, in one group or in all, makes one fault. Hosts that were
//! down before do not count. Pure.
//!
//! Each host surprises at a time of its own, by its pace. So a host is not convicted alone while as many
//! others are merely overdue: they are heard or surprise soon, and then it is known which it was.

use std::time::Duration;

use super::fault::{Fault, fault_id};
use crate::alerts::Kind;

/// After it is over its last hosts may take as long to come back: the longest pause of an agent, and
/// some for the rest.
const RETURN: Duration = Duration::from_secs(40);

/// Hosts of a group, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Whose silence would say something.
    pub(super) hosts: u32,
    /// Who is silent.
    pub(super) silent: u32,
    /// Who is silent or may be about to be.
    pub(super) overdue: u32,
    /// When the first of the silent ones was last heard, Unix ms.
    pub(super) since_ms: i64,
}

impl Count {
    pub(super) fn add(&mut self, quiet: Quiet, heard_ms: i64) {
        self.hosts += 1;
        self.overdue += u32::from(quiet != Quiet::No);
        if quiet == Quiet::Silent {
            self.since_ms = if self.silent == 0 {
                heard_ms
            } else {
                self.since_ms.min(heard_ms)
            };
            self.silent += 1;
        }
    }
}

/// What of a host's silence counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// It is heard.
    No,
    /// It was not heard for longer than usual.
    Overdue,
    /// For so long that it surprises.
    Silent,
}

/// What silent hosts of a group are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Together {
    /// Silent, each for itself.
    #[default]
    No,
    /// They may be the first of many.
    Maybe,
    /// Many, or such as may still come back with them.
    Yes,
}

/// What is asked of a mass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) percent: u32,
    pub(super) hosts_min: u32,
    /// How long it has to last before it is told.
    pub(super) confirm: Duration,
    /// Whether new ones are told now.
    pub(super) begins: bool,
}

/// A group's silence, now or until a while ago.
#[derive(Clone, Debug, Default)]
pub(super) struct Mass {
    since: Option<Duration>,
    over: Option<Duration>,
    fault: Option<Fault>,
}

impl Mass {
    /// Takes over what was found before this collector watched.
    pub(super) fn restore(fault: Fault, now: Duration) -> Self {
        Self {
            since: Some(now),
            over: None,
            fault: Some(fault),
        }
    }

    /// Whether it lasts.
    pub(super) const fn lasts(&self) -> bool {
        self.since.is_some()
    }

    pub(super) fn into_fault(self) -> Option<Fault> {
        self.fault
    }

    /// Looks at a group. Returns whether its silent hosts belong together.
    pub(super) fn look(
        &mut self,
        group: &str,
        count: Count,
        limits: &Limits,
        (now, now_ms): (Duration, i64),
        faults: &mut Vec<Fault>,
    ) -> Together {
        // One that is told is over only when clearly fewer are silent, so that it does not come and go.
        let (percent, hosts_min) = match &self.fault {
            None => (limits.percent, limits.hosts_min),
            Some(_) => (limits.percent * 2 / 3, limits.hosts_min * 2 / 3),
        };
        let many = |quiet: u32| {
            quiet >= hosts_min.max(1)
                && u64::from(quiet) * 100 >= u64::from(percent) * u64::from(count.hosts)
        };
        if many(count.silent) {
            let since = *self.since.get_or_insert(now);
            self.over = None;
            if self.fault.is_none() && limits.begins && now.saturating_sub(since) >= limits.confirm
            {
                let fault = fault(group, count);
                self.fault = Some(fault.clone());
                faults.push(fault);
            }
            return Together::Yes;
        }
        if self.since.take().is_some() {
            self.over = Some(now);
            let fault = self.fault.take();
            faults.extend(fault.map(|fault| fault.ended(now_ms)));
        }
        let comes_back = |over: Duration| now.saturating_sub(over) < RETURN;
        if self.over.is_some_and(comes_back) {
            Together::Yes
        } else if count.silent > 0 && many(count.overdue) {
            Together::Maybe
        } else {
            Together::No
        }
    }
}

fn fault(group: &str, count: Count) -> Fault {
    let Count {
        hosts,
        silent,
        since_ms,
        ..
    } = count;
    let of = match group {
        "" => format!("{silent} of {hosts} hosts"),
        group => format!(
            "{silent} of {hosts} hosts of group {}",
            group.escape_debug()
        ),
    };
    Fault {
        fault_id: fault_id(Kind::ManySilent, group, &since_ms.to_be_bytes()),
        kind: Kind::ManySilent,
        agent_id: String::new(),
        role: String::new(),
        host_group: group.to_owned(),
        objective: String::new(),
        began_ms: since_ms,
        ended_ms: None,
        summary: format!(
            "{of} fell silent together: most likely a collector or the path to it, and not each of them."
        ),
    }
}
