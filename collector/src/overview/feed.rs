//! Asks ClickHouse for all that [`Overview`] is made of, all at once.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;

use super::host::{Facts, Sight, judge, order};
use super::pipeline::{self, Flow};
use super::strip::{Hour, MINUTES};
use super::words::{label, sentence};
use super::{
    Finding, HOSTS_MAX, Host, Hosts, Incident, LINES_MAX, Level, Overview, Settings, next_step,
    verdict,
};
use crate::alerts::Kind;
use crate::clock::now_ms;
use crate::error::{Code, Error};
use crate::presence::hosts::{self, Status};
use crate::presence::live;
use crate::presence::maintenance::{Calendar, Window, Zones, store};
use crate::schema::queries::{
    FINDINGS, HEARTBEAT_STRIPS, INCIDENTS, OVERVIEW_HOSTS, PIPELINE_HEALTH, PRESENCE_WATCHED,
};
use crate::storage::Storage;

/// Incidents and findings that ended within this time are shown, s.
const OVER_SECONDS: u32 = 86_400;
/// How far back losses are looked for, s.
const LOSSES_SECONDS: u32 = 900;
/// Findings that are asked for at most.
const FINDINGS_MAX: u32 = 1_000;

#[derive(Default, Deserialize)]
#[serde(default)]
struct FiguresRow {
    agent_id: String,
    heartbeat_age_seconds: Option<f64>,
    data_age_seconds: Option<f64>,
    cpu_busy_ratio: Option<f64>,
    memory_used_ratio: Option<f64>,
    requests_per_second: Option<f64>,
    error_ratio: Option<f64>,
    latency_p95_us: Option<f64>,
    failed_logins: Option<u64>,
    dropped_items: Option<u64>,
}

#[derive(Deserialize)]
struct StripRow {
    agent_id: String,
    newest_ms: i64,
    slots: Vec<u8>,
}

#[derive(Deserialize)]
struct FlowRow {
    now_ms: i64,
    received_ms: i64,
    agents: u64,
    stored_ms: i64,
    insert_delay_ms: Option<i64>,
    queued_batches: Option<u64>,
    queued_bytes: Option<u64>,
    agents_behind: Option<u64>,
    kafka_partitions: u64,
    kafka_lag_batches: Option<u64>,
    dropped_items: Option<u64>,
    missing_batches: Option<i64>,
}

#[derive(Deserialize)]
struct ReceivedRow {
    from_ms: i64,
    to_ms: i64,
}

#[derive(Deserialize)]
struct IncidentRow {
    kind: String,
    agent_id: String,
    objective: String,
    began_ms: i64,
    ended_ms: i64,
    summary: String,
}

#[derive(Deserialize)]
struct FindingRow {
    rule_id: String,
    title: String,
    level: String,
    last_ms: i64,
    ended_ms: i64,
    summary: String,
}

/// The overview; where ClickHouse does not answer, one that says so.
///
/// # Errors
/// When an answer is not what the schema says.
pub async fn read(storage: &Storage, settings: &Settings) -> Result<Overview, Error> {
    match ask(storage, settings).await {
        Err(error) if error.code == Code::Unavailable => Ok(Overview::unanswered(
            now_ms(),
            &error.message,
            settings.add_agent_command.clone(),
        )),
        answer => answer,
    }
}

/// The same, for whoever can say something better then.
///
/// # Errors
/// When ClickHouse does not answer, or with something that is not what the schema says.
pub async fn ask(storage: &Storage, settings: &Settings) -> Result<Overview, Error> {
    let window = settings.window_seconds;
    let figures = storage.rows::<FiguresRow>("figures of hosts", OVERVIEW_HOSTS, |query| {
        query.param("seconds", window)
    });
    let strips = storage.rows::<StripRow>("heartbeats", HEARTBEAT_STRIPS, |query| query);
    let flow = storage.rows::<FlowRow>("the pipeline", PIPELINE_HEALTH, |query| {
        query.param("seconds", LOSSES_SECONDS)
    });
    let incidents = storage.rows::<IncidentRow>("incidents", INCIDENTS, |query| {
        query.param("seconds", OVER_SECONDS)
    });
    let (states, figures, strips, flow, received, incidents, findings, windows) = tokio::try_join!(
        hosts::list_watched(storage, ""),
        figures,
        strips,
        flow,
        received(storage),
        incidents,
        findings(storage),
        store::windows(storage, now_ms()),
    )?;
    let flow = flow.into_iter().next().ok_or_else(|| {
        Error::new(
            Code::Internal,
            "ClickHouse: the pipeline: the answer is empty",
        )
    })?;
    let (states, is_watched) = states;
    let sight = Sight {
        now_ms: flow.now_ms,
        stale_after_seconds: f64::from(settings.stale_after_seconds),
        missing_after_ms: i64::try_from(settings.missing_after_ms).unwrap_or(i64::MAX),
        is_watched,
        received_ms: flow.received_ms,
    };
    let incidents: Vec<Incident> = newest(incidents.into_iter().map(incident).collect());
    let known = Known {
        figures: by_agent(figures, |row| &row.agent_id),
        hour: Hour {
            newest_ms: strips.first().map_or_else(
                || sight.now_ms - sight.now_ms.rem_euclid(60_000),
                |strip| strip.newest_ms,
            ),
            now_ms: sight.now_ms,
            received,
        },
        strips: by_agent(strips, |row| &row.agent_id),
        stopped: incidents
            .iter()
            .filter(|incident| incident.ended_ms.is_none() && incident.kind == Kind::Stopped.name())
            .map(|incident| (incident.agent_id.clone(), incident.began_ms))
            .collect(),
        calendar: calendar(windows, sight.now_ms),
    };
    Ok(overview(
        states, known, sight, incidents, findings, &flow, settings,
    ))
}

