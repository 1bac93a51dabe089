//! All of it in one line: the worst first, at most three named.
//!
//! Promises: at most [`TEXT_MAX_BYTES`]; never better than the worst host that is not in maintenance, than
//! an incident or a finding that lasts, or than the way there; good only where at least one host is heard
//! and a collector watches; what is not known is said.

use std::collections::BTreeSet;

use serde::Serialize;

use super::host::{Sight, State};
use super::words::{clock, count, name};
use super::{Finding, Host, Incident, Level, Pipeline};
use crate::alerts::{Kind, one_line};

/// Longest line.
pub const TEXT_MAX_BYTES: usize = 200;
/// Named at most.
const NAMED_MAX: usize = 3;

/// How all of it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How serious it is.
    pub level: Level,
    /// Why.
    pub text: String,
}

/// What there is to judge.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Every host, the worst first.
    pub hosts: &'a [Host],
    /// Incidents.
    pub incidents: &'a [Incident],
    /// Findings.
    pub findings: &'a [Finding],
    /// The way there.
    pub pipeline: &'a Pipeline,
    /// Who looks.
    pub sight: Sight,
}

/// When ClickHouse does not answer.
#[must_use]
pub fn unanswered(error: &str) -> Verdict {
    let text = format!("Nothing is known now: ClickHouse does not answer. {error}");
    Verdict {
        level: Level::Unknown,
        text: one_line(&text, TEXT_MAX_BYTES),
    }
}

/// Judges all of it.
#[must_use]
pub fn judge(scene: &Scene<'_>) -> Verdict {
    let troubled: Vec<&Host> = scene
        .hosts
        .iter()
        .filter(|host| is_troubled(host))
        .collect();
    let idle = scene
        .hosts
        .iter()
        .filter(|host| host.state == State::Maintenance);
    let idle: BTreeSet<&str> = idle.map(|host| host.agent_id.as_str()).collect();
    let incidents: Vec<&Incident> = scene
        .incidents
        .iter()
        .filter(|incident| incident.ended_ms.is_none() && !is_excused(incident, &idle))
        .collect();
    let findings: Vec<&Finding> = scene
        .findings
        .iter()
        .filter(|finding| {
            finding.ended_ms.is_none() && Level::of_finding(&finding.level) > Level::Good
        })
        .collect();
    let mut level = scene.pipeline.level;
    for host in &troubled {
        level = level.max(host.level);
    }
    for incident in &incidents {
        level = level.max(incident.level);
    }
    for finding in &findings {
        level = level.max(Level::of_finding(&finding.level));
    }
    let is_heard = scene.hosts.iter().any(|host| host.level == Level::Good);
    if !is_heard || !scene.sight.is_watched || !scene.sight.is_received() {
        level = level.max(Level::Unknown);
    }
    Verdict {
        level,
        text: text(scene, &troubled, &incidents, &findings),
    }
}

fn is_troubled(host: &Host) -> bool {
    host.state != State::Maintenance && host.level != Level::Good
}

/// Whether it is about a host that may be silent now.
fn is_excused(incident: &Incident, idle: &BTreeSet<&str>) -> bool {
    let of_host = [
        Kind::HostSilent,
        Kind::HostMissing,
        Kind::Stopped,
        Kind::Flapping,
    ];
    of_host.iter().any(|kind| kind.name() == incident.kind)
        && idle.contains(incident.agent_id.as_str())
}

/// As many names as fit.
fn text(
    scene: &Scene<'_>,
    troubled: &[&Host],
    incidents: &[&Incident],
    findings: &[&Finding],
) -> String {
    let mut text = String::new();
    for named in (0..=NAMED_MAX).rev() {
        text = sentences(scene, troubled, incidents, findings, named);
        if text.len() <= TEXT_MAX_BYTES {
            break;
        }
    }
    one_line(&text, TEXT_MAX_BYTES)
}

/// What a sentence is about.
#[derive(Clone, Copy)]
enum Part {
    Hosts,
    Incidents,
    Findings,
    Pipeline,
}

