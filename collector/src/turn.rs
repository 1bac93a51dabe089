//! Whose turn it is to do what one collector at a time may do.
//!
//! A turn is a table in ClickHouse with a name of its own, made when there is no other of its
//! [`Purpose`], so it needs the right to drop tables besides that to make them, and one server (behind
//! a balancer over replicas, turns of one are not seen on another).
//!
//! Promises: of collectors that ask, one has the turn at a time, as long as its signs of life reach
//! ClickHouse at least every [`LEFT_AFTER`]; a turn whose holder is gone is taken over after that, or
//! after [`LOOKS_MIN`] looks, whichever is later.
//! Signs are a row each, and those who wait judge by their own clock whether rows are added, so
//! clocks that differ or step do no harm.
//! Leaves open: a holder that was paused for longer and wakes up finishes what it is at; [`Turn::check`]
//! tells it when it asks, which is its own to do often enough.

use std::time::{Duration, Instant};

use clickhouse::{Client, Row};
use serde::Deserialize;
use tokio::task::JoinHandle;

use crate::schema::DATABASE;

/// What a turn is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// What the names of its tables begin with.
    prefix: &'static str,
    /// What whoever waits says.
    doing: &'static str,
    /// From one look at the turns of others to the next.
    look_every: Duration,
}

/// Changing the schema. Collectors that start together would otherwise run the same migrations side by
/// side: one could change a view's query while another has the view renamed (see `schema::views`), or
/// write through a view that another is still changing.
pub(crate) const SCHEMA: Purpose = Purpose {
    prefix: "schema_turn_",
    doing: "changes the schema",
    look_every: Duration::from_millis(200),
};

/// Watching over all hosts: two that did would tell every incident twice, and neither would see how
/// many fell at once.
pub(crate) const PRESENCE: Purpose = Purpose {
    prefix: "presence_turn_",
    doing: "watches over the hosts",
    look_every: Duration::from_millis(500),
};

/// Why a turn could not be taken or kept.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    /// It cannot be read or said whose turn it is.
    #[error("take the turn (a table crmscope.*_turn_*): {0}")]
    Storage(#[source] clickhouse::error::Error),
    /// No answer.
    #[error("take the turn (a table crmscope.*_turn_*): no answer within {} s", ANSWER_WITHIN.as_secs())]
    Slow,
    /// This collector gave no sign of life for too long.
    #[error(
        "another collector took the turn, as this one was not heard of for {} s",
        LEFT_AFTER.as_secs()
    )]
    Taken,
}
/// From one sign of life of a holder to its next.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// A statement that takes longer is given up, and repeated by whoever needs it.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Signs that a turn keeps.
const SIGNS_MAX: u32 = 600;
/// After this long without a sign the holder of a turn is taken for gone: a collector that was killed
/// holds the next one up for as long.
pub(crate) const LEFT_AFTER: Duration = Duration::from_secs(10);
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

