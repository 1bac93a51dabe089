//! Security events of what has to be asked: databases of login records, and services.
//!
//! Each kind (`sql`, …) is a source of its own, with a position of its own in the security lane, and
//! is there only where it is configured. Promises that a record is one event, through restarts: its
//! position is stored with its event, in the same record of the spool, and records that appear late
//! are read as far as a lookback reaches ([`window`]). A poll that fails is an error of every run of
//! the source until one succeeds, so that silence is not taken for peace; it loses nothing, since
//! the position stays. The asking is done on a thread of its own ([`engine`]), so that a service that
//! hangs holds up neither other sources nor other services.
//! What comes from there is strangers' text: bounded, and taken as data.

mod connect;
mod engine;
mod http;
pub mod hubspot;
mod reader;
pub mod salesforce;
mod secret;
pub mod sql;
mod start;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crmscope_proto::Lane;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::error::TryRecvError;

use self::engine::{Chunk, Engine, Poller, Report};
use super::event::Origin;
use super::rules::Asking;
use super::sink::hold;
use crate::rules::{Class, Rules};
use crate::sources::{Moment, Rows, Source, SourceError, Worker};

/// Time between looks for what was read.
const FETCH_INTERVAL: Duration = Duration::from_secs(1);

/// Longest that a look should take; it waits for nothing.
const FETCH_DEADLINE: Duration = Duration::from_secs(1);

/// Events taken in one look; the rest waits.
const EVENTS_MAX: usize = 10_000;

/// Version of [`Checkpoint`].
const CHECKPOINT_VERSION: u32 = 1;

/// Most positions that are kept, those of what is not configured any more included.
const POSITIONS_MAX: usize = 64;

/// What the positions of polled sources take at most of those of their lane. The rest is for logs.
const LANE_SHARE_BYTES: usize = 1536 * 1024;

const _: () = assert!(
    sql::SqlPoller::POSITIONS_MAX_BYTES
        + salesforce::SalesforcePoller::POSITIONS_MAX_BYTES
        + hubspot::HubSpotPoller::POSITIONS_MAX_BYTES
        <= LANE_SHARE_BYTES
        && LANE_SHARE_BYTES < crate::spool::CHECKPOINT_MAX_BYTES
);

/// Where every poller stands.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Checkpoint {
    version: u32,
    positions: BTreeMap<String, String>,
}

/// Login records in databases; `None` where none is configured.
pub(in crate::sources) fn of_databases(
    config: &sql::Config,
    rules: &Arc<Rules>,
) -> Option<Box<dyn Source>> {
    let databases = config.enabled.then(|| config.databases.clone())?;
    build::<sql::SqlPoller>("sql", databases, rules)
}

/// Login records and exports of Salesforce; `None` where no org is configured.
pub(in crate::sources) fn of_salesforce(
    config: &salesforce::Config,
    rules: &Arc<Rules>,
) -> Option<Box<dyn Source>> {
    let orgs = config.enabled.then(|| config.orgs.clone())?;
    build::<salesforce::SalesforcePoller>("salesforce", orgs, rules)
}

/// The login history of HubSpot; `None` where no account is configured.
pub(in crate::sources) fn of_hubspot(
    config: &hubspot::Config,
    rules: &Arc<Rules>,
) -> Option<Box<dyn Source>> {
    let accounts = config.enabled.then(|| config.accounts.clone())?;
    build::<hubspot::HubSpotPoller>("hubspot", accounts, rules)
}

/// Whether a setting can stand in names and errors.
fn check_text(key: &str, text: &str, longest: usize) -> Result<(), String> {
    if text.is_empty() || text.len() > longest || text.contains(char::is_control) {
        return Err(format!(
            "{key} is {text:?}; use 1 to {longest} bytes without control characters"
        ));
    }
    Ok(())
}

/// Whether the sections under `key` are `most` at most, have names of their own, and make sense each.
fn check_sections<S>(
    key: &str,
    sections: &[S],
    most: usize,
    name: impl Fn(&S) -> &str,
    check: impl Fn(&S) -> Result<(), String>,
) -> Result<(), String> {
    if sections.len() > most {
        return Err(format!(
            "{key} has {} sections; use at most {most}",
            sections.len()
        ));
    }
    let mut names = BTreeSet::new();
    for section in sections {
        let name = name(section);
        if !names.insert(name) {
            return Err(format!(
                "{key}: two have the name {name:?}; their positions would be one"
            ));
        }
        check(section).map_err(|error| format!("{key}: {name:?}: {error}"))?;
    }
    Ok(())
}

/// Whether each number is within its bounds.
fn check_numbers<const N: usize>(
    numbers: [(&str, u64, RangeInclusive<u64>); N],
) -> Result<(), String> {
    for (key, value, bounds) in numbers {
        if !bounds.contains(&value) {
            let (lowest, highest) = bounds.into_inner();
            return Err(format!("{key} is {value}; use {lowest} to {highest}"));
        }
    }
    Ok(())
}

/// Bytes of a position with its name in a checkpoint.
fn stored_bytes(name: &str, position: &str) -> usize {
    let escaped = |text: &str| text.len() + text.matches(['"', '\\']).count();
    escaped(name) + escaped(position) + "\"\":\"\",".len()
}

fn build<P: Poller + Send>(
    name: &'static str,
    configs: Vec<P::Config>,
    rules: &Arc<Rules>,
) -> Option<Box<dyn Source>> {
    (!configs.is_empty())
        .then(|| Box::new(PolledSource::<P>::new(name, configs, rules)) as Box<dyn Source>)
}

