//! Whether what agents send gets through, how late, and whether any of it was lost.

use serde::Serialize;

use super::Level;
use super::words::{age, clock, count};

/// A delay that is more than a busy moment, s.
const SLOW_SECONDS: f64 = 15.0;
/// A delay with which nothing shown is of now any more, s.
const STUCK_SECONDS: f64 = 60.0;

/// What ClickHouse says of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Flow {
    /// Unix ms.
    pub now_ms: i64,
    /// A collector is there to receive.
    pub is_received: bool,
    /// Agents of which a heartbeat was stored lately.
    pub agents: u64,
    /// When the newest one was stored, Unix ms; 0 for none lately.
    pub stored_ms: i64,
    /// From receiving to storing, ms.
    pub insert_delay_ms: Option<i64>,
    /// Batches in spools.
    pub queued_batches: Option<u64>,
    /// Bytes in spools.
    pub queued_bytes: Option<u64>,
    /// Agents with much in their spools.
    pub agents_behind: u64,
    /// Partitions of Kafka that writers told of lately.
    pub kafka_partitions: u64,
    /// What these have and the tables have not.
    pub kafka_lag_batches: Option<u64>,
    /// Rows, lines and events that were dropped or rejected lately.
    pub dropped_items: u64,
    /// Batches that did not come lately.
    pub missing_batches: u64,
}

/// The way from agents to ClickHouse. `None` is "not known".
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pipeline {
    /// How serious it is.
    pub level: Level,
    /// The same in words.
    pub text: String,
    /// Agents of which a heartbeat was stored within five minutes.
    pub agents: u64,
    /// Rows in spools: agents tell batches and bytes, so it is only known where there are none.
    pub spooled_items: Option<u64>,
    /// Batches in spools.
    pub spooled_batches: Option<u64>,
    /// Bytes in spools.
    pub spooled_bytes: Option<u64>,
    /// From receiving to storing; where nothing was stored lately, since the newest.
    pub insert_delay_seconds: Option<f64>,
    /// Partitions of Kafka of which writers told how far they are, within ten minutes; 0 without Kafka.
    pub kafka_partitions: u64,
    /// Batches that are in these and not in the tables; `None` also where one was not told of lately.
    pub kafka_lag_batches: Option<u64>,
    /// Rows, lines and events that were dropped or rejected within 15 minutes.
    pub dropped_items: u64,
    /// Batches that did not come, between others that came within 15 minutes.
    pub missing_batches: u64,
    /// What is wrong, for a line about everything.
    #[serde(skip)]
    pub trouble: String,
}

/// Judges it.
#[must_use]
pub fn judge(flow: &Flow) -> Pipeline {
    let seconds =
        |ms: i64| Some(std::time::Duration::from_millis(ms.max(0).unsigned_abs()).as_secs_f64());
    let delay = match (flow.insert_delay_ms, flow.stored_ms) {
        (Some(delay_ms), _) => seconds(delay_ms),
        (None, 0) => None,
        (None, stored_ms) => seconds(flow.now_ms - stored_ms),
    };
    let (level, trouble) = trouble(flow, delay);
    let mut text = match flow.agents {
        0 => "no heartbeat was stored within five minutes".to_owned(),
        _ => format!(
            "{} heard",
            count(usize::try_from(flow.agents).unwrap_or(usize::MAX), "agent")
        ),
    };
    if let Some(delay) = delay {
        let what = match flow.insert_delay_ms {
            Some(_) => format!(", stored {} after receiving", age(delay)),
            None => format!(", nothing stored for {}", age(delay)),
        };
        text.push_str(&what);
    }
    if let Some(batches) = flow.queued_batches {
        text.push_str(&format!(", {batches} batches in spools"));
    }
    match (flow.kafka_lag_batches, flow.kafka_partitions) {
        (Some(batches), _) => text.push_str(&format!(", {batches} in Kafka")),
        (None, 0) => {}
        (None, _) => text.push_str(", how many in Kafka is not known"),
    }
    if !trouble.is_empty() {
        text = format!("{trouble}; {text}");
    }
    Pipeline {
        level,
        text,
        agents: flow.agents,
        spooled_items: flow.queued_batches.filter(|&batches| batches == 0),
        spooled_batches: flow.queued_batches,
        spooled_bytes: flow.queued_bytes,
        insert_delay_seconds: delay,
        kafka_partitions: flow.kafka_partitions,
        kafka_lag_batches: flow.kafka_lag_batches,
        dropped_items: flow.dropped_items,
        missing_batches: flow.missing_batches,
        trouble,
    }
}

/// The worst of it.
fn trouble(flow: &Flow, delay: Option<f64>) -> (Level, String) {
    let found = |level, text: String| (level, text);
    if flow.missing_batches > 0 {
        return found(
            Level::Bad,
            format!("{} batches are missing", flow.missing_batches),
        );
    }
    if !flow.is_received {
        return found(Level::Unknown, "no collector receives".to_owned());
    }
    let Some(delay) = delay else {
        return found(Level::Unknown, "nothing is stored".to_owned());
    };
    if delay > STUCK_SECONDS {
        let text = match flow.insert_delay_ms {
            Some(_) => format!("storing is {} behind", age(delay)),
            None => format!(
                "nothing was stored since {}",
                clock(flow.stored_ms, flow.now_ms)
            ),
        };
        return found(Level::Bad, text);
    }
    if flow.dropped_items > 0 {
        return found(
            Level::Warn,
            format!("{} items were dropped", flow.dropped_items),
        );
    }
    if delay > SLOW_SECONDS {
        return found(Level::Warn, format!("storing is {} behind", age(delay)));
    }
    if flow.agents_behind > 0 {
        let agents = usize::try_from(flow.agents_behind).unwrap_or(usize::MAX);
        return found(
            Level::Warn,
            format!("{} behind with sending", count(agents, "agent")),
        );
    }
    (Level::Good, String::new())
}