/// The turn, until [`Turn::end`]; one that is dropped is left to be taken over.
pub(crate) struct Turn {
    purpose: Purpose,
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
    pub(crate) async fn take(client: &Client, purpose: Purpose) -> Result<Self, TurnError> {
        // `system` exists everywhere; for validation see [`crate::schema::migrate`].
        let client = &client
            .clone()
            .with_database("system")
            .with_validation(false);
        let mut seen = Vec::new();
        let mut told: Option<Instant> = None;
        loop {
            update(&mut seen, list(client, purpose).await?, Instant::now());
            let now = Instant::now();
            if seen.iter().all(|turn| is_left(turn, now)) {
                let left: Vec<&str> = seen.iter().map(|turn| turn.sign.name.as_str()).collect();
                if let Some(turn) = Self::make(client, purpose, &left).await? {
                    return Ok(turn);
                }
            } else if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                told = Some(now);
                tracing::info!("another collector {}; waiting for it", purpose.doing);
            }
            // Not all at once again.
            let pause = purpose.look_every.mul_f64(0.5 + fastrand::f64());
            tokio::time::sleep(pause).await;
        }
    }

    /// A turn beside none but `left`, which go; `None` when another was made meanwhile.
    async fn make(
        client: &Client,
        purpose: Purpose,
        left: &[&str],
    ) -> Result<Option<Self>, TurnError> {
        let name = format!("{}{:032x}", purpose.prefix, fastrand::u128(..));
        let sql = format!(
            "CREATE TABLE {DATABASE}.{name} (sign UInt8, signed_at DateTime64(3, 'UTC')) ENGINE = Memory"
        );
        execute(client, &sql).await?;
        let turn = Self {
            signs: tokio::spawn(sign(client.clone(), name.clone())),
            purpose,
            client: client.clone(),
            name,
        };
        // Each looks after it made its own: of two, at least the later one sees both.
        let all = list(client, purpose).await?;
        let is_known = |sign: &Sign| sign.name == turn.name || left.contains(&sign.name.as_str());
        if !all.iter().all(is_known) {
            turn.end().await?;
            return Ok(None);
        }
        for gone in left {
            tracing::warn!(turn = gone, "a collector left while it had the turn");
            drop_table(client, gone).await?;
        }
        Ok(Some(turn))
    }

    /// Whether the turn is still this collector's.
    ///
    /// # Errors
    /// [`TurnError::Taken`] when it was taken over; [`TurnError::Storage`] when that cannot be read.
    pub(crate) async fn check(&self) -> Result<(), TurnError> {
        if list(&self.client, self.purpose)
            .await?
            .iter()
            .any(|sign| sign.name == self.name)
        {
            return Ok(());
        }
        Err(TurnError::Taken)
    }

    /// Lets the next one have it.
    ///
    /// # Errors
    /// When the server refuses; the next one then waits until [`LEFT_AFTER`].
    pub(crate) async fn end(self) -> Result<(), TurnError> {
        self.signs.abort();
        drop_table(&self.client, &self.name).await
    }
}

/// How long ago whoever has the turn last said so; `None` where nobody has it.
///
/// # Errors
/// When that cannot be read.
pub(crate) async fn signed_ago(
    client: &Client,
    purpose: Purpose,
) -> Result<Option<Duration>, TurnError> {
    let client = client
        .clone()
        .with_database("system")
        .with_validation(false);
    let mut newest: Option<Duration> = None;
    for turn in list(&client, purpose).await? {
        let sql = format!(
            "SELECT toUInt64(greatest(0, dateDiff('millisecond', max(signed_at), now64(3)))) FROM {DATABASE}.{}",
            turn.name
        );
        let ago: u64 = match client.query_raw(&sql).fetch_one().await {
            Ok(ago) => ago,
            // It ended since it was listed.
            Err(error) if error.to_string().contains("UNKNOWN_TABLE") => continue,
            Err(error) => return Err(TurnError::Storage(error)),
        };
        let ago = Duration::from_millis(ago);
        newest = Some(newest.map_or(ago, |newest| newest.min(ago)));
    }
    Ok(newest)
}

/// Gives signs of life until it is aborted. One that fails is followed by the next.
async fn sign(client: Client, name: String) {
    let sql = format!("INSERT INTO {DATABASE}.{name} SELECT 1, now64(3)");
    for number in 1_u32.. {
        // Each sign is a block of its own in memory. That there are fewer is a sign as well.
        if number % SIGNS_MAX == 0
            && let Err(error) = execute(&client, &format!("TRUNCATE TABLE {DATABASE}.{name}")).await
        {
            tracing::debug!(%error, "signs of life for the turn are not cleared");
        }
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

async fn list(client: &Client, purpose: Purpose) -> Result<Vec<Sign>, TurnError> {
    let sql = format!(
        "SELECT name, ifNull(total_rows, 0) AS signs FROM system.tables \
         WHERE database = '{DATABASE}' AND startsWith(name, '{}') ORDER BY name",
        purpose.prefix
    );
    let signs = client.query_raw(&sql).fetch_all();
    within(signs).await
}

async fn execute(client: &Client, sql: &str) -> Result<(), TurnError> {
    let insert = client.query_raw(sql).with_setting("async_insert", "0");
    within(insert.execute()).await
}

/// Waits no longer than makes sense for who has the turn.
async fn within<T>(
    answer: impl Future<Output = clickhouse::error::Result<T>>,
) -> Result<T, TurnError> {
    let answer = tokio::time::timeout(ANSWER_WITHIN, answer).await;
    answer
        .map_err(|_| TurnError::Slow)?
        .map_err(TurnError::Storage)
}

async fn drop_table(client: &Client, name: &str) -> Result<(), TurnError> {
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