/// Polls what is configured of one kind.
#[derive(Debug)]
struct PolledSource<P: Poller> {
    name: &'static str,
    configs: Vec<P::Config>,
    /// How the last poll of each ended; nothing before the first.
    states: Vec<Option<Result<(), String>>>,
    positions: BTreeMap<String, String>,
    engine: Option<Engine>,
    rules: Arc<Rules>,
}

impl<P: Poller> PolledSource<P> {
    /// A source that has asked nothing yet; nothing is started before its first run. Its name is
    /// that of its section, and of its position.
    fn new(name: &'static str, configs: Vec<P::Config>, rules: &Arc<Rules>) -> Self {
        Self {
            name,
            states: vec![None; configs.len()],
            configs,
            positions: BTreeMap::new(),
            engine: None,
            rules: Arc::clone(rules),
        }
    }

    fn start(&mut self) -> Result<Engine, SourceError> {
        let position = |config| self.positions.get(P::name(config)).cloned();
        let pollers = self.configs.iter();
        let pollers = pollers.map(|config| (config.clone(), position(config)));
        Engine::start::<P>(self.name, pollers.collect())
            .map_err(|error| SourceError::Other(format!("nothing is polled: no thread: {error}")))
    }

    /// Takes events, and the position behind them at once.
    fn take(&mut self, poller: usize, mut chunk: Chunk, moment: Moment, rows: &mut Rows<'_>) {
        let Some(config) = self.configs.get(poller) else {
            return;
        };
        let own = P::service(config);
        let asking = Asking::of(&self.rules);
        for polled in &chunk.events {
            let reading = &polled.reading;
            let named = !reading.service.is_empty();
            let origin = Origin {
                time_ms: reading.time_ms,
                service: if named { &reading.service } else { own },
                process_id: 0,
                event_id: polled.event_id,
            };
            let held = &mut rows.contents().security;
            let event = reading.event();
            let row = hold(held, &mut chunk.counts, &event, &origin, moment.wall_ms);
            asking.ask(Class::Application, own, row, &polled.line);
        }
        chunk.counts.report(rows);
        if let Some(position) = chunk.position {
            self.positions.insert(P::name(config).to_owned(), position);
        }
    }

    /// Forgets positions of what is not configured any more, where there is no room for them.
    fn drop_positions(&mut self) {
        let own: BTreeSet<&str> = self.configs.iter().map(P::name).collect();
        let mut bytes: usize = 0;
        for (name, position) in &self.positions {
            if own.contains(&**name) {
                bytes += stored_bytes(name, position);
            }
        }
        self.positions.retain(|name, position| {
            if own.contains(&**name) {
                return true;
            }
            bytes += stored_bytes(name, position);
            let fits = bytes <= P::POSITIONS_MAX_BYTES;
            if !fits {
                bytes -= stored_bytes(name, position);
                tracing::warn!(
                    source = self.name,
                    name,
                    "the position of what is not configured any more is forgotten: there is no room for it"
                );
            }
            fits
        });
    }

    /// What is wrong with any of them.
    fn state(&self) -> Result<(), SourceError> {
        let failing = self.configs.iter().zip(&self.states);
        let failing = failing.filter_map(|(config, state)| match state {
            Some(Err(error)) => Some(format!("{}: {error}", P::name(config))),
            _ => None,
        });
        let failing: Vec<_> = failing.collect();
        if failing.is_empty() {
            return Ok(());
        }
        Err(SourceError::Other(failing.join("; ")))
    }
}

impl<P: Poller + Send> Source for PolledSource<P> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn worker(&self) -> Worker {
        Worker::Security
    }

    fn lane(&self) -> Lane {
        Lane::Security
    }

    fn interval(&self) -> Duration {
        FETCH_INTERVAL
    }

    fn deadline(&self) -> Duration {
        FETCH_DEADLINE
    }

    fn collect(&mut self, moment: Moment, rows: &mut Rows<'_>) -> Result<(), SourceError> {
        let mut engine = match self.engine.take() {
            Some(engine) => engine,
            None => self.start()?,
        };
        let before = rows.contents().security.len();
        while rows.contents().security.len() - before < EVENTS_MAX {
            match engine.report() {
                Ok((poller, Report::Read(chunk))) => self.take(poller, chunk, moment, rows),
                Ok((poller, Report::Ended(outcome))) => {
                    if let Some(state) = self.states.get_mut(poller) {
                        *state = Some(outcome);
                    }
                }
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    return Err(SourceError::Other(
                        "the thread that polls has ended and is started again; this is a bug in crmscope-agent"
                            .to_owned(),
                    ));
                }
            }
        }
        self.engine = Some(engine);
        self.state()
    }

    fn checkpoint(&mut self) -> Option<Vec<u8>> {
        self.drop_positions();
        let checkpoint = Checkpoint {
            version: CHECKPOINT_VERSION,
            positions: self.positions.clone(),
        };
        serde_json::to_vec(&checkpoint).ok()
    }

    fn restore(&mut self, checkpoint: &[u8]) {
        let configured = |name: &str| self.configs.iter().any(|one| P::name(one) == name);
        match serde_json::from_slice::<Checkpoint>(checkpoint) {
            Ok(restored) if restored.version <= CHECKPOINT_VERSION => {
                let (own, gone): (Vec<_>, Vec<_>) = restored
                    .positions
                    .into_iter()
                    .partition(|(name, _)| configured(name));
                self.positions = own.into_iter().chain(gone).take(POSITIONS_MAX).collect();
            }
            Ok(restored) => {
                tracing::warn!(
                    source = self.name,
                    version = restored.version,
                    known = CHECKPOINT_VERSION,
                    "the checkpoint is of a newer agent, polling starts without it"
                );
            }
            Err(error) => {
                tracing::warn!(source = self.name, %error, "polling starts without a checkpoint");
            }
        }
    }

    fn stop(&mut self) {
        self.engine = None;
    }
}
