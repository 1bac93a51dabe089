//! The chosen row in full, with what to do; and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::row::strip_letters;
use super::{Look, put, wrap};
use crate::overview::next_step::of_state;
use crate::overview::{Finding, Host, Incident, Level, Overview, age, clock};
use crate::top::view::{Pane, View};

const KEYS: [(&str, &str); 11] = [
    ("q, ctrl-c", "leave"),
    (
        "up down, j k",
        "choose a row; page up, page down, home, end",
    ),
    ("tab, left right", "another pane"),
    ("enter", "the row in full, with what to do"),
    (
        "/",
        "filter rows: part of a name, role, group or text; a state",
    ),
    ("esc", "back, or clear the filter"),
    ("s", "sort hosts: worst first, name, CPU, errors"),
    ("p", "pause, and go on"),
    ("r", "ask now"),
    ("levels", "ok, ? (nobody knows), WARN, BAD"),
    (
        "last hour",
        "█ # heard, ▅ + most, ▂ - some, x not, · . not known",
    ),
];

/// The keys.
pub(super) fn help(buffer: &mut Buffer, area: Rect) {
    for (place, (key, text)) in KEYS.iter().enumerate().take(usize::from(area.height)) {
        let y = area.y + u16::try_from(place).unwrap_or(0);
        put(
            buffer,
            area.x,
            y,
            16,
            key,
            Style::new().add_modifier(Modifier::BOLD),
        );
        put(
            buffer,
            area.x + 17,
            y,
            area.width.saturating_sub(17),
            text,
            Style::new(),
        );
    }
}

/// The chosen row of the chosen pane.
pub(super) fn chosen(buffer: &mut Buffer, area: Rect, view: &View, look: Look) {
    let Some(overview) = view.overview() else {
        return;
    };
    let place = view.chosen(view.pane);
    let lines = match view.pane {
        Pane::Hosts => view.hosts().get(place).map(|one| host(one, overview)),
        Pane::Incidents => view
            .incidents()
            .get(place)
            .map(|one| incident(one, overview.asked_ms)),
        Pane::Findings => view
            .findings()
            .get(place)
            .map(|one| finding(one, overview.asked_ms)),
        Pane::Pipeline => Some(pipeline(overview)),
    };
    let Some((level, lines)) = lines else {
        put(
            buffer,
            area.x,
            area.y,
            area.width,
            "there is nothing to show",
            Style::new(),
        );
        return;
    };
    let mut y = area.y;
    for (name, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
        if y >= area.bottom() {
            return;
        }
        let style = match *name {
            "state" | "level" => look.style(level),
            _ => Style::new(),
        };
        put(
            buffer,
            area.x,
            y,
            12,
            name,
            Style::new().add_modifier(Modifier::BOLD),
        );
        let room = area.width.saturating_sub(13).max(1);
        // As many lines as its letters need, and one for words that do not fit.
        let letters = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
        let needed = letters.div_ceil(room) + u16::from(letters > room);
        let height = needed.min(area.bottom() - y);
        let cell = Rect {
            x: area.x + 13,
            y,
            width: room,
            height,
        };
        wrap(buffer, cell.intersection(buffer.area), text, style);
        y += height;
    }
}

type Lines = Vec<(&'static str, String)>;

fn host(host: &Host, overview: &Overview) -> (Level, Lines) {
    let known = |text: Option<String>| text.unwrap_or_else(|| "not known".to_owned());
    let percent = |ratio: Option<f64>| known(ratio.map(|ratio| format!("{:.1} %", ratio * 100.0)));
    let number = |count: Option<u64>| known(count.map(|count| count.to_string()));
    let own =
        |incident: &&Incident| incident.agent_id == host.agent_id && incident.ended_ms.is_none();
    let incident = overview.incidents.iter().find(own);
    let requests = match host.requests_per_second {
        None => String::new(),
        Some(rate) => format!(
            "{rate:.1}/s, {} failed, p95 {}",
            percent(host.error_ratio),
            known(
                host.latency_p95_us
                    .map(|us| format!("{:.1} ms", us / 1_000.0))
            )
        ),
    };
    let lines = vec![
        ("host", host.agent_id.clone()),
        ("state", format!("{}: {}", host.level.name(), host.text)),
        (
            "next step",
            match incident {
                Some(incident) => incident.next_step.clone(),
                None => of_state(host.state, &host.agent_id),
            },
        ),
        (
            "incident",
            incident
                .map(|incident| incident.text.clone())
                .unwrap_or_default(),
        ),
        ("role", host.role.clone()),
        ("group", host.host_group.clone()),
        (
            "heartbeat",
            known(
                host.heartbeat_age_seconds
                    .map(|s| format!("{} old", age(s))),
            ),
        ),
        (
            "data",
            known(host.data_age_seconds.map(|s| format!("{} old", age(s)))),
        ),
        (
            "cpu, memory",
            format!(
                "{}, {}",
                percent(host.cpu_busy_ratio),
                percent(host.memory_used_ratio)
            ),
        ),
        ("requests", requests),
        ("failed logins", number(host.failed_logins)),
        ("dropped", number(host.dropped_items)),
        ("last hour", strip_letters(&host.strip, 60)),
    ];
    (host.level, lines)
}

fn over(ended_ms: Option<i64>, now_ms: i64) -> String {
    match ended_ms {
        Some(ended_ms) => format!(", over at {}", clock(ended_ms, now_ms)),
        None => ", lasts".to_owned(),
    }
}

fn incident(incident: &Incident, now_ms: i64) -> (Level, Lines) {
    let lines = vec![
        ("incident", incident.kind.clone()),
        ("level", incident.level.name().to_owned()),
        ("host", incident.agent_id.clone()),
        ("objective", incident.objective.clone()),
        (
            "since",
            clock(incident.began_ms, now_ms) + &over(incident.ended_ms, now_ms),
        ),
        ("what", incident.text.clone()),
        ("next step", incident.next_step.clone()),
    ];
    (incident.level, lines)
}

fn finding(finding: &Finding, now_ms: i64) -> (Level, Lines) {
    let lines = vec![
        ("finding", finding.title.clone()),
        ("level", finding.level.clone()),
        ("rule", finding.rule_id.clone()),
        (
            "last",
            clock(finding.last_ms, now_ms) + &over(finding.ended_ms, now_ms),
        ),
        ("what", finding.text.clone()),
        ("next step", finding.next_step.clone()),
    ];
    (Level::of_finding(&finding.level), lines)
}

fn pipeline(overview: &Overview) -> (Level, Lines) {
    let pipeline = &overview.pipeline;
    let known = |text: Option<String>| text.unwrap_or_else(|| "not known".to_owned());
    let number = |count: Option<u64>| known(count.map(|count| count.to_string()));
    let lines = vec![
        ("pipeline", pipeline.text.clone()),
        ("level", pipeline.level.name().to_owned()),
        ("agents", pipeline.agents.to_string()),
        ("insert delay", known(pipeline.insert_delay_seconds.map(age))),
        ("in spools", format!(
            "{} batches, {} bytes",
            number(pipeline.spooled_batches),
            number(pipeline.spooled_bytes)
        )),
        ("Kafka lag", "metrics log_* of the collectors".to_owned()),
        ("dropped", format!("{} within 15 minutes", pipeline.dropped_items)),
        ("missing", format!("{} batches within 15 minutes", pipeline.missing_batches)),
        ("next step", "the proof: `crmscope-collector ledger`; what fills spools: query lost_lines, ledger_drops".to_owned()),
    ];
    (pipeline.level, lines)
}