/// What was asked beside the states.
struct Known {
    figures: BTreeMap<String, FiguresRow>,
    strips: BTreeMap<String, StripRow>,
    hour: Hour,
    stopped: BTreeMap<String, i64>,
    calendar: Calendar,
}

fn overview(
    states: Vec<Status>,
    mut known: Known,
    sight: Sight,
    mut incidents: Vec<Incident>,
    mut findings: Vec<Finding>,
    flow: &FlowRow,
    settings: &Settings,
) -> Overview {
    let is_expected =
        |status: &Status| status.retired_at_ms == 0 || status.retired_at_ms > sight.now_ms;
    let mut list: Vec<Host> = states
        .into_iter()
        .filter(is_expected)
        .map(|status| host(status, &mut known, &sight))
        .collect();
    list.sort_by(order);
    let flow = Flow {
        now_ms: flow.now_ms,
        is_received: sight.is_received(),
        agents: flow.agents,
        stored_ms: flow.stored_ms,
        insert_delay_ms: flow.insert_delay_ms,
        queued_batches: flow.queued_batches,
        queued_bytes: flow.queued_bytes,
        agents_behind: flow.agents_behind.unwrap_or(0),
        kafka_partitions: flow.kafka_partitions,
        kafka_lag_batches: flow.kafka_lag_batches,
        dropped_items: flow.dropped_items.unwrap_or(0),
        missing_batches: flow.missing_batches.unwrap_or(0).max(0).unsigned_abs(),
    };
    let pipeline = pipeline::judge(&flow);
    let verdict = verdict::judge(&verdict::Scene {
        hosts: &list,
        incidents: &incidents,
        findings: &findings,
        pipeline: &pipeline,
        sight,
    });
    let (incidents_total, findings_total) = (incidents.len(), findings.len());
    incidents.truncate(LINES_MAX);
    findings.truncate(LINES_MAX);
    Overview {
        asked_ms: sight.now_ms,
        verdict,
        hosts: Hosts::of(list),
        incidents,
        incidents_total,
        findings,
        findings_total,
        pipeline,
        add_agent_command: settings.add_agent_command.clone(),
        is_answered: true,
    }
}

fn host(status: Status, known: &mut Known, sight: &Sight) -> Host {
    let row = known.figures.remove(&status.agent_id).unwrap_or_default();
    let slots = known.strips.remove(&status.agent_id);
    let heard_seconds = |heard_ms: i64| {
        let ms = (sight.now_ms - heard_ms).max(0).unsigned_abs();
        Duration::from_millis(ms).as_secs_f64()
    };
    let word = live::State::ALL
        .into_iter()
        .find(|state| state.name() == status.state);
    let facts = Facts {
        word,
        word_ms: status.state_ms,
        expected_ms: status.since_ms,
        heard_ms: status.heard_ms,
        heartbeat_age_seconds: row
            .heartbeat_age_seconds
            .or_else(|| (status.heard_ms > 0).then(|| heard_seconds(status.heard_ms))),
        data_age_seconds: row.data_age_seconds,
        stopped_ms: known.stopped.get(&status.agent_id).copied(),
        in_maintenance: known.calendar.has(&status.agent_id, &status.host_group),
    };
    let standing = judge(&facts, sight);
    // Whoever is only known by its last hello was expected before that.
    let expected_ms = if status.is_enrolled == 1 {
        status.since_ms
    } else {
        0
    };
    let strip = match (slots, status.heard_ms) {
        (None, 0) => vec![None; MINUTES],
        (slots, _) => {
            let slots = slots.map(|row| row.slots).unwrap_or_default();
            known.hour.strip(&slots, expected_ms)
        }
    };
    Host {
        agent_id: label(&status.agent_id),
        role: label(&status.role),
        host_group: label(&status.host_group),
        state: standing.state,
        level: standing.level,
        since_ms: standing.since_ms,
        text: standing.text,
        heartbeat_age_seconds: facts.heartbeat_age_seconds,
        data_age_seconds: row.data_age_seconds,
        cpu_busy_ratio: row.cpu_busy_ratio,
        memory_used_ratio: row.memory_used_ratio,
        requests_per_second: row.requests_per_second,
        error_ratio: row.error_ratio,
        latency_p95_us: row.latency_p95_us,
        failed_logins: row.failed_logins,
        dropped_items: row.dropped_items,
        strip,
    }
}

