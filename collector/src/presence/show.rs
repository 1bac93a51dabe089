//! `crmscope-collector availability`: reads what is known of hosts, or of
//! services, and shows it.

use std::sync::Arc;

use super::availability::{self, By, STEPS_MAX, Shown, Step, Sums, steps};
use super::evidence::{self, Asked};
use super::maintenance::{self, Zones};
use super::{hours, services};
use crate::storage::Storage;

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// One agent; empty for all.
    pub agent: String,
    /// One service, of services; empty for all.
    pub service: String,
    /// The time.
    pub asked: Asked,
    /// What hosts are taken together by.
    pub by: By,
    /// In steps, where given.
    pub step: Option<Step>,
    /// Of which zone's days and months.
    pub zone: String,
    /// How it is shown.
    pub shown: Shown,
}

/// Answers, host by host. `progress` is told how many hosts are done of how many, and whose turn it is;
/// `out` gets the text.
///
/// # Errors
/// When nothing is known of the agent, the zone or the steps cannot be, ClickHouse does not answer, or
/// `out` fails.
pub async fn answer(
    storage: &Storage,
    question: &Question,
    mut progress: impl FnMut(usize, usize, &str),
    mut out: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Question {
        agent,
        service,
        asked,
        by,
        step,
        zone,
        shown,
    } = question;
    let range = asked.range_ms();
    let range = range.start..range.end.min(asked.now_ms);
    let mut zones = Zones::default();
    let steps = match step {
        None => None,
        Some(step) => {
            let steps = steps(*step, zones.zone(zone)?, &range);
            Some(steps.ok_or_else(|| {
                anyhow::anyhow!(
                    "there are more than {STEPS_MAX} steps; ask for longer steps or less time"
                )
            })?)
        }
    };
    if *by == By::Service {
        anyhow::ensure!(
            agent.is_empty(),
            "--agent is of hosts; with --by service write --service NAME, or neither for all"
        );
        anyhow::ensure!(
            steps.is_none() || !shown.intervals,
            "--intervals are of a service in all of the time; leave --step out"
        );
        let question = services::show::Question {
            service,
            steps: steps.as_deref(),
            calendar: &maintenance::calendar(storage, &range).await?,
            range,
            shown: *shown,
        };
        return services::show::answer(storage, &question, asked.now_ms, progress, out).await;
    }
    anyhow::ensure!(
        service.is_empty(),
        "--service needs --by service: of hosts, --agent chooses one"
    );
    let mut sums = match (steps, by) {
        (None, By::Host) => None,
        (None, _) => Some(Sums::new(vec![range])),
        (Some(steps), _) => Some(Sums::new(steps)),
    };
    anyhow::ensure!(
        sums.is_none() || !shown.intervals,
        "--intervals are of one host in all of the time; leave --step and --by out"
    );
    let hosts = evidence::hosts(storage, agent).await?;
    anyhow::ensure!(
        agent.is_empty() || !hosts.is_empty(),
        "no heartbeat of agent {agent:?} is kept; without --agent all agents that have some are shown"
    );
    let watched: Arc<[_]> = evidence::watched(storage, asked).await?.into();
    let calendar = maintenance::calendar(storage, &asked.range_ms()).await?;
    if !shown.json {
        out(&availability::head(asked))?;
    }
    let of = hosts.len();
    let mut done = 0;
    for hosts in hosts.chunks(hours::hosts_at_once(asked)) {
        progress(done, of, hosts.first().map_or("", |host| &host.agent_id));
        let known = hours::intervals(storage, hosts, asked, &watched).await?;
        for (host, intervals) in hosts.iter().zip(known) {
            let idle = calendar.of(&host.agent_id, &host.host_group);
            let report = availability::report(&host.agent_id, intervals, &idle);
            match &mut sums {
                Some(sums) => sums.add(by.name(&host.agent_id, &host.host_group), &report),
                None if shown.json => {
                    let document = serde_json::to_string(&report.with(shown.intervals))?;
                    out(&format!("{document}\n"))?;
                }
                None => out(&availability::text(&report, shown.intervals))?,
            }
        }
        done += hosts.len();
    }
    match sums {
        Some(sums) if shown.json => out(&sums.json()?),
        Some(sums) => out(&sums.text()),
        None => Ok(()),
    }
}
