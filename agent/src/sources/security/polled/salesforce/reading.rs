//! A file as it is read: its records become events, which are handed over with the place behind them.
//!
//! Promises that nothing counts as told before it was handed over, also where a file breaks off, and that
//! a user of whom a record has only an id is asked for before.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::super::engine::{Chunk, Hand};
use super::super::window::short;
use super::answers::{Fault, LogFile, USERS_MAX};
use super::csv::{Csv, Record};
use super::known::InFile;
use super::record::{Columns, Unnamed};
use super::{CROWDED, FILES_MAX, Files, SalesforcePoller};
use crate::sources::tail::calendar::DAY_MS;

/// Events that are handed over at once.
const CHUNK_EVENTS: usize = 500;

/// How long names of users are remembered.
const NAMES_INTERVAL: Duration = Duration::from_secs(86_400);

/// A file that is being read.
struct Reading {
    csv: Csv,
    columns: Option<Columns>,
    in_file: InFile,
    /// Records so far.
    count: u64,
    /// Of these many were handled before.
    handled: u64,
    chunk: Chunk,
    /// Keys of the chunk's records.
    told: BTreeSet<u64>,
    /// Which of the chunk's events name users by their ids.
    unnamed: Vec<(usize, Unnamed)>,
}

impl SalesforcePoller {
    /// Reads a file to its end.
    pub(super) async fn read(&mut self, file: &LogFile, hand: &Hand) -> Result<(), Fault> {
        let until = Instant::now() + Duration::from_millis(self.org.file_deadline_ms);
        let place = self.place().map_err(Fault::Org)?;
        let mut reading = Reading {
            csv: Csv::default(),
            columns: None,
            in_file: InFile::default(),
            count: 0,
            handled: place.begun.get(&file.id).copied().unwrap_or(0),
            chunk: Chunk::default(),
            told: BTreeSet::new(),
            unnamed: Vec::new(),
        };
        if reading.handled == 0
            && place.known.is_crowded(file.date_ms, file.of)
            && self.org.files == Files::Daily
        {
            tracing::warn!(
                source = "salesforce",
                org = self.org.name,
                file = file.id,
                "a day with more records than are remembered has another file: what it repeats is told again, with the same ids"
            );
        }
        let outcome = self.read_body(file, &mut reading, until, hand).await;
        if let Err(Fault::Org(_)) = outcome {
            return outcome;
        }
        if reading.columns.is_none() && outcome.is_ok() {
            return Err(Fault::File("it is empty, without a head".to_owned()));
        }
        // What was read of a file that broke off is told: the rest comes when it is tried again.
        let is_whole = outcome.is_ok();
        self.hand_over(file, &mut reading, is_whole, hand).await?;
        outcome
    }

    /// Hands over what was read of a file since the last time, with the place behind it.
    async fn hand_over(
        &mut self,
        file: &LogFile,
        reading: &mut Reading,
        is_whole: bool,
        hand: &Hand,
    ) -> Result<(), Fault> {
        // Before anything counts as told: this may fail, and then all of it comes again.
        self.name(reading).await?;
        let mut crowded = false;
        let place = self.place().map_err(Fault::Org)?;
        for key in std::mem::take(&mut reading.told) {
            place.known.tell(file.date_ms, file.of, key);
        }
        if is_whole {
            place.begun.remove(&file.id);
            place.failed.remove(&file.id);
            place.window.admit(file.created_ms, short(&file.id));
            // Files come in the order in which they were made.
            crowded = place.window.trim_to(FILES_MAX).is_err();
        } else if reading.count > 0 {
            let handled = reading.count.max(reading.handled);
            place.begun.insert(file.id.clone(), handled);
        }
        let chunk = std::mem::take(&mut reading.chunk);
        self.give(hand, chunk).await.map_err(Fault::Org)?;
        if crowded {
            return Err(Fault::from(CROWDED.to_owned()));
        }
        Ok(())
    }

