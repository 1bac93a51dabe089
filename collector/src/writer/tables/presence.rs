//! `heartbeats` and `lane_states`.

use crmscope_proto::Id;
use crmscope_proto::chain::Head;
use crmscope_proto::v1::{ClockReading, Heartbeat, LaneState, RulesState, SpoolState};

use crate::judge::Entry;
use crate::writer::block::{Insert, Origin, uuid_order};
use crate::writer::native::Block;
use crate::writer::tables::{LANE, lane_number};

type Beat<'a> = (&'a Entry, &'a Heartbeat, ClockReading);

/// Heartbeats by agent and time. One without a clock reading was rejected at the door.
fn beats(entries: &[Entry]) -> Vec<Beat<'_>> {
    let mut beats: Vec<Beat<'_>> = entries
        .iter()
        .filter_map(|entry| Some((entry, entry.contents()?)))
        .flat_map(|(entry, contents)| {
            let beats = contents.heartbeats.iter();
            beats.filter_map(move |beat| Some((entry, beat, beat.clock?)))
        })
        .collect();
    beats.sort_by(|(entry_a, _, a), (entry_b, _, b)| {
        let agents = entry_a.identity.agent_id.cmp(&entry_b.identity.agent_id);
        agents.then_with(|| a.wall_ms.cmp(&b.wall_ms))
    });
    beats
}

/// Name of a spool's state; empty where the agent does not tell.
const fn name(state: SpoolState) -> &'static str {
    match state {
        SpoolState::Unspecified => "",
        SpoolState::Good => "good",
        SpoolState::Quota => "quota",
        SpoolState::Full => "full",
        SpoolState::ReadOnly => "read_only",
        SpoolState::Missing => "missing",
        SpoolState::Failing => "failing",
        SpoolState::Stalled => "stalled",
        SpoolState::Unreadable => "unreadable",
    }
}

/// Whether it is the last one: 1 where the agent stops, 2 where its host does.
const fn goodbye(beat: &Heartbeat) -> u8 {
    match (beat.goodbye, beat.host_stops) {
        (false, _) => 0,
        (true, false) => 1,
        (true, true) => 2,
    }
}

/// The heartbeats.
#[must_use]
pub fn heartbeats(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let rows = beats(entries);
    if rows.is_empty() {
        return None;
    }
    let identity = || rows.iter().map(|(entry, ..)| &entry.identity);
    let beat = || rows.iter().map(|(_, beat, _)| *beat);
    let clock = || rows.iter().map(|(.., clock)| clock);
    let mut native = Block::new(rows.len(), 192);
    native.text("agent_id", identity().map(|id| id.agent_id.as_str()));
    native.uuid("boot_id", identity().map(|id| id.boot_id));
    native.uuid("start_id", identity().map(|id| id.start_id));
    native.uuid("spool_id", identity().map(|id| id.spool_id));
    native.datetime_ms("ts", clock().map(|clock| clock.wall_ms));
    native.u64("boottime_ms", clock().map(|clock| clock.boottime_ms));
    native.u64("monotonic_ms", clock().map(|clock| clock.monotonic_ms));
    native.u64("uptime_ms", beat().map(|beat| beat.uptime_ms));
    native.u64("beat", beat().map(|beat| beat.beat));
    native.u64("agent_cpu_us", beat().map(|beat| beat.agent_cpu_us));
    native.u64(
        "agent_resident_bytes",
        beat().map(|beat| beat.agent_resident_bytes),
    );
    native.nullable_i64("clock_offset_ms", beat().map(|beat| beat.clock_offset_ms));
    native.u64("config_version", beat().map(|beat| beat.config_version));
    let rules = || beat().map(|beat| beat.rules.unwrap_or_default());
    native.u64("rules_version", rules().map(|rules| rules.version));
    native.u64(
        "rules_attempted_version",
        rules().map(|rules| rules.attempted_version),
    );
    let number = |of: fn(RulesState) -> u32| rules().map(of);
    native.u32("rules", number(|rules| rules.rules));
    native.u32("rules_usable", number(|rules| rules.usable_rules));
    native.u32("rules_refused", number(|rules| rules.refused));
    native.u64(
        "rules_matched_events",
        rules().map(|rules| rules.matched_events),
    );
    native.u64("rules_unnamed", rules().map(|rules| rules.unnamed_rules));
    native.u8(
        "rules_takes_delivered",
        rules().map(|rules| u8::from(rules.takes_delivered)),
    );
    native.u64(
        "rules_delivered_version",
        rules().map(|rules| rules.delivered_version),
    );
    native.u64(
        "rules_delivered_attempted_version",
        rules().map(|rules| rules.delivered_attempted_version),
    );
    native.u32("rules_delivered", number(|rules| rules.delivered_rules));
    let settings = || beat().map(|beat| beat.settings.as_ref());
    native.u8(
        "settings_takes_delivered",
        settings().map(|state| u8::from(state.is_some_and(|state| state.takes_delivered))),
    );
    native.u64(
        "settings_version",
        settings().map(|state| state.map_or(0, |state| state.version)),
    );
    native.u64(
        "settings_attempted_version",
        settings().map(|state| state.map_or(0, |state| state.attempted_version)),
    );
    native.u8(
        "settings_on_probation",
        settings().map(|state| u8::from(state.is_some_and(|state| state.on_probation))),
    );
    native.u8(
        "settings_rolled_back",
        settings().map(|state| u8::from(state.is_some_and(|state| state.rolled_back))),
    );
    native.string(
        "settings_error",
        settings().map(|state| state.map_or(&b""[..], |state| state.error.as_bytes())),
    );
    native.u8("goodbye", beat().map(goodbye));
    native.text("spool_state", beat().map(|beat| name(beat.spool_state())));
    native.datetime_ms(
        "received_at",
        rows.iter().map(|(entry, ..)| entry.received_ms),
    );
    native.u64("sequence", identity().map(|id| id.sequence));
    Some(Insert::new("heartbeats", origin, rows.len(), native))
}

