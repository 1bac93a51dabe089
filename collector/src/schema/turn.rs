//! Whose turn it is to change the schema.
//!
//! Collectors that start together would otherwise run the same migrations side by side: one could
//! change a view's query while another has the view renamed (see `views`), or write through a view
//! that another is still changing. A turn is a table in ClickHouse with a name of its own, made when
//! there is no other, so it
//! needs the right to drop tables besides that to make them, and one server (behind a balancer over
//! replicas, turns of one are not seen on another).
//!
//! Promises: of collectors that ask, one has the turn at a time, as long as its signs of life reach
//! ClickHouse at least every [`LEFT_AFTER`]; a turn whose holder is gone is taken over after that.
//! Signs are a row each, and those who wait judge by their own clock whether rows are added, so
//! clocks that differ or step do no harm.
//! Leaves open: a holder that was paused for longer and wakes up finishes the statement it is at;
//! [`Turn::check`] then ends it before the next file.

use std::time::{Duration, Instant};

use clickhouse::{Client, Row};
use serde::Deserialize;
use tokio::task::JoinHandle;

use super::{DATABASE, SchemaError};

/// What the names of turns begin with.
const PREFIX: &str = "schema_turn_";
/// From one sign of life of a holder to its next.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// After this long without a sign the holder of a turn is taken for gone: a collector that was killed
/// holds the next one up for as long.
pub(super) const LEFT_AFTER: Duration = Duration::from_secs(10);
/// From one look at the turns of others to the next.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks without a change before a turn is taken for left.
const LOOKS_MIN: u32 = 20;
/// How often those who wait say so.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A turn that exists.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
struct Sign {
    name: String,
    /// Signs of life since the server started.
    signs: u64,
}

/// A turn that was seen, and since when it has looked the same.
struct Seen {
    sign: Sign,
    since: Instant,
    /// How often: where the server did not answer for a while, the holder could not sign either.
    looks: u32,
}

/// The turn to change the schema, until [`Turn::end`]; one that is dropped is left to be taken over.
pub(super) struct Turn {
    client: Client,
    name: String,
    signs: JoinHandle<()>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.signs.abort();
    }
}

impl Turn {
    /// Waits for the turn.
    ///
    /// # Errors
    /// When turns cannot be read or made.
    pub(super) async fn take(client: &Client) -> Result<Self, SchemaError> {
        let mut seen = Vec::new();
        let mut told: Option<Instant> = None;
        loop {
            update(&mut seen, list(client).await?, Instant::now());
            let now = Instant::now();
            if seen.iter().all(|turn| is_left(turn, now)) {
                let left: Vec<&str> = seen.iter().map(|turn| turn.sign.name.as_str()).collect();
                if let Some(turn) = Self::make(client, &left).await? {
                    return Ok(turn);
                }
            } else if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                told = Some(now);
                tracing::info!("another collector changes the schema; waiting for it");
            }
            // Not all at once again.
            let pause = LOOK_EVERY.mul_f64(0.5 + fastrand::f64());
            tokio::time::sleep(pause).await;
        }
    }

    /// A turn beside none but `left`, which go; `None` when another was made meanwhile.
    async fn make(client: &Client, left: &[&str]) -> Result<Option<Self>, SchemaError> {
        let name = format!("{PREFIX}{:032x}", fastrand::u128(..));
        let sql = format!("CREATE TABLE {DATABASE}.{name} (sign UInt8) ENGINE = Memory");
        execute(client, &sql).await?;
        let turn = Self {
            signs: tokio::spawn(sign(client.clone(), name.clone())),
            client: client.clone(),
            name,
        };
        // Each looks after it made its own: of two, at least the later one sees both.
        let all = list(client).await?;
        let is_known = |sign: &Sign| sign.name == turn.name || left.contains(&sign.name.as_str());
        if !all.iter().all(is_known) {
            turn.end().await?;
            return Ok(None);
        }
        for gone in left {
            tracing::warn!(turn = gone, "a collector left while it changed the schema");
            drop_table(client, gone).await?;
        }
        Ok(Some(turn))
    }

    /// Whether the turn is still this collector's.
    ///
    /// # Errors
    /// [`SchemaError::TurnTaken`] when it was taken over; [`SchemaError::Turn`] when that cannot be read.
    pub(super) async fn check(&self) -> Result<(), SchemaError> {
        if list(&self.client)
            .await?
            .iter()
            .any(|sign| sign.name == self.name)
        {
            return Ok(());
        }
        Err(SchemaError::TurnTaken)
    }

    /// Lets the next one have it.
    ///
    /// # Errors
    /// When the server refuses; the next one then waits until [`LEFT_AFTER`].
    pub(super) async fn end(self) -> Result<(), SchemaError> {
        self.signs.abort();
        drop_table(&self.client, &self.name).await
    }
}