    /// Puts names in the place of ids of users, as far as the org tells them.
    async fn name(&mut self, reading: &mut Reading) -> Result<(), Fault> {
        if self.names_since.elapsed() > NAMES_INTERVAL {
            self.names.forget();
            self.names_since = Instant::now();
        }
        let ids = reading
            .unnamed
            .iter()
            .flat_map(|(_, unnamed)| unnamed.ids());
        let missing = self.names.missing(ids);
        for ids in missing.chunks(USERS_MAX) {
            if self.nameless.is_some() {
                break;
            }
            match self.api.user_names(&self.org, ids).await {
                Ok(told) => self.names.learn(ids, told),
                Err(Fault::File(error)) => self.nameless = Some((Instant::now(), error)),
                Err(fault) => return Err(fault),
            }
        }
        for (event, unnamed) in std::mem::take(&mut reading.unnamed) {
            let Some(polled) = reading.chunk.events.get_mut(event) else {
                continue;
            };
            let texts = &mut polled.reading;
            for (id, text) in [
                (unnamed.user, &mut texts.user),
                (unnamed.target_user, &mut texts.target_user),
            ] {
                let name = id.as_deref().and_then(|id| self.names.of(id));
                if let Some(name) = name {
                    name.clone_into(text);
                }
            }
        }
        Ok(())
    }

    async fn read_body(
        &mut self,
        file: &LogFile,
        reading: &mut Reading,
        until: Instant,
        hand: &Hand,
    ) -> Result<(), Fault> {
        let mut answer = self.api.file(&self.org, &file.id).await?;
        let mut bytes: u64 = 0;
        loop {
            let part = timeout_at(until, answer.part(self.org.deadline())).await;
            let part = part.map_err(|_| {
                Fault::File(format!(
                    "it did not end within {} ms; raise file_deadline_ms",
                    self.org.file_deadline_ms
                ))
            })?;
            let Some(part) = part.map_err(Fault::File)? else {
                break;
            };
            bytes += part.len() as u64;
            if bytes > self.org.file_max_bytes {
                return Err(Fault::File(format!(
                    "it has more than {} bytes; raise file_max_bytes",
                    self.org.file_max_bytes
                )));
            }
            let mut rest = &part[..];
            while !rest.is_empty() {
                let (record, left) = reading.csv.next(rest).map_err(of_csv)?;
                rest = left;
                if let Some(record) = record {
                    self.take(file, reading, record)?;
                }
                if reading.chunk.events.len() >= CHUNK_EVENTS {
                    self.hand_over(file, reading, false, hand).await?;
                }
            }
        }
        if let Some(record) = reading.csv.end().map_err(of_csv)? {
            let whole = reading
                .columns
                .as_ref()
                .is_none_or(|columns| columns.count() == record.fields.len());
            if !whole {
                return Err(Fault::File("it ends within a record".to_owned()));
            }
            self.take(file, reading, record)?;
        }
        Ok(())
    }

    /// Takes a record.
    fn take(&mut self, file: &LogFile, reading: &mut Reading, record: Record) -> Result<(), Fault> {
        if record.is_blank() {
            return Ok(());
        }
        let Some(columns) = &reading.columns else {
            reading.columns = Some(Columns::of(record).map_err(Fault::File)?);
            return Ok(());
        };
        reading.count += 1;
        let day = file.date_ms.div_euclid(DAY_MS);
        let session = columns.session(file.of, &record, day);
        let identity = session.unwrap_or_else(|| columns.identity(file.of, &record));
        let number = reading.in_file.number(first_eight(&identity));
        if reading.count <= reading.handled {
            return Ok(());
        }
        let counts = &mut reading.chunk.counts;
        if record.odd || record.fields.len() != columns.count() {
            counts.line();
            counts.unparsed();
            return Ok(());
        }
        // Of an impersonation the first record stands for all.
        let repeated = session.is_some() && number > 0;
        let mut key = identity.to_vec();
        key.extend_from_slice(&number.to_le_bytes());
        let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        let short = short(&key);
        let place = self.place.as_ref();
        let known = &place
            .ok_or_else(|| Fault::from("no position".to_owned()))?
            .known;
        let is_told = reading.told.contains(&short) || known.holds(file.date_ms, file.of, short);
        if repeated || is_told {
            return Ok(());
        }
        let (words, object) = (columns.words(file.of, &record), columns.object(&record));
        let now_ms = crate::clock::wall_ms();
        let event = self.reader.read_as(&words, &object, &key, now_ms, counts);
        let Some(event) = event else {
            return Ok(());
        };
        reading.told.insert(short);
        let unnamed = columns.unnamed(file.of, &record);
        if unnamed != Unnamed::default() {
            let place = reading.chunk.events.len();
            reading.unnamed.push((place, unnamed));
        }
        reading.chunk.events.push(event);
        Ok(())
    }
}

fn of_csv(error: &'static str) -> Fault {
    Fault::File(error.to_owned())
}

fn first_eight(identity: &[u8; 32]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&identity[..8]);
    u64::from_le_bytes(bytes)
}
