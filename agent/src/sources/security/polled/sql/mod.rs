//! Login records in databases: PostgreSQL, MySQL and MariaDB, by a query with a moving cursor.
//!
//! Owns what is asked and when. A poll is a connection of its own, in a transaction that may only
//! read, with a deadline at both ends; a role that may write is refused unless that is allowed.
//! Pages begin at the cursor ([`Window`]), at least a lookback behind the newest row, so that rows
//! of transactions that commit late are not missed; each is told by its key and read once.
//! What is wrong with a row is counted and is a state; what is wrong with the query or the database
//! stops this query, with the reason, and loses nothing: the cursor stays.

mod config;
mod cursor;
mod mysql;
mod postgres;
mod session;
mod statement;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

pub use self::config::{Config, Database, Kind};
pub use self::cursor::CursorKind;
pub(super) use self::cursor::written;
use self::session::{Door, Session};
use self::statement::Statement;
use self::wire::Page;
use super::engine::{Chunk, Hand, Handed, PollError, Poller};
use super::reader::Reader;
pub use super::start::Start;
use super::window::{SEEN_MAX, Saved, Window, short};
use crate::sources::line_counts::LineCounts;
use crate::sources::tail::zone::Zone;

/// Rows that are remembered of all databases together, [`SEEN_MAX`] of one at most. Positions of a lane
/// share 2 MiB.
const ROWS_MAX: usize = 20_480;

/// Rows of a page, once more than `limit` of them stand at one place of the cursor.
const LIMIT_MAX: u32 = 2 * SEEN_MAX as u32;

/// A row this far ahead of this host's clock waits until then, µs.
const AHEAD_MAX_US: i64 = 60_000_000;

/// How inexactly a fraction of a second may come back, µs.
const ROUNDING_US: i64 = 1_000_000;

/// Time between looks at what the role may do.
const ROLE_INTERVAL: Duration = Duration::from_secs(3600);

/// A position as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    /// Of the cursor: with another, numbers mean something else.
    kind: CursorKind,
    column: String,
    window: Saved,
}

/// Polls one query.
pub(super) struct SqlPoller {
    config: Database,
    statement: Statement,
    reader: Reader,
    zone: Zone,
    door: Door,
    window: Option<Window>,
    /// Rows that it may remember.
    rows_max: usize,
    handed: Handed,
    role_seen: Option<Instant>,
}

/// What was made of a page.
struct Made {
    chunk: Chunk,
    /// Cursor of the last row.
    last: Option<i64>,
    /// What is wrong with a row, while the rest was taken.
    trouble: Option<String>,
    /// The rest of the page is for later.
    ended: bool,
}

impl Poller for SqlPoller {
    type Config = Database;

    // A row takes 16 bytes in base64; the rest of a position is less than 1024.
    const POSITIONS_MAX_BYTES: usize = ROWS_MAX * 16 * 4 / 3 + 16 * 1024;

    fn new(config: &Database, position: Option<&str>, sharers: usize) -> Self {
        // The config was validated: statement and reader can be made.
        let expected = "the config was validated";
        let mut poller = Self {
            statement: Statement::new(&config.query).expect(expected),
            reader: config.reader().expect(expected),
            zone: Zone::of(&config.zone),
            door: Door::new(config),
            window: None,
            rows_max: SEEN_MAX.min(ROWS_MAX / sharers.max(1)),
            handed: Handed::default(),
            role_seen: None,
            config: config.clone(),
        };
        if let Some(position) = position {
            poller.restore(position);
        }
        poller
    }

    fn name(config: &Database) -> &str {
        &config.name
    }

    fn service(config: &Database) -> &str {
        &config.service
    }

    fn interval(config: &Database) -> Duration {
        Duration::from_millis(config.interval_ms)
    }

    async fn poll(&mut self, hand: &Hand) -> Result<(), PollError> {
        if self.window.is_some() {
            // One that was restored may be smaller than it was.
            self.give(hand, Chunk::default()).await?;
        }
        self.begin_at_a_time(hand).await?;
        let mut session = self.enter().await?;
        self.begin_at_a_number(&mut session, hand).await?;
        let mut limit = self.config.limit;
        let mut start = self.window()?.start();
        loop {
            let sql = self.statement.page(self.config.cursor_kind, start, limit);
            let page = self.within(session.query(&sql, limit)).await?;
            let full = page.cut || page.rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
            let cut = page.cut;
            let before = self.window.clone();
            let made = self
                .read(page, start)
                .inspect_err(|_| self.window = before)?;
            self.give(hand, made.chunk).await?;
            if let Some(trouble) = made.trouble {
                return Err(trouble.into());
            }
            if !full || made.ended {
                return Ok(());
            }
            match made.last {
                Some(last) if last > start => start = last,
                // A page of one place: a larger one holds the rest of it.
                _ if limit < LIMIT_MAX && !cut => limit = limit.saturating_mul(2).min(LIMIT_MAX),
                _ => return Err(self.crowded().into()),
            }
            if cut {
                session = self.enter().await?;
            }
        }
    }
}

