//! The report for people. Names of agents are a stranger's text, and are escaped.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::finding::{Finding, Report, Summary};
use crate::presence::availability::time;

/// The report.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    if report.chains.is_empty() {
        text.push_str("There are no security batches to verify.\n");
    }
    for chain in &report.chains {
        text.push_str(&account(chain));
    }
    for (agent, rows) in &report.rows_without_batch {
        let _ = writeln!(
            text,
            "{}: {rows} rows name no batch: they were stored before there were chains, and are not verified",
            agent.escape_debug()
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "{note}");
    }
    if !report.findings.is_empty() {
        text.push('\n');
    }
    for finding in &report.findings {
        text.push_str(&line(finding));
    }
    let kinds: BTreeSet<_> = report.findings.iter().map(|finding| finding.kind).collect();
    for kind in kinds {
        let _ = writeln!(text, "\n{}: {}.", kind.words(), kind.remedy());
    }
    text.push('\n');
    text.push_str(&verdict(report));
    text
}

fn account(chain: &Summary) -> String {
    let agent = chain.agent_id.escape_debug();
    let spool: String = chain.spool_id.chars().take(8).collect();
    let mut text = format!("{agent} {}: ", spool.escape_debug());
    let _ = match (chain.links, chain.findings) {
        (0, 0) => write!(text, "NOT CHAINED"),
        (_, 0) => write!(text, "whole"),
        _ => write!(text, "BROKEN"),
    };
    let _ = write!(
        text,
        ", {} batches in the chain, {} rows as they were sealed",
        chain.links, chain.verified_rows
    );
    for (count, what) in [
        (
            chain.dropped,
            "batches dropped by the agent, which told of it",
        ),
        (chain.rejected, "batches rejected; see dead_letters"),
        (
            chain.not_chained,
            "batches not chained, and so not verified",
        ),
        (chain.rows_expired, "batches whose rows went for their age"),
        (
            chain.unknown_version,
            "batches digested in a way that a later version knows",
        ),
        (chain.in_flight, "batches on their way"),
    ] {
        if count > 0 {
            let _ = write!(text, "; {count} {what}");
        }
    }
    if chain.links_expired_to > 0 {
        let to = chain.links_expired_to;
        let _ = write!(text, "; links up to batch {to} went for their age");
    }
    if chain.links > 0 {
        let _ = write!(
            text,
            "\n    head: batch {} of {}, {}",
            chain.head_sequence,
            time(chain.head_created_ms),
            chain.head
        );
    }
    text.push('\n');
    text
}

fn line(finding: &Finding) -> String {
    let spool: String = finding.spool_id.chars().take(8).collect();
    let mut text = format!(
        "{} {}: {}",
        finding.agent_id.escape_debug(),
        spool.escape_debug(),
        finding.kind.words()
    );
    let _ = match (finding.first_sequence, finding.last_sequence) {
        (0, _) => Ok(()),
        (first, last) if first == last => write!(text, ": batch {first}"),
        (first, last) => write!(text, ": batches {first} to {last}"),
    };
    if finding.created_ms != 0 {
        let _ = write!(text, ", about {}", time(finding.created_ms));
    }
    if !finding.detail.is_empty() {
        let _ = write!(text, " ({})", finding.detail.escape_debug());
    }
    text.push('\n');
    text
}

fn verdict(report: &Report) -> String {
    let chains = report.chains.iter().filter(|chain| chain.links > 0).count();
    let unchained = report.chains.len() - chains;
    let heads = match report.kafka_heads {
        None => "compared with heartbeats".to_owned(),
        Some(heads) => format!("compared with heartbeats and {heads} heads in Kafka"),
    };
    let mut text = match report.is_whole() {
        true => format!("{chains} chains, {heads}: everything is stored as it was sealed."),
        false => format!(
            "{chains} chains, {heads}: {} findings, {} more only counted.",
            report.findings.len(),
            report.unlisted_findings
        ),
    };
    if unchained > 0 {
        let _ = write!(
            text,
            " {unchained} spools are not chained: nothing is proven of them."
        );
    }
    text.push('\n');
    text
}
