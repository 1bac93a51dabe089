//! Findings and rules as the command line shows them. What strangers wrote is escaped.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use super::feed::{Asked, Feed};
use super::finding::Finding;
use super::load::{self, Set};
use crate::error::Error;
use crate::storage::Storage;

/// Findings that are shown at once.
const SHOWN_MAX: usize = 10_000;

/// A finding in JSON. Fields are added, never changed or removed.
#[derive(Serialize)]
struct Line<'a> {
    finding_id: String,
    rule_id: &'a str,
    title: &'a str,
    level: &'a str,
    key: std::collections::BTreeMap<&'a str, &'a str>,
    first_ms: i64,
    last_ms: i64,
    ended_ms: Option<i64>,
    events: u64,
    distinct_values: u64,
    hosts: &'a [String],
    hosts_total: u64,
    users: &'a [String],
    users_total: u64,
    sources: &'a [String],
    sources_total: u64,
    summary: &'a str,
}

/// Findings that last or were seen since a time, Unix ms, as text or in JSON, one a line.
///
/// # Errors
/// When ClickHouse does not answer.
pub async fn findings(
    storage: &Storage,
    from_ms: i64,
    open: bool,
    json: bool,
) -> Result<String, Error> {
    let asked = Asked {
        from_ms,
        open,
        merged: false,
        limit: SHOWN_MAX,
    };
    let feed = Feed {
        storage: storage.clone(),
    };
    let (findings, _) = feed.findings(asked).await?;
    Ok(match json {
        true => findings.iter().map(line).collect(),
        false => table(&findings),
    })
}

fn line(finding: &Finding) -> String {
    let key = finding.group_by.iter().zip(&finding.group_key);
    let figures = &finding.figures;
    let line = Line {
        finding_id: finding.finding_id.to_string(),
        rule_id: &finding.rule_id,
        title: &finding.title,
        level: &finding.level,
        key: key
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect(),
        first_ms: finding.first_ms,
        last_ms: finding.last_ms,
        ended_ms: Some(finding.ended_ms).filter(|&ended_ms| ended_ms != 0),
        events: figures.events,
        distinct_values: figures.distinct_values,
        hosts: &figures.hosts,
        hosts_total: figures.hosts_total,
        users: &figures.users,
        users_total: figures.users_total,
        sources: &figures.sources,
        sources_total: figures.sources_total,
        summary: &finding.summary,
    };
    // Texts and numbers: nothing of it can fail.
    let text = serde_json::to_string(&line).unwrap_or_default();
    format!("{text}\n")
}

fn table(findings: &[Finding]) -> String {
    let mut text = format!(
        "{:<19} {:<19} {:<13} {:<5} finding\n",
        "first (UTC)", "last (UTC)", "level", "state"
    );
    for finding in findings {
        let _ = writeln!(
            text,
            "{:<19} {:<19} {:<13} {:<5} {}",
            crate::presence::availability::time(finding.first_ms),
            crate::presence::availability::time(finding.last_ms),
            finding.level,
            if finding.is_over() { "over" } else { "open" },
            finding.summary
        );
    }
    text
}

/// Rules of these directories as text, those that are refused last, and whether none is.
///
/// # Errors
/// Names the directory that cannot be read.
pub fn rules(directories: &[PathBuf], list: bool) -> Result<(String, bool), String> {
    let set = load::load(&load::read(directories)?, &Set::default());
    let mut text = String::new();
    if list {
        let _ = writeln!(
            text,
            "{:<36} {:<8} {:<16} {:<8} title",
            "id", "level", "type", "within"
        );
        for loaded in &set.rules {
            let rule = &loaded.rule;
            let seconds = rule.timespan_ms / 1000;
            let _ = writeln!(
                text,
                "{:<36} {:<8} {:<16} {:<8} {}",
                rule.id,
                rule.level.name(),
                rule.kind.name(),
                format!("{seconds} s"),
                rule.title.escape_debug()
            );
        }
    }
    for refused in &set.refused {
        let (file, rule) = (refused.file.display(), refused.rule.escape_debug());
        let reason = refused.reason.replace('\n', " ");
        let _ = match refused.rule.is_empty() {
            true => writeln!(text, "{file}: {reason}"),
            false => writeln!(text, "{file}: {rule}: {reason}"),
        };
    }
    let _ = writeln!(
        text,
        "{} rules are looked for, {} refused; they may refer to {} rules of agents",
        set.rules.len(),
        set.refused.len(),
        set.bases
    );
    Ok((text, set.refused.is_empty()))
}
