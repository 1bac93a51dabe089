//! What the rows of a batch must be, so that they fit the tables.

use std::cell::RefCell;

use crmscope_proto::chain::Head;
use crmscope_proto::limits::{
    BATCH_MAX_BYTES, REFUSED_RULES_MAX, STRING_MAX_BYTES, TIMESTAMP_MAX_FUTURE_MS,
    TIMESTAMP_MAX_PAST_MS,
};
use crmscope_proto::payload::{Contents, Opener, SecurityRow};
use crmscope_proto::v1::{Batch, DropRange, Heartbeat};
use crmscope_proto::{Id, Lane};

use super::{Rejection, SEQUENCE_MAX, requests};

thread_local! {
    static OPENER: RefCell<Opener> = RefCell::default();
}

pub(super) const fn in_range(time_ms: i64, received_ms: i64) -> bool {
    time_ms >= received_ms.saturating_sub(TIMESTAMP_MAX_PAST_MS)
        && time_ms <= received_ms.saturating_add(TIMESTAMP_MAX_FUTURE_MS)
}

pub(super) fn reject<T>(reason: &'static str, detail: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection {
        reason,
        detail: detail.into(),
    })
}

/// Opens a batch and checks every row.
pub(super) fn examine(
    batch: &Batch,
    lane: Lane,
    encoded_bytes: usize,
    received_ms: i64,
) -> Result<Contents, Rejection> {
    if encoded_bytes > BATCH_MAX_BYTES {
        return reject(
            "too_large",
            format!("batch has {encoded_bytes} bytes, the limit is {BATCH_MAX_BYTES}"),
        );
    }
    let contents = match OPENER.with_borrow_mut(|opener| opener.open(batch)) {
        Ok(contents) => contents,
        Err(error) => return reject("undecodable", error.to_string()),
    };
    let time = |what: &str, time_ms: i64| {
        if in_range(time_ms, received_ms) {
            return Ok(());
        }
        reject(
            "time_out_of_range",
            format!(
                "{what} {time_ms} ms is {} ms away from the collector's clock; the limits are {TIMESTAMP_MAX_PAST_MS} ms back and {TIMESTAMP_MAX_FUTURE_MS} ms ahead",
                time_ms.saturating_sub(received_ms)
            ),
        )
    };
    time("created_ms", batch.created_ms)?;
    check_lane(lane, &contents)?;
    for table in &contents.series {
        for &timestamp_ms in table.timestamps_ms() {
            time("a row's time", timestamp_ms)?;
        }
    }
    requests::check(&contents, &time)?;
    for row in &contents.security {
        time("an event's time", row.event.time_ms)?;
        check_event(row)?;
    }
    for beat in &contents.heartbeats {
        let Some(clock) = &beat.clock else {
            return reject("value_missing", "a heartbeat has no clock reading");
        };
        time("a heartbeat's clock", clock.wall_ms)?;
        check_beat(beat)?;
    }
    contents.drops.iter().try_for_each(check_drop)?;
    Ok(contents)
}

fn check_lane(lane: Lane, contents: &Contents) -> Result<(), Rejection> {
    let here = [
        (Lane::Metrics, "series", contents.series.is_empty()),
        (Lane::Requests, "requests", contents.requests.is_empty()),
        (
            Lane::Requests,
            "client networks",
            contents.clients.is_empty(),
        ),
        (Lane::Requests, "exemplars", contents.exemplars.is_empty()),
        (Lane::Requests, "sampling", contents.sampling.is_empty()),
        (
            Lane::Security,
            "security events",
            contents.security.is_empty(),
        ),
        (Lane::Presence, "heartbeats", contents.heartbeats.is_empty()),
        (Lane::Presence, "drop ranges", contents.drops.is_empty()),
    ];
    match here
        .iter()
        .find(|(right, _, empty)| !empty && *right != lane)
    {
        None => Ok(()),
        Some((right, what, _)) => reject(
            "wrong_lane",
            format!(
                "{what} belong in lane {}, not in {}",
                right.name(),
                lane.name()
            ),
        ),
    }
}

fn check_event(row: &SecurityRow) -> Result<(), Rejection> {
    let event = &row.event;
    let bounds = [
        ("class_uid", event.class_uid, u32::from(u16::MAX)),
        ("activity_id", event.activity_id, 99),
        ("status_id", event.status_id, u32::from(u8::MAX)),
        ("severity_id", event.severity_id, u32::from(u8::MAX)),
        ("source_port", event.source_port, u32::from(u16::MAX)),
    ];
    match bounds.iter().find(|(_, value, limit)| value > limit) {
        None => Ok(()),
        Some((what, value, limit)) => reject(
            "value_out_of_range",
            format!("{what} of an event is {value}, the limit is {limit}"),
        ),
    }
}

/// A heartbeat of few bytes may announce lanes without end; there are four.
fn check_beat(beat: &Heartbeat) -> Result<(), Rejection> {
    let is_long = |text: &str| text.len() > STRING_MAX_BYTES;
    let refused = &beat.refused_rules;
    if refused.len() > REFUSED_RULES_MAX
        || refused
            .iter()
            .any(|rule| is_long(&rule.file) || is_long(&rule.reason))
    {
        return reject(
            "value_out_of_range",
            format!(
                "a heartbeat tells {} refused rules, of {REFUSED_RULES_MAX} with texts of {STRING_MAX_BYTES} bytes at most",
                refused.len()
            ),
        );
    }
    if beat
        .settings
        .as_ref()
        .is_some_and(|settings| is_long(&settings.error))
    {
        return reject(
            "value_out_of_range",
            format!("a heartbeat tells of settings in more than {STRING_MAX_BYTES} bytes"),
        );
    }
    let mut seen = [false; Lane::BY_URGENCY.len()];
    for state in &beat.lanes {
        if state.next_sequence > SEQUENCE_MAX || state.acked_sequence > SEQUENCE_MAX {
            return reject(
                "value_out_of_range",
                "a sequence of a heartbeat's lane is too high",
            );
        }
        let head = state.chain.as_ref().map(Head::from_wire).transpose();
        match head {
            Ok(head) if head.is_none_or(|head| head.sequence < state.next_sequence) => {}
            Ok(_) => {
                return reject(
                    "value_out_of_range",
                    "a heartbeat tells of a link that its lane has no batch for",
                );
            }
            Err(error) => return reject("value_out_of_range", error.to_string()),
        }
        let position = Lane::try_from(state.lane).ok().and_then(Lane::position);
        match position.and_then(|position| seen.get_mut(position)) {
            Some(seen) if !*seen => *seen = true,
            _ => {
                return reject(
                    "value_out_of_range",
                    format!(
                        "lane {} of a heartbeat is unknown or stands twice",
                        state.lane
                    ),
                );
            }
        }
    }
    Ok(())
}

fn check_drop(range: &DropRange) -> Result<(), Rejection> {
    let lane = Lane::try_from(range.lane).ok().and_then(Lane::position);
    if lane.is_none() || Id::from_wire(&range.spool_id).is_err() {
        return reject(
            "value_out_of_range",
            "a drop range names no lane or no spool",
        );
    }
    if range.first_sequence == 0
        || range.last_sequence < range.first_sequence
        || range.last_sequence > SEQUENCE_MAX
    {
        return reject(
            "value_out_of_range",
            format!(
                "a drop range goes from {} to {}",
                range.first_sequence, range.last_sequence
            ),
        );
    }
    Ok(())
}