impl SqlPoller {
    fn restore(&mut self, position: &str) {
        let lookback = self.config.cursor_kind.lookback(self.config.lookback);
        let restored = serde_json::from_str::<Position>(position).ok();
        let restored = restored.filter(|restored| {
            restored.kind == self.config.cursor_kind && restored.column == self.config.cursor
        });
        self.window = restored
            .and_then(|restored| Window::load(&restored.window, lookback)?.cut_to(self.rows_max));
        match self.window {
            Some(_) => self.handed.restored(position),
            None => tracing::warn!(
                source = "sql",
                database = self.config.name,
                "the cursor is another than before, or its position cannot be read: reading begins as at a first start"
            ),
        }
    }

    fn window(&self) -> Result<&Window, PollError> {
        let missing = || PollError::from("no cursor; this is a bug in crmscope-agent".to_owned());
        self.window.as_ref().ok_or_else(missing)
    }

    /// Now, as the cursor's column has it. `zoned` says that the column names its zone.
    fn now_us(&self, zoned: bool) -> i64 {
        let now_ms = crate::clock::wall_ms();
        let civil = self.config.cursor_kind == CursorKind::Timestamp && !zoned;
        let east_ms = if civil {
            now_ms - self.zone.unix_ms(now_ms)
        } else {
            0
        };
        now_ms.saturating_add(east_ms).saturating_mul(1000)
    }

