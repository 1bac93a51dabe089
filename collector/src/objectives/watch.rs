//! Looks at every objective each minute.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc;

use super::burn::{WINDOWS_MINUTES, Window, Windows, faults};
use super::config::Objective;
use crate::alerts::{Incident, Kind};
use crate::clock::now_ms;
use crate::error::Error;
use crate::presence::live::{Change, Fault, Record, fault_id};
use crate::schema::queries::OBJECTIVE_WINDOWS;
use crate::storage::Storage;

/// From one look to the next; rows of requests are of 10 s and reach ClickHouse some seconds later.
const EVERY: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct WindowRow {
    minutes: u32,
    requests: u64,
    bad: u64,
}

/// Watches until it is aborted; `open` are the faults of objectives that were found before and last.
pub(crate) async fn run(
    storage: Storage,
    objectives: Vec<Objective>,
    open: Vec<Fault>,
    told: Option<mpsc::Sender<Incident>>,
) {
    let mut record = Record::new(storage.clone(), told);
    let mut open = known(&objectives, open, &mut record);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        for objective in &objectives {
            match windows(&storage, objective).await {
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

async fn windows(storage: &Storage, objective: &Objective) -> Result<Windows, Error> {
    let latency_us = objective.latency_ms.saturating_mul(1000).to_string();
    let bind = |query: clickhouse::query::Query| {
        let query = query.param("service", &objective.service);
        query.param("latency_us", &latency_us)
    };
    let rows: Vec<WindowRow> = storage
        .rows("windows of an objective", OBJECTIVE_WINDOWS, bind)
        .await?;
    let mut windows = Windows::default();
    for row in rows {
        let position = WINDOWS_MINUTES
            .iter()
            .position(|&minutes| minutes == row.minutes);
        if let Some(window) = position.and_then(|position| windows.get_mut(position)) {
            *window = Window {
                requests: row.requests,
                bad: row.bad,
            };
        }
    }
    Ok(windows)
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
