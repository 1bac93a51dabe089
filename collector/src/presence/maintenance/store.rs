//! Windows in ClickHouse: a row for each change, the newest of a window in force.

use crmscope_proto::Id;
use serde::Deserialize;

use super::repeat::{Days, Repeat, TimeOfDay};
use super::window::Window;
use crate::error::{Code, Error};
use crate::schema::queries::{MAINTENANCE_AUDIT, MAINTENANCE_WINDOWS};
use crate::storage::Storage;
use crate::writer::block::{Insert, Origin};
use crate::writer::native::Block;

/// The type of `maintenance_changes.change`.
const KIND: &str = "Enum8('added' = 1, 'cancelled' = 2)";

/// What was done with a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is new.
    Added = 1,
    /// It was ended.
    Cancelled = 2,
}

impl Kind {
    /// Its name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A change of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What was done.
    pub kind: Kind,
    /// When, Unix ms.
    pub changed_ms: i64,
    /// By whom.
    pub changed_by: String,
    /// It is about a time that was over; of a window as it is now, any change of it was.
    pub is_retroactive: bool,
    /// The window since then.
    pub window: Window,
}

#[derive(Deserialize)]
struct Row {
    window_id: String,
    change: Kind,
    changed_ms: i64,
    changed_by: String,
    is_retroactive: u8,
    agent_id: String,
    host_group: String,
    service: String,
    from_ms: i64,
    to_ms: i64,
    repeat_days: u8,
    repeat_start_minute: u16,
    repeat_length_minutes: u32,
    zone: String,
    note: String,
    made_ms: i64,
    made_by: String,
    cancelled_ms: i64,
}

/// The windows that may be in force at a time or later, as they are now; all of them at 0.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn windows(storage: &Storage, after_ms: i64) -> Result<Vec<Change>, Error> {
    let after_ms = after_ms.to_string();
    let bind = |query: clickhouse::query::Query| query.param("after_ms", &after_ms);
    let rows: Vec<Row> = storage
        .rows("maintenance", MAINTENANCE_WINDOWS, bind)
        .await?;
    rows.into_iter().map(change).collect()
}

/// The newest changes, as many as are asked for, the newest first.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn audit(storage: &Storage, rows: u32) -> Result<Vec<Change>, Error> {
    let rows = rows.to_string();
    let bind = |query: clickhouse::query::Query| query.param("rows", &rows);
    let rows: Vec<Row> = storage
        .rows("changes of maintenance", MAINTENANCE_AUDIT, bind)
        .await?;
    rows.into_iter().map(change).collect()
}

/// Writes changes down, all or none.
///
/// # Errors
/// When ClickHouse does not take them.
pub async fn write(storage: &Storage, changes: &[Change], now_ms: i64) -> Result<(), Error> {
    storage.insert(&insert(changes, now_ms)).await
}

fn change(row: Row) -> Result<Change, Error> {
    let wrong = |what: &str| {
        let text = format!(
            "maintenance_changes: window {}: {what}; a newer version wrote it, or a person: delete its rows",
            row.window_id
        );
        Error::new(Code::Internal, text)
    };
    let repeat = match row.repeat_days {
        0 => None,
        bits => Some(Repeat {
            days: Days::from_bits(bits).ok_or_else(|| wrong("repeat_days has no such days"))?,
            start: TimeOfDay::from_minutes(row.repeat_start_minute)
                .ok_or_else(|| wrong("repeat_start_minute is beyond the day"))?,
            length_minutes: row.repeat_length_minutes,
        }),
    };
    let unless_0 = |ms: i64| Some(ms).filter(|&ms| ms != 0);
    let window = Window {
        window_id: Id::parse(&row.window_id).map_err(|error| wrong(&error.to_string()))?,
        agent_id: row.agent_id,
        host_group: row.host_group,
        service: row.service,
        from_ms: row.from_ms,
        to_ms: unless_0(row.to_ms),
        repeat,
        zone: row.zone,
        note: row.note,
        made_ms: row.made_ms,
        made_by: row.made_by,
        cancelled_ms: unless_0(row.cancelled_ms),
    };
    Ok(Change {
        kind: row.change,
        changed_ms: row.changed_ms,
        changed_by: row.changed_by,
        is_retroactive: row.is_retroactive != 0,
        window,
    })
}

fn insert(changes: &[Change], now_ms: i64) -> Insert {
    let each = || changes.iter();
    let windows = || each().map(|change| &change.window);
    let mut native = Block::new(changes.len(), 256);
    native.uuid("window_id", windows().map(|window| window.window_id));
    native.enum8("change", KIND, each().map(|change| change.kind as i8));
    native.datetime_ms("changed_at", each().map(|change| change.changed_ms));
    let by = each().map(|change| change.changed_by.as_bytes());
    native.string("changed_by", by);
    let is_retroactive = each().map(|change| u8::from(change.is_retroactive));
    native.u8("is_retroactive", is_retroactive);
    let agents = windows().map(|window| window.agent_id.as_bytes());
    native.string("agent_id", agents);
    let groups = windows().map(|window| window.host_group.as_str());
    native.text("host_group", groups);
    native.text("service", windows().map(|window| window.service.as_str()));
    native.i64("from_ms", windows().map(|window| window.from_ms));
    let to = windows().map(|window| window.to_ms.unwrap_or(0));
    native.i64("to_ms", to);
    let repeats = || windows().map(|window| window.repeat.as_ref());
    let days = repeats().map(|repeat| repeat.map_or(0, |repeat| repeat.days.bits()));
    native.u8("repeat_days", days);
    let starts = repeats().map(|repeat| repeat.map_or(0, |repeat| repeat.start.minutes()));
    native.u16("repeat_start_minute", starts);
    let lengths = repeats().map(|repeat| repeat.map_or(0, |repeat| repeat.length_minutes));
    native.u32("repeat_length_minutes", lengths);
    native.text("zone", windows().map(|window| window.zone.as_str()));
    native.string("note", windows().map(|window| window.note.as_bytes()));
    native.i64("made_ms", windows().map(|window| window.made_ms));
    native.string("made_by", windows().map(|window| window.made_by.as_bytes()));
    let cancelled = windows().map(|window| window.cancelled_ms.unwrap_or(0));
    native.i64("cancelled_ms", cancelled);
    let origin = Origin::Journal(now_ms.unsigned_abs());
    let mut insert = Insert::new("maintenance_changes", &origin, changes.len(), native);
    insert.token = format!("{}-{:016x}", insert.token, fastrand::u64(..));
    insert
}
