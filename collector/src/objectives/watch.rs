//! Looks at every objective each minute.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use super::burn::{Windows, faults};
use super::config::Objective;
use super::windows::{BEFORE_MS, LONGEST_MS, windows};
use crate::alerts::{Incident, Kind};
use crate::clock::now_ms;
use crate::presence::live::{Change, Fault, Record, fault_id};
use crate::presence::maintenance::{Calendar, InForce};
use crate::storage::Storage;

/// From one look to the next; rows of requests are of 10 s and reach ClickHouse some seconds later.
const EVERY: Duration = Duration::from_secs(60);
/// The same, ms.
const EVERY_MS: i64 = 60_000;

/// Watches until it is aborted; `open` are the faults of objectives that were found before and last.
pub(crate) async fn run(
    storage: Storage,
    objectives: Vec<Objective>,
    open: Vec<Fault>,
    told: Option<mpsc::Sender<Incident>>,
) {
    let mut record = Record::new(storage.clone(), told);
    let mut open = known(&objectives, open, &mut record);
    let mut maintenance = InForce::default();
    let mut calendar: Option<Calendar> = None;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now_ms = now_ms();
        let range = now_ms - LONGEST_MS - BEFORE_MS..now_ms + EVERY_MS;
        match maintenance.calendar(&storage, &range).await {
            Ok(now) => calendar = Some(now),
            // What was read last is nearer to the truth than nothing.
            Err(error) => tracing::debug!(%error, "maintenance of services is read later"),
        }
        for objective in &objectives {
            let Some(calendar) = &calendar else {
                break;
            };
            let idle = calendar.of_service(&objective.service);
            // As of a host: what begins before the next look begins now, and nothing is told in it.
            let is_idle = idle.iter().any(|range| range.end > now_ms);
            match windows(&storage, objective, &idle, now_ms).await {
                Ok(_) if is_idle => {}
                Ok(windows) => look(objective, &windows, &mut open, &mut record),
                // Nothing is known, so nothing begins and nothing is over.
                Err(error) => {
                    tracing::warn!(%error, objective = objective.name, "an objective cannot be looked at");
                }
            }
        }
        if let Err(error) = record.write().await {
            tracing::debug!(%error, "faults of objectives will be written later");
        }
    }
}

type Open = BTreeMap<(String, Kind), Fault>;

/// Those of objectives that are gone are over.
fn known(objectives: &[Objective], faults: Vec<Fault>, record: &mut Record) -> Open {
    let mut open = Open::new();
    for fault in faults {
        if objectives
            .iter()
            .any(|objective| objective.name == fault.objective)
        {
            let twice = open.insert((fault.objective.clone(), fault.kind), fault);
            if let Some(twice) = twice {
                record.push(Change::Fault(twice.ended(now_ms())));
            }
        } else {
            record.push(Change::Fault(fault.ended(now_ms())));
        }
    }
    open
}

/// What is new and what is over.
fn look(objective: &Objective, windows: &Windows, open: &mut Open, record: &mut Record) {
    let now_ms = now_ms();
    let of = |kind: &Kind| (objective.name.clone(), *kind);
    let kinds: Vec<Kind> = open
        .keys()
        .filter(|(name, _)| *name == objective.name)
        .map(|(_, kind)| *kind)
        .collect();
    let found = faults(objective, windows, &kinds);
    for kind in kinds {
        if found.iter().all(|(now, _)| *now != kind)
            && let Some(fault) = open.remove(&of(&kind))
        {
            record.push(Change::Fault(fault.ended(now_ms)));
        }
    }
    for (kind, summary) in found {
        open.entry(of(&kind)).or_insert_with(|| {
            let fault = Fault {
                fault_id: fault_id(kind, &objective.name, &now_ms.to_be_bytes()),
                kind,
                agent_id: String::new(),
                role: String::new(),
                host_group: String::new(),
                objective: objective.name.clone(),
                began_ms: now_ms,
                ended_ms: None,
                summary,
            };
            record.push(Change::Fault(fault.clone()));
            fault
        });
    }
}