async fn received(storage: &Storage) -> Result<Vec<Range<i64>>, Error> {
    let now = now_ms() / 1_000;
    // The clock of ClickHouse may be another one.
    let (from, to) = (now - 2 * 3_600, now + 3_600);
    let rows: Vec<ReceivedRow> = storage
        .rows("when a collector received", PRESENCE_WATCHED, |query| {
            query.param("from", from).param("to", to)
        })
        .await?;
    Ok(rows.into_iter().map(|row| row.from_ms..row.to_ms).collect())
}

async fn findings(storage: &Storage) -> Result<Vec<Finding>, Error> {
    let from_ms = (now_ms() - i64::from(OVER_SECONDS) * 1_000).to_string();
    let rows: Vec<FindingRow> = storage
        .rows("findings", FINDINGS, |query| {
            query
                .param("from_ms", &from_ms)
                .param("open", 0)
                .param("merged", 0)
                .param("limit", FINDINGS_MAX)
        })
        .await?;
    let finding = |row: FindingRow| Finding {
        next_step: next_step::of_finding(&row.level),
        rule_id: label(&row.rule_id),
        title: label(&row.title),
        level: label(&row.level),
        last_ms: row.last_ms,
        ended_ms: Some(row.ended_ms).filter(|&ended_ms| ended_ms != 0),
        text: sentence(&row.summary),
    };
    Ok(rows.into_iter().map(finding).collect())
}

fn incident(row: IncidentRow) -> Incident {
    let kind = Kind::ALL
        .iter()
        .find(|kind| kind.name() == row.kind)
        .copied();
    Incident {
        level: kind.map_or(Level::Warn, |kind| kind.severity().into()),
        next_step: next_step::of_incident(kind, &row.agent_id),
        kind: label(&row.kind),
        agent_id: label(&row.agent_id),
        objective: label(&row.objective),
        began_ms: row.began_ms,
        ended_ms: Some(row.ended_ms).filter(|&ended_ms| ended_ms != 0),
        text: sentence(&row.summary),
    }
}

/// Those that last first, the newest first of either.
fn newest(mut incidents: Vec<Incident>) -> Vec<Incident> {
    incidents.sort_by_key(|incident| {
        (
            incident.ended_ms.is_some(),
            std::cmp::Reverse(incident.began_ms),
        )
    });
    incidents
}

fn by_agent<T>(rows: Vec<T>, agent_id: impl Fn(&T) -> &String) -> BTreeMap<String, T> {
    rows.into_iter()
        .map(|row| (agent_id(&row).clone(), row))
        .collect()
}

/// Windows that hold now. One whose zone cannot be read holds nobody's silence for planned.
fn calendar(windows: Vec<store::Change>, now_ms: i64) -> Calendar {
    let windows: Vec<Window> = windows.into_iter().map(|change| change.window).collect();
    let mut zones = Zones::default();
    let _unreadable = zones.load(&windows);
    Calendar::new(&windows, &zones, &(now_ms..now_ms + 1))
}

impl Hosts {
    /// All of them, the worst first; the list is cut, the counts are of all.
    #[must_use]
    pub fn of(mut list: Vec<Host>) -> Self {
        use super::host::State;
        let count = |states: &[State]| {
            let of = |host: &&Host| states.contains(&host.state);
            list.iter().filter(of).count()
        };
        let live = |host: &&Host| host.state == State::Up;
        let ages = list
            .iter()
            .filter(live)
            .filter_map(|host| host.data_age_seconds);
        let hosts = Self {
            total: list.len(),
            live: count(&[State::Up]),
            stale: count(&[State::Stale, State::Suspect, State::Unknown]),
            offline: count(&[State::Down, State::Silent, State::Stopped]),
            never: count(&[State::Never]),
            maintenance: count(&[State::Maintenance]),
            data_age_seconds_max: ages.max_by(f64::total_cmp),
            list: Vec::new(),
        };
        list.truncate(HOSTS_MAX);
        Self { list, ..hosts }
    }
}