/// What keeps anybody from knowing, and the rest by its level.
fn sentences(
    scene: &Scene<'_>,
    troubled: &[&Host],
    incidents: &[&Incident],
    findings: &[&Finding],
    named: usize,
) -> String {
    let told: BTreeSet<&str> = troubled.iter().map(|host| host.agent_id.as_str()).collect();
    let others: Vec<&Incident> = incidents
        .iter()
        .copied()
        .filter(|incident| !is_told(incident, &told))
        .collect();
    let of_hosts = troubled.iter().map(|host| host.level).max();
    let of_incidents = others.iter().map(|incident| incident.level).max();
    let of_findings = findings
        .iter()
        .map(|finding| Level::of_finding(&finding.level))
        .max();
    let can_flow = scene.sight.is_received() && !scene.hosts.is_empty();
    let of_pipeline =
        Some(scene.pipeline.level).filter(|_| can_flow && !scene.pipeline.trouble.is_empty());
    let mut parts = vec![(of_hosts.unwrap_or(Level::Good), Part::Hosts)];
    parts.extend(of_incidents.map(|level| (level, Part::Incidents)));
    parts.extend(of_findings.map(|level| (level, Part::Findings)));
    parts.extend(of_pipeline.map(|level| (level, Part::Pipeline)));
    parts.sort_by_key(|&(level, _)| std::cmp::Reverse(level));

    let mut sentences: Vec<String> = blindness(&scene.sight).into_iter().collect();
    let mut left = named;
    for (_, part) in parts {
        let (mut text, names) = match part {
            Part::Hosts => {
                sentences.push(hosts(scene.hosts, troubled, incidents, left));
                left = left.saturating_sub(troubled.len());
                continue;
            }
            Part::Pipeline => {
                sentences.push(capital(&scene.pipeline.trouble));
                continue;
            }
            Part::Incidents => (
                count(others.len(), "incident"),
                others.iter().map(|incident| short(incident)).collect(),
            ),
            Part::Findings => (
                count(findings.len(), "security finding"),
                findings
                    .iter()
                    .map(|finding| name(&finding.title))
                    .collect::<Vec<_>>(),
            ),
        };
        let of = names.len();
        name_some(&mut text, names.into_iter(), left);
        left = left.saturating_sub(of);
        sentences.push(text);
    }
    sentences
        .iter()
        .map(|text| format!("{text}."))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What keeps anybody from knowing.
fn blindness(sight: &Sight) -> Option<String> {
    if !sight.is_received() {
        return Some(match sight.received_ms {
            0 => "No collector has received for a day".to_owned(),
            since => format!(
                "No collector has received since {}, so nothing is known of now",
                clock(since, sight.now_ms)
            ),
        });
    }
    (!sight.is_watched).then(|| "Nobody watches over the hosts".to_owned())
}

fn hosts(all: &[Host], troubled: &[&Host], incidents: &[&Incident], named: usize) -> String {
    let total = all.len();
    if total == 0 {
        return "No host is known yet: start an agent".to_owned();
    }
    let idle = all
        .iter()
        .filter(|host| host.state == State::Maintenance)
        .count();
    let mut text = if troubled.is_empty() {
        let heard = total - idle;
        match (heard, idle) {
            (0, _) => format!("{} in maintenance", all_of(total)),
            (_, 0) => format!("{} up", all_of(total)),
            _ => format!(
                "{heard} of {} up, {idle} in maintenance",
                count(total, "host")
            ),
        }
    } else {
        let mut text = match troubled.iter().map(|host| host.level).max() {
            Some(Level::Unknown) => {
                format!("{} of {} not known", troubled.len(), count(total, "host"))
            }
            _ => format!("{} of {} in trouble", troubled.len(), count(total, "host")),
        };
        name_some(&mut text, troubled.iter().map(|host| phrase(host)), named);
        if incidents
            .iter()
            .any(|incident| incident.kind == Kind::ManySilent.name())
        {
            text.push_str(", network path suspected");
        }
        if idle > 0 {
            text.push_str(&format!(", {idle} in maintenance"));
        }
        text
    };
    if troubled.is_empty() && incidents.is_empty() && idle == 0 {
        text.push_str(", no incident");
    }
    text
}

fn all_of(total: usize) -> String {
    match total {
        1 => "The only host is".to_owned(),
        total => format!("All {total} hosts are"),
    }
}

/// A host's state as a part of a sentence.
fn phrase(host: &Host) -> String {
    let verb = match host.state {
        State::Never | State::Stopped => "was",
        _ => "is",
    };
    format!("{} {verb} {}", name(&host.agent_id), host.text)
}

/// An incident is told with its host.
fn is_told(incident: &Incident, told: &BTreeSet<&str>) -> bool {
    incident.kind == Kind::ManySilent.name() && !told.is_empty()
        || incident.kind != Kind::SecurityFinding.name()
            && told.contains(incident.agent_id.as_str())
}

/// An incident in a few words.
fn short(incident: &Incident) -> String {
    let kind = Kind::ALL.iter().find(|kind| kind.name() == incident.kind);
    let (agent, objective) = (name(&incident.agent_id), name(&incident.objective));
    match kind {
        Some(Kind::HostSilent) => format!("{agent} was silent"),
        Some(Kind::ManySilent) => "many hosts fell silent at once".to_owned(),
        Some(Kind::HostMissing) => format!("{agent} never came"),
        Some(Kind::Stopped) => format!("{agent} was stopped"),
        Some(Kind::Flapping) => format!("{agent} comes and goes"),
        Some(Kind::BudgetBurnsFast) => format!("the budget of {objective} burns fast"),
        Some(Kind::BudgetBurnsSlowly) => format!("the budget of {objective} burns"),
        Some(Kind::LowTraffic) => format!("{objective} has few requests"),
        Some(Kind::NoTraffic) => format!("{objective} has no requests"),
        Some(Kind::LittleKnown) => format!("little is known of {objective}"),
        Some(Kind::NotProbed) => format!("{objective} is not probed"),
        Some(Kind::SecurityFinding) | None => name(&incident.text),
    }
}

/// The first of them after a colon, and how many more there are.
fn name_some(text: &mut String, all: impl ExactSizeIterator<Item = String>, named: usize) {
    let more = all.len().saturating_sub(named);
    if named == 0 {
        return;
    }
    let shown: Vec<String> = all.take(named).collect();
    text.push_str(": ");
    text.push_str(&shown.join(", "));
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}