/// Gives signs of life until it is aborted. One that fails is followed by the next.
async fn sign(client: Client, name: String) {
    let sql = format!("INSERT INTO {DATABASE}.{name} SELECT 1");
    loop {
        if let Err(error) = execute(&client, &sql).await {
            tracing::debug!(%error, "no sign of life for the turn");
        }
        tokio::time::sleep(SIGN_EVERY).await;
    }
}

/// Brings what was seen up to date; what looks as before keeps its time.
fn update(seen: &mut Vec<Seen>, signs: Vec<Sign>, now: Instant) {
    let before = std::mem::take(seen);
    seen.extend(signs.into_iter().map(|sign| {
        let same = before.iter().find(|turn| turn.sign == sign);
        let since = same.map_or(now, |turn| turn.since);
        let looks = same.map_or(1, |turn| turn.looks.saturating_add(1));
        Seen { sign, since, looks }
    }));
}

fn is_left(turn: &Seen, now: Instant) -> bool {
    now.saturating_duration_since(turn.since) >= LEFT_AFTER && turn.looks >= LOOKS_MIN
}

async fn list(client: &Client) -> Result<Vec<Sign>, SchemaError> {
    let sql = format!(
        "SELECT name, ifNull(total_rows, 0) AS signs FROM system.tables \
         WHERE database = '{DATABASE}' AND startsWith(name, '{PREFIX}') ORDER BY name"
    );
    let signs = client.query_raw(&sql).fetch_all().await;
    signs.map_err(SchemaError::Turn)
}

async fn execute(client: &Client, sql: &str) -> Result<(), SchemaError> {
    let insert = client.query_raw(sql).with_setting("async_insert", "0");
    insert.execute().await.map_err(SchemaError::Turn)
}

async fn drop_table(client: &Client, name: &str) -> Result<(), SchemaError> {
    execute(
        client,
        &format!("DROP TABLE IF EXISTS {DATABASE}.{name} SYNC"),
    )
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(name: &str, signs: u64) -> Sign {
        Sign {
            name: name.to_owned(),
            signs,
        }
    }

    #[test]
    fn a_turn_is_left_when_it_has_looked_the_same_for_long() {
        let start = Instant::now();
        let mut seen = Vec::new();
        update(&mut seen, vec![sign("a", 1), sign("b", 1)], start);
        let almost = start + LEFT_AFTER - Duration::from_millis(1);
        for _ in 0..LOOKS_MIN {
            update(&mut seen, vec![sign("a", 1), sign("b", 2)], almost);
        }
        let left = |seen: &[Seen], now| -> Vec<bool> {
            seen.iter().map(|turn| is_left(turn, now)).collect()
        };
        assert_eq!(left(&seen, almost), [false, false]);
        assert_eq!(left(&seen, start + LEFT_AFTER), [true, false]);
        // One look after a long time is none of the holder's silence.
        let mut late = Vec::new();
        update(&mut late, vec![sign("c", 1)], start);
        update(&mut late, vec![sign("c", 1)], start + LEFT_AFTER * 2);
        assert_eq!(left(&late, start + LEFT_AFTER * 2), [false]);
        // After a restart of the server a living holder begins at 0, which is a change as well.
        update(
            &mut seen,
            vec![sign("a", 1), sign("b", 0)],
            almost + LEFT_AFTER,
        );
        assert_eq!(left(&seen, almost + LEFT_AFTER), [true, false]);
        update(&mut seen, vec![], almost + LEFT_AFTER);
        assert!(seen.is_empty());
    }
}