/// What heartbeats say of rules that were refused.
#[must_use]
pub fn refused_rules(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let beats = beats(entries);
    let rows: Vec<_> = beats
        .iter()
        .flat_map(|(entry, beat, clock)| {
            let rules = beat.rules.unwrap_or_default();
            let refused = (0u32..).zip(&beat.refused_rules);
            refused
                .map(move |(position, refused)| (*entry, clock.wall_ms, rules, position, refused))
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let refused = || rows.iter().map(|(.., refused)| *refused);
    let mut native = Block::new(rows.len(), 256);
    native.text(
        "agent_id",
        rows.iter()
            .map(|(entry, ..)| entry.identity.agent_id.as_str()),
    );
    native.datetime_ms("ts", rows.iter().map(|(_, ts_ms, ..)| *ts_ms));
    native.u32("position", rows.iter().map(|(.., position, _)| *position));
    native.u64(
        "attempted_version",
        rows.iter().map(|(_, _, rules, ..)| rules.attempted_version),
    );
    native.u8("delivered", refused().map(|rule| u8::from(rule.delivered)));
    native.string("file", refused().map(|rule| rule.file.as_bytes()));
    native.u32("line", refused().map(|rule| rule.line));
    native.string("reason", refused().map(|rule| rule.reason.as_bytes()));
    Some(Insert::new("refused_rules", origin, rows.len(), native))
}

/// The heartbeats again, for whoever asks what was stored lately.
#[must_use]
pub fn arrivals(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let rows = beats(entries);
    if rows.is_empty() {
        return None;
    }
    let identity = || rows.iter().map(|(entry, ..)| &entry.identity);
    let beat = || rows.iter().map(|(_, beat, _)| *beat);
    let received = || rows.iter().map(|(entry, ..)| entry.received_ms);
    let mut native = Block::new(rows.len(), 64);
    native.text("agent_id", identity().map(|id| id.agent_id.as_str()));
    native.uuid("start_id", identity().map(|id| id.start_id));
    native.u64("beat", beat().map(|beat| beat.beat));
    native.u8("goodbye", beat().map(goodbye));
    native.datetime_ms("received_at", received());
    native.i64(
        "late_ms",
        rows.iter().map(|(entry, beat, clock)| {
            let made_ms = clock
                .wall_ms
                .saturating_add(beat.clock_offset_ms.unwrap_or(0));
            entry.received_ms.saturating_sub(made_ms)
        }),
    );
    Some(Insert::new("arrivals", origin, rows.len(), native))
}

/// A head's link; empty without one.
fn shown(head: Option<Head>) -> String {
    head.map_or_else(String::new, |head| head.link.to_string())
}

/// What the heartbeats say of the agent's lanes.
#[must_use]
pub fn lane_states(origin: &Origin, entries: &[Entry]) -> Option<Insert> {
    let mut rows: Vec<(&str, Id, i64, &LaneState)> = beats(entries)
        .into_iter()
        .flat_map(|(entry, beat, clock)| {
            let identity = &entry.identity;
            let states = beat.lanes.iter();
            states.map(move |state| {
                let agent_id = identity.agent_id.as_str();
                (agent_id, identity.spool_id, clock.wall_ms, state)
            })
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    rows.sort_by(|a, b| {
        let key = |row: &(&str, Id, i64, &LaneState)| (uuid_order(row.1), row.3.lane, row.2);
        a.0.cmp(b.0).then_with(|| key(a).cmp(&key(b)))
    });
    let state = || rows.iter().map(|row| row.3);
    let mut native = Block::new(rows.len(), 80);
    native.text("agent_id", rows.iter().map(|row| row.0));
    native.uuid("spool_id", rows.iter().map(|row| row.1));
    native.enum8("lane", LANE, state().map(|state| lane_number(state.lane)));
    native.datetime_ms("ts", rows.iter().map(|row| row.2));
    native.u64("next_sequence", state().map(|state| state.next_sequence));
    native.u64("acked_sequence", state().map(|state| state.acked_sequence));
    native.u64("queued_batches", state().map(|state| state.queued_batches));
    native.u64("queued_bytes", state().map(|state| state.queued_bytes));
    native.u64(
        "dropped_batches",
        state().map(|state| state.dropped_batches),
    );
    native.u64("dropped_items", state().map(|state| state.dropped_items));
    // One of another form was rejected at the door.
    let heads: Vec<Option<Head>> = state()
        .map(|state| Head::from_wire(state.chain.as_ref()?).ok())
        .collect();
    let head = || heads.iter().map(|head| head.unwrap_or_default());
    let links: Vec<String> = heads.iter().map(|head| shown(*head)).collect();
    native.u64("chain_sequence", head().map(|head| head.sequence));
    native.i64("chain_created_ms", head().map(|head| head.created_ms));
    native.string("chain_link", links.iter().map(String::as_bytes));
    Some(Insert::new("lane_states", origin, rows.len(), native))
}
