//! Login records and exports of Salesforce, out of its event log files.
//!
//! Owns what is asked and when: a poll lists the files that were made since the newest one, less a
//! lookback ([`Window`]), and reads those that are new, in the order in which they were made, as
//! they come and a record at a time. Hourly files or daily ones are read, never both: they hold the same
//! events. Promises that each record is told once, through restarts in the middle of a file, and where
//! a file is made anew for the same day as far as [`known`] remembers. Beyond that a record may be told
//! again, with the same id. A file that cannot be read is a state and stops no other; it is tried again
//! as often as config says and as long as the lookback reaches, and then given up: that is counted, and
//! told with its id. Users of whom a record has only an id are told by their names, as far as the org
//! tells them ([`names`]).

mod answers;
mod api;
mod config;
mod csv;
mod failed;
#[cfg(any(feature = "fuzzing", test))]
mod fuzzing;
mod known;
mod names;
mod reading;
mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::answers::{Fault, LogFile};
use self::api::Api;
pub use self::config::{Config, Files, Org};
use self::failed::{FAILED_MAX, Failed, Trouble};
#[cfg(any(feature = "fuzzing", test))]
pub use self::fuzzing::read_answers;
use self::known::{Known, SavedGroup};
use self::names::Names;
pub use self::record::EventType;
use super::engine::{Chunk, Hand, Handed, PollError, Poller};
use super::reader::Reader;
use super::window::{Saved, Window, short};
use crate::sources::tail::calendar::DAY_MS;
use crate::sources::tail::{Loss, Lost};

/// Files that were begun and are remembered.
const BEGUN_MAX: usize = 16;

/// Files that are remembered of an org. Positions of a lane share 2 MiB.
const FILES_MAX: usize = 2048;

/// Told records that are remembered of all orgs together, [`known::KEYS_MAX`] of one at most.
const KEYS_MAX: usize = 32_768;

/// What is wrong where the window cannot tell files apart.
const CROWDED: &str = "more files than can be told apart were made at once";

/// A file this far ahead of this host's clock waits until then.
const AHEAD_MAX_MS: i64 = 600_000;

/// Time between looks for files of the other interval, where there are none of the chosen one.
const OTHERS_INTERVAL: Duration = Duration::from_secs(3600);

/// Where the org tells none, the time until it is asked again.
const NAMES_WAIT: Duration = Duration::from_secs(600);

/// A position as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    window: Saved,
    known: Vec<SavedGroup>,
    /// Records that were handled of files that were begun.
    begun: BTreeMap<String, u64>,
    #[serde(default)]
    failed: Failed,
}

/// Where reading stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Of files, by when they were made.
    window: Window,
    known: Known,
    begun: BTreeMap<String, u64>,
    failed: Failed,
}

/// Polls one org.
pub(super) struct SalesforcePoller {
    org: Org,
    api: Api,
    reader: Reader,
    place: Option<Place>,
    /// Told records that it may remember.
    keys_max: usize,
    handed: Handed,
    others_seen: Option<Instant>,
    names: Names,
    /// When the oldest of them was asked for.
    names_since: Instant,
    /// When the org told no names, and why.
    nameless: Option<(Instant, String)>,
}

impl Poller for SalesforcePoller {
    type Config = Org;

    // A file takes 16 bytes in base64, a record 8. Of each day and type that is remembered there is a head
    // of up to 80 bytes, and of each file that failed one of up to 90; the rest is less than 2 KiB.
    const POSITIONS_MAX_BYTES: usize = KEYS_MAX * 8 * 4 / 3
        + 4 * (FILES_MAX * 16 * 4 / 3 + known::GROUPS_MAX * 84 + FAILED_MAX * 90 + 2048);

    fn new(org: &Org, position: Option<&str>, sharers: usize) -> Self {
        let reader = Reader::new("salesforce", &org.name, &record::mapping(&org.service));
        let mut poller = Self {
            api: Api::new(org),
            reader: reader.expect("the mapping is this module's own"),
            place: None,
            keys_max: KEYS_MAX / sharers.max(1),
            handed: Handed::default(),
            others_seen: None,
            names: Names::default(),
            names_since: Instant::now(),
            nameless: None,
            org: org.clone(),
        };
        if let Some(position) = position {
            poller.restore(position);
        }
        poller
    }

    fn name(org: &Org) -> &str {
        &org.name
    }

    fn service(org: &Org) -> &str {
        &org.service
    }

