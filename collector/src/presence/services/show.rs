//! `crmscope-collector availability --by service`: reads what is known of services, and shows it.

use std::ops::Range;

use super::report::{Report, report};
use super::targets::{self, FailedBy};
use super::{clip, evidence, text};
use crate::presence::availability::Shown;
use crate::presence::maintenance::Calendar;
use crate::storage::Storage;

/// What is asked.
#[derive(Clone, Debug)]
pub(in crate::presence) struct Question<'a> {
    /// One service; empty for all.
    pub(in crate::presence) service: &'a str,
    /// The time, until now at most, Unix ms.
    pub(in crate::presence) range: Range<i64>,
    /// Its steps, where it is asked for in steps.
    pub(in crate::presence) steps: Option<&'a [Range<i64>]>,
    /// Times that do not count.
    pub(in crate::presence) calendar: &'a Calendar,
    /// How it is shown.
    pub(in crate::presence) shown: Shown,
}

/// Answers, service by service, as [`crate::presence::show::answer`] does of hosts.
///
/// # Errors
/// When nothing is known of the service, ClickHouse does not answer, or `out` fails.
pub(in crate::presence) async fn answer(
    storage: &Storage,
    question: &Question<'_>,
    now_ms: i64,
    mut progress: impl FnMut(usize, usize, &str),
    mut out: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Question {
        service,
        range,
        steps,
        calendar,
        shown,
    } = question;
    let services = evidence::services(storage, service, range).await?;
    anyhow::ensure!(
        service.is_empty() || !services.is_empty(),
        "no agent probed service {service:?} in this time; without --service all services that were probed are shown"
    );
    if !shown.json {
        out(&text::head(range))?;
    }
    let whole = [range.clone()];
    let mut lines = Vec::new();
    for (done, service) in services.iter().enumerate() {
        progress(done, services.len(), &service.escape_debug().to_string());
        let intervals = evidence::intervals(storage, service, range, now_ms).await?;
        let idle = calendar.of_service(service);
        let of_step = |step: &Range<i64>| {
            let first = intervals.partition_point(|of| of.to_ms <= step.start);
            let within = intervals[first..].iter();
            let within = within.take_while(|of| of.from_ms < step.end).cloned();
            report(service, &clip(within, step), &idle)
        };
        let reports: Vec<Report> = steps.unwrap_or(&whole).iter().map(of_step).collect();
        // Lines of steps have no outages, documents have.
        let failed = if shown.json || steps.is_none() {
            let mut outages: Vec<Range<i64>> = reports.iter().flat_map(Report::outages).collect();
            outages.sort_unstable_by_key(|outage| (outage.start, outage.end));
            outages.dedup();
            targets::failed(storage, service, &outages).await?
        } else {
            FailedBy::new()
        };
        for (position, (step, report)) in steps.unwrap_or(&whole).iter().zip(&reports).enumerate() {
            if report.intervals.is_empty() {
                continue;
            }
            let line = if shown.json {
                let document = report.document(step, &failed, shown.intervals);
                serde_json::to_string(&document)? + "\n"
            } else if steps.is_some() {
                text::line(report, Some(step))
            } else {
                text::line(report, None) + &text::outages(report, &failed, shown.intervals)
            };
            lines.push((position, line));
        }
    }
    lines.sort_by_key(|(position, _)| *position);
    for (_, line) in lines {
        out(&line)?;
    }
    Ok(())
}