    /// The first poll of a cursor that is a time, decided before anything is asked: a database that
    /// is away shortens nothing.
    async fn begin_at_a_time(&mut self, hand: &Hand) -> Result<(), PollError> {
        if self.window.is_some() || self.config.cursor_kind == CursorKind::Integer {
            return Ok(());
        }
        let begin = match self.config.from {
            Start::Now => self.now_us(false),
            Start::Beginning => 0,
            Start::Ago(ms) => {
                let us = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1000);
                self.now_us(false).saturating_sub(us)
            }
        };
        self.begin(begin, hand).await
    }

    /// The same of a cursor that is a number.
    async fn begin_at_a_number(
        &mut self,
        session: &mut Session,
        hand: &Hand,
    ) -> Result<(), PollError> {
        if self.window.is_some() {
            return Ok(());
        }
        let mut begin = i64::MIN;
        if self.config.from == Start::Now {
            let newest = self.statement.newest(&self.config.cursor, session.quote());
            let page = self.within(session.query(&newest, 1)).await?;
            let newest = page.rows.into_iter().flatten().flatten().next();
            if let Some(newest) = newest {
                let newest = self.config.cursor_kind.parse(&newest);
                let newest = newest.ok_or_else(|| self.no_cursor())?;
                begin = newest.saturating_add(1);
            }
        }
        self.begin(begin, hand).await
    }

    /// Hands the place over at once: a restart before the first row begins there too.
    async fn begin(&mut self, cursor: i64, hand: &Hand) -> Result<(), PollError> {
        let lookback = self.config.cursor_kind.lookback(self.config.lookback);
        self.window = Some(Window::at(cursor, lookback));
        self.give(hand, Chunk::default()).await
    }

    /// Hands over events with the place behind them.
    async fn give(&mut self, hand: &Hand, chunk: Chunk) -> Result<(), PollError> {
        let position = Position {
            kind: self.config.cursor_kind,
            column: self.config.cursor.clone(),
            window: self.window()?.save(),
        };
        let position = serde_json::to_string(&position).unwrap_or_default();
        self.handed.give(hand, chunk, position).await
    }

    /// A session that may only read.
    async fn enter(&mut self) -> Result<Session, PollError> {
        let deadline = self.config.deadline();
        let entered = timeout(deadline, self.door.enter(&self.config)).await;
        let mut session = entered.unwrap_or_else(|_| Err(self.late()))?;
        let seen = self.role_seen;
        if self.config.allow_writer || seen.is_some_and(|seen| seen.elapsed() < ROLE_INTERVAL) {
            return Ok(session);
        }
        if let Some(table) = self.within(session.writes_to()).await? {
            return Err(PollError::from(format!(
                "the role {:?} may write: {table}; use one that may only read what the query needs, or set allow_writer = true",
                self.config.user
            )));
        }
        self.role_seen = Some(Instant::now());
        Ok(session)
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, wire::SqlError>>,
    ) -> Result<T, String> {
        match timeout(self.config.deadline(), work).await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err(self.late()),
        }
    }

    fn late(&self) -> String {
        format!(
            "no answer within {} ms; see that the cursor has an index, or raise deadline_ms",
            self.config.deadline_ms
        )
    }

    fn no_cursor(&self) -> String {
        format!(
            "a row's cursor {:?} is not {}; correct cursor_kind or the query",
            self.config.cursor,
            self.config.cursor_kind.word()
        )
    }

    fn crowded(&self) -> String {
        format!(
            "more rows than can be told apart have the same {:?}; use a cursor that is finer",
            self.config.cursor
        )
    }

    /// Admits the rows of a page. What it does to the window is undone by the caller on an error.
    fn read(&mut self, page: Page, start: i64) -> Result<Made, String> {
        let now_ms = crate::clock::wall_ms();
        let cursor_at = self.column(&page, "cursor", &self.config.cursor)?;
        let key_at = self.column(&page, "key", &self.config.key)?;
        for (key, name) in self.config.fields.named() {
            self.column(&page, key, name)?;
        }
        for condition in &self.config.conditions {
            self.column(&page, "where", &condition.field)?;
        }
        let kind = self.config.cursor_kind;
        let rounding = if kind == CursorKind::Integer {
            0
        } else {
            ROUNDING_US
        };
        let mut made = Made {
            chunk: Chunk::default(),
            last: None,
            trouble: None,
            ended: false,
        };
        let mut counts = LineCounts::default();
        for row in page.rows {
            let value = |at: usize| row.get(at).and_then(Option::as_deref);
            let Some(cursor) = value(cursor_at).and_then(|text| kind.parse(text)) else {
                counts.line();
                counts.unparsed();
                made.trouble = Some(self.no_cursor());
                continue;
            };
            if cursor.saturating_add(rounding) < start {
                return Err(format!(
                    "the query gives rows before its cursor; it needs `WHERE {} >= {{cursor}}`",
                    self.config.cursor
                ));
            }
            if made
                .last
                .is_some_and(|last| cursor.saturating_add(i64::from(rounding > 0)) < last)
            {
                return Err(format!(
                    "the query gives rows out of order; it needs `ORDER BY {}`",
                    self.config.cursor
                ));
            }
            let zoned = value(cursor_at).is_some_and(|text| kind.is_zoned(text));
            if rounding > 0 && cursor > self.now_us(zoned).saturating_add(AHEAD_MAX_US) {
                made.ended = true;
                made.trouble = Some(format!(
                    "rows are ahead of this host's clock and wait until then: their {:?} is later than now; see to the clocks, or to `zone`",
                    self.config.cursor
                ));
                break;
            }
            made.last = Some(cursor);
            let Some(key) = value(key_at) else {
                counts.line();
                counts.unparsed();
                made.trouble = Some(format!(
                    "a row has no {:?}, which must tell rows apart; use another key",
                    self.config.key
                ));
                continue;
            };
            let window = self.window.as_mut().ok_or("no cursor")?;
            if !window.admit(cursor, short(key)) {
                continue;
            }
            let key = key.to_owned();
            let names = page.columns.iter().cloned();
            let values = row
                .into_iter()
                .map(|value| value.map_or(Value::Null, Value::String));
            let record = Value::Object(names.zip(values).collect::<Map<_, _>>());
            let event = self.reader.read(&record, &key, now_ms, &mut counts);
            made.chunk.events.extend(event);
        }
        let window = self.window.as_mut().ok_or("no cursor")?;
        if window.trim_to(self.rows_max).is_err() {
            return Err(self.crowded());
        }
        made.chunk.counts = counts;
        Ok(made)
    }

    fn column(&self, page: &Page, key: &str, name: &str) -> Result<usize, String> {
        let found = page.columns.iter().position(|column| column == name);
        found.ok_or_else(|| {
            let columns = page
                .columns
                .iter()
                .map(|one| super::connect::quoted(one).to_string());
            format!(
                "the query gives no column {name:?} for {key}; it gives {}",
                columns.collect::<Vec<_>>().join(", ")
            )
        })
    }
}

/// The largest position of one of so many databases.
#[cfg(test)]
pub(super) fn full_position(column: &str, sharers: usize) -> String {
    let rows = SEEN_MAX.min(ROWS_MAX / sharers);
    let position = Position {
        kind: CursorKind::Timestamp,
        column: column.to_owned(),
        window: super::tests::full_window(rows).save(),
    };
    serde_json::to_string(&position).unwrap_or_default()
}

/// What the fuzzer calls: any bytes as messages of both protocols.
///
/// # Panics
/// When what comes of it passes its bounds.
#[cfg(any(feature = "fuzzing", test))]
pub fn read_messages(data: &[u8]) {
    postgres::read_bodies(data);
    mysql::read_bodies(data);
    session::fuzzing::answer(data);
}