    fn interval(org: &Org) -> Duration {
        Duration::from_millis(org.interval_ms)
    }

    async fn poll(&mut self, hand: &Hand) -> Result<(), PollError> {
        self.begin(hand).await?;
        let start = self.place()?.window.start();
        let files = self.api.list(&self.org, start).await.map_err(of_org)?;
        let mut trouble = Trouble::default();
        self.forget(&files, start, &mut trouble, hand).await?;
        if files.is_empty()
            && let Some(others) = self.only_others(start).await?
        {
            trouble.note(others);
        }
        let nameless = self.nameless.take();
        self.nameless = nameless.filter(|(since, _)| since.elapsed() < NAMES_WAIT);
        let mut failures = 0;
        let latest = crate::clock::wall_ms().saturating_add(AHEAD_MAX_MS);
        for file in files {
            if file.created_ms > latest {
                trouble.note(
                    "files are ahead of this host's clock and wait until then; see to the clock"
                        .to_owned(),
                );
                break;
            }
            if !self
                .place()?
                .window
                .is_new(file.created_ms, short(&file.id))
            {
                continue;
            }
            let begun = &self.place()?.begun;
            if begun.len() >= BEGUN_MAX && !begun.contains_key(&file.id) {
                trouble.note(format!(
                    "file {} waits: too many files broke off before it",
                    file.id
                ));
                continue;
            }
            match self.read(&file, hand).await {
                Ok(()) => continue,
                Err(Fault::Org(error)) => return Err(error),
                Err(fault) => self.failed(&file, fault, &mut trouble, hand).await?,
            }
            failures += 1;
            if failures >= FAILED_MAX {
                break;
            }
        }
        self.give(hand, Chunk::default()).await?;
        if let Some((_, error)) = &self.nameless {
            trouble.note(error.clone());
        }
        trouble.told().map_err(PollError::from)
    }
}

fn of_org(fault: Fault) -> PollError {
    match fault {
        Fault::Org(error) => error,
        Fault::File(message) => message.into(),
        Fault::Gone => "what was asked for is not there".to_owned().into(),
    }
}

impl SalesforcePoller {
    fn restore(&mut self, position: &str) {
        let lookback = self.org.lookback();
        let restored = serde_json::from_str::<Position>(position).ok();
        self.place = restored.and_then(|restored| {
            Some(Place {
                window: Window::load(&restored.window, lookback)?.cut_to(FILES_MAX)?,
                known: Known::load(&restored.known, self.keys_max)?,
                begun: restored.begun,
                failed: restored.failed,
            })
        });
        match self.place {
            Some(_) => self.handed.restored(position),
            None => tracing::warn!(
                source = "salesforce",
                org = self.org.name,
                "the position cannot be read: reading begins as at a first start"
            ),
        }
    }

    fn place(&mut self) -> Result<&mut Place, PollError> {
        let missing = || PollError::from("no position; this is a bug in crmscope-agent".to_owned());
        self.place.as_mut().ok_or_else(missing)
    }

    /// The first poll's place is handed over at once: a restart begins there too.
    async fn begin(&mut self, hand: &Hand) -> Result<(), PollError> {
        if self.place.is_some() {
            // One that was restored may be smaller than it was.
            return self.give(hand, Chunk::default()).await;
        }
        let begin_ms = self.org.from.begin_ms(crate::clock::wall_ms());
        self.place = Some(Place {
            window: Window::at(begin_ms, self.org.lookback()),
            known: Known::new(self.keys_max),
            begun: BTreeMap::new(),
            failed: Failed::default(),
        });
        self.give(hand, Chunk::default()).await
    }

    /// Hands over events with the place behind them.
    async fn give(&mut self, hand: &Hand, chunk: Chunk) -> Result<(), PollError> {
        let place = self.place()?;
        let position = Position {
            window: place.window.save(),
            known: place.known.save(),
            begun: place.begun.clone(),
            failed: place.failed.clone(),
        };
        let position = serde_json::to_string(&position).unwrap_or_default();
        self.handed.give(hand, chunk, position).await
    }

