//! What the watch found, on its way to ClickHouse and to whoever is told.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use super::{Change, Fault, State};
use crate::alerts::Incident;
use crate::clock::now_ms;
use crate::error::Error;
use crate::storage::Storage;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// States and faults that wait, each; more are not taken.
const PENDING_MAX: usize = 200_000;
/// Rows of one insert.
const ROWS_MAX: usize = 10_000;

/// The type of `host_states.state`.
const STATE: &str =
    "Enum8('unknown' = 0, 'up' = 1, 'suspect' = 2, 'down' = 3, 'maintenance' = 4, 'retired' = 5)";

/// See the module.
pub(crate) struct Record {
    storage: Storage,
    states: VecDeque<(String, State, i64)>,
    faults: VecDeque<Fault>,
    /// An insert that may be stored or not; it is repeated as it is.
    unsure: Option<(Insert, usize)>,
    version: u64,
    /// Who is told; nobody, where nothing is set up for it.
    told: Option<mpsc::Sender<Incident>>,
}

impl Record {
    pub(crate) const fn new(storage: Storage, told: Option<mpsc::Sender<Incident>>) -> Self {
        Self {
            storage,
            told,
            states: VecDeque::new(),
            faults: VecDeque::new(),
            unsure: None,
            version: 0,
        }
    }

    /// Rows that are there have versions up to this, whatever the clock of whoever wrote them.
    pub(crate) fn follow(&mut self, version: u64) {
        self.version = self.version.max(version / 2 + 1);
    }

    pub(crate) fn push(&mut self, change: Change) {
        match change {
            Change::State {
                agent_id,
                state,
                at_ms,
            } => {
                // The head may be in an insert that is under way.
                if self.states.len() < PENDING_MAX {
                    self.states.push_back((agent_id, state, at_ms));
                }
            }
            Change::Fault(fault) => {
                if self.faults.len() < PENDING_MAX {
                    self.faults.push_back(fault);
                }
            }
        }
    }

    /// Writes what waits: faults first, and what is written is told.
    pub(crate) async fn write(&mut self) -> Result<(), Error> {
        loop {
            if self.unsure.is_none() {
                self.unsure = self.next();
            }
            let Some((insert, rows)) = &self.unsure else {
                return Ok(());
            };
            self.storage.insert(insert).await?;
            let rows = *rows;
            if insert.table == "incidents" {
                let written: Vec<Fault> = self.faults.drain(..rows).collect();
                self.unsure = None;
                for fault in written {
                    self.tell(fault).await;
                }
            } else {
                self.states.drain(..rows);
                self.unsure = None;
            }
        }
    }

    /// Tells what is written down. An end of the other side is for its owner to see.
    pub(super) async fn tell(&mut self, fault: Fault) {
        if let Some(told) = &self.told
            && told.send(fault.into()).await.is_err()
        {
            self.told = None;
        }
    }

    fn next(&mut self) -> Option<(Insert, usize)> {
        // Of one fault the later row has to win, also within a millisecond.
        self.version = now_ms().unsigned_abs().max(self.version + 1);
        let insert = match self.faults.is_empty() {
            false => faults(&self.faults, self.version),
            true => states(&self.states)?,
        };
        let rows = insert.rows;
        Some((insert, rows))
    }
}

fn faults(pending: &VecDeque<Fault>, version: u64) -> Insert {
    let rows = pending.len().min(ROWS_MAX);
    let each = || pending.iter().take(rows);
    let mut native = Block::new(rows, 256);
    native.uuid("incident_id", each().map(|fault| fault.fault_id));
    native.text("kind", each().map(|fault| fault.kind.name()));
    native.text("agent_id", each().map(|fault| fault.agent_id.as_str()));
    native.text("role", each().map(|fault| fault.role.as_str()));
    native.text("host_group", each().map(|fault| fault.host_group.as_str()));
    native.text("objective", each().map(|fault| fault.objective.as_str()));
    native.i64("began_ms", each().map(|fault| fault.began_ms));
    native.i64("ended_ms", each().map(|fault| fault.ended_ms.unwrap_or(0)));
    native.string("summary", each().map(|fault| fault.summary.as_bytes()));
    // One that began and ended within this insert stands twice; the later is the higher.
    let is_over = |fault: &Fault| u64::from(fault.ended_ms.is_some());
    native.u64("version", each().map(|fault| version * 2 + is_over(fault)));
    named("incidents", version, rows, native)
}

fn states(pending: &VecDeque<(String, State, i64)>) -> Option<Insert> {
    let rows = pending.len().min(ROWS_MAX);
    let &(.., first_ms) = pending.front()?;
    let each = || pending.iter().take(rows);
    let mut native = Block::new(rows, 48);
    native.text("agent_id", each().map(|(agent_id, ..)| agent_id.as_str()));
    native.datetime_ms("changed_at", each().map(|&(.., at_ms)| at_ms));
    let number = |state: State| State::ALL.iter().position(|&of| of == state).unwrap_or(0);
    let numbers = each().map(|&(_, state, _)| i8::try_from(number(state)).unwrap_or(0));
    native.enum8("state", STATE, numbers);
    Some(named("host_states", first_ms.unsigned_abs(), rows, native))
}

fn named(table: &'static str, number: u64, rows: usize, native: Block) -> Insert {
    let mut insert = Insert::new(table, &Origin::Journal(number), rows, native);
    // Whoever watched before may have written in the same millisecond.
    insert.token = format!("{}-{:016x}", insert.token, fastrand::u64(..));
    insert
}