    /// Forgets files that are not listed any more: they do not come again. Those that failed until they
    /// were out of the lookback's reach are lost.
    async fn forget(
        &mut self,
        files: &[LogFile],
        start: i64,
        trouble: &mut Trouble,
        hand: &Hand,
    ) -> Result<(), PollError> {
        let ids: BTreeSet<&str> = files.iter().map(|file| &*file.id).collect();
        let place = self.place()?;
        place.begun.retain(|id, _| ids.contains(&**id));
        let mut chunk = Chunk::default();
        for id in place.failed.retain(|id| ids.contains(id), start) {
            let error = format!(
                "file {id} failed until lookback_ms did not reach it any more, and what is in it is lost; raise lookback_ms"
            );
            self.give_up(&id, error, &mut chunk, trouble);
        }
        if chunk.counts.any() {
            self.give(hand, chunk).await?;
        }
        Ok(())
    }

    /// Counts a try that failed. After the last one the file is given up, and the cursor passes it.
    async fn failed(
        &mut self,
        file: &LogFile,
        fault: Fault,
        trouble: &mut Trouble,
        hand: &Hand,
    ) -> Result<(), PollError> {
        let is_gone = matches!(fault, Fault::Gone);
        let error = match fault {
            Fault::File(error) => error,
            Fault::Gone => "it is listed and not there (status 404)".to_owned(),
            Fault::Org(error) => return Err(error),
        };
        let named = format!("file {} ({})", file.id, file.of.word());
        let most = self.org.file_tries_max;
        let place = self.place()?;
        let tries = place.failed.add(file);
        if tries.is_none_or(|tries| tries < most) {
            // Where it was made anew under another id, the next list does not have it any more.
            if !is_gone || tries != Some(1) {
                trouble.note(format!("{named}: {error}"));
            }
            return Ok(());
        }
        place.begun.remove(&file.id);
        place.failed.remove(&file.id);
        place.window.admit(file.created_ms, short(&file.id));
        let crowded = place.window.trim_to(FILES_MAX).is_err();
        let error =
            format!("{named} failed {most} times, is given up, and what is in it is lost: {error}");
        let mut chunk = Chunk::default();
        self.give_up(&file.id, error, &mut chunk, trouble);
        self.give(hand, chunk).await?;
        if crowded {
            return Err(PollError::from(CROWDED.to_owned()));
        }
        Ok(())
    }

    /// A file is lost: a figure, and an error.
    fn give_up(&self, id: &str, error: String, chunk: &mut Chunk, trouble: &mut Trouble) {
        tracing::warn!(
            source = "salesforce",
            org = self.org.name,
            file = id,
            "{error}"
        );
        chunk.counts.lose(&Loss {
            reason: Lost::Unreadable,
            path: Path::new(id),
            bytes: None,
        });
        trouble.give_up(error);
    }

    /// What is wrong where files of the other interval are there, and none of the chosen one.
    async fn only_others(&mut self, start: i64) -> Result<Option<String>, PollError> {
        // Less than a day without a file proves nothing.
        if crate::clock::wall_ms().saturating_sub(start) < DAY_MS {
            return Ok(None);
        }
        if self
            .others_seen
            .is_some_and(|seen| seen.elapsed() < OTHERS_INTERVAL)
        {
            return Ok(None);
        }
        let others = self
            .api
            .has_others(&self.org, start)
            .await
            .map_err(of_org)?;
        if !others {
            self.others_seen = Some(Instant::now());
            return Ok(None);
        }
        let (own, other) = (self.org.files, self.org.files.other());
        Ok(Some(format!(
            "the org makes no {} files, but {} ones; set files = \"{}\"",
            own.setting(),
            other.setting(),
            other.setting()
        )))
    }
}

/// The largest position of one of so many orgs.
#[cfg(test)]
pub(super) fn full_position(sharers: usize) -> String {
    let file = |number: usize| LogFile {
        created_ms: -1_000_000_000_000,
        id: format!("0AT5j{number:013}"),
        of: EventType::ReportExport,
        date_ms: 0,
    };
    let keys_max = known::KEYS_MAX.min(KEYS_MAX / sharers);
    let mut known = Known::new(keys_max);
    for key in 0..keys_max {
        let day = i64::try_from(key % known::GROUPS_MAX).unwrap_or_default() - 3_000_000;
        known.tell(day * DAY_MS, EventType::ReportExport, key as u64);
    }
    let mut failed = Failed::default();
    for number in 0..FAILED_MAX {
        failed.add(&file(number));
    }
    let position = Position {
        window: super::tests::full_window(FILES_MAX).save(),
        known: known.save(),
        begun: (0..BEGUN_MAX)
            .map(|number| (file(number).id, u64::MAX))
            .collect(),
        failed,
    };
    serde_json::to_string(&position).unwrap_or_default()
}
