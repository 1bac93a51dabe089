//! `hosts` and `availability`: what is expected of hosts, and what is known of them and of services.

use std::cell::RefCell;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::{Progress, json_lines, print};
use super::time::moment;
use crate::clock::now_ms;
use crate::config::Config;
use crate::presence::availability::{By, Shown, Step};
use crate::presence::evidence::Asked;
use crate::presence::hosts::{self, Change, Expected};
use crate::presence::show;
use crate::storage::Storage;

/// What to do with hosts. A host is expected once it reports, and before that once it is added.
#[derive(Clone, Debug, Subcommand)]
pub enum HostsAction {
    /// Show every host, what is thought of it now, and when it was last heard.
    List {
        /// Only this agent.
        #[arg(long, default_value = "", hide_default_value = true)]
        agent: String,
        /// As JSON, one host a line.
        #[arg(long)]
        json: bool,
    },
    /// Say that hosts are expected, or change what is known of them. One that was retired is back then.
    Add {
        /// Ids of their agents.
        #[arg(required = true, value_name = "AGENT")]
        agents: Vec<String>,
        /// What they do, such as database.
        #[arg(long)]
        role: Option<String>,
        /// What they fall with, such as a site or a zone: many of a group that fall silent together are
        /// one incident.
        #[arg(long, value_name = "NAME")]
        group: Option<String>,
        /// Since when they are expected: a moment such as "2026-11-28 14:00" (UTC), or how long ago.
        /// A host that is new is expected from now on.
        #[arg(long, value_name = "TIME")]
        expected_since: Option<String>,
    },
    /// Say that hosts are gone for good: their silence is no outage.
    Retire {
        /// Ids of their agents.
        #[arg(required = true, value_name = "AGENT")]
        agents: Vec<String>,
        /// From when on: a moment such as "2026-11-28 14:00" (UTC), or how long ago; now by default.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
}

/// Whose availability is asked for, and when.
#[derive(Args, Clone, Debug)]
pub struct AvailabilityArguments {
    /// Since when: a moment such as "2026-11-28 14:00" (UTC), or how long ago, such as 12h or 7d.
    /// Hours that were judged are kept for 1,200 days, heartbeats for 30, runs of probes for 7.
    #[arg(long, default_value = "24h")]
    pub from: String,
    /// Until when, likewise; now by default.
    #[arg(long)]
    pub to: Option<String>,
    /// Only this agent.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub agent: String,
    /// Only this service, with --by service.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub service: String,
    /// In steps of this length.
    #[arg(long, value_name = "LENGTH")]
    pub step: Option<Step>,
    /// Whose days, months and hours they are, such as Europe/Berlin.
    #[arg(long, default_value = "UTC", requires = "step")]
    pub zone: String,
    /// Hosts taken together: their time added up. Or services.
    #[arg(long, default_value = "host")]
    pub by: By,
    /// Also every interval, with what it rests on.
    #[arg(long)]
    pub intervals: bool,
    /// As JSON, one host or service a line.
    #[arg(long)]
    pub json: bool,
}

pub(super) async fn hosts(config: &Config, action: &HostsAction) -> anyhow::Result<ExitCode> {
    let storage = super::storage(config)?;
    let now_ms = now_ms();
    let (agents, change) = match action {
        HostsAction::List { agent, json } => return list(&storage, agent, *json).await,
        HostsAction::Add {
            agents,
            role,
            group,
            expected_since,
        } => {
            let change = Change {
                role: role.clone(),
                host_group: group.clone(),
                expected_since_ms: moment_ms(&storage, expected_since.as_deref(), now_ms).await?,
                retired_at_ms: Some(None),
            };
            (agents, change)
        }
        HostsAction::Retire { agents, at } => {
            let at_ms = moment_ms(&storage, at.as_deref(), now_ms).await?;
            let change = Change {
                retired_at_ms: Some(Some(at_ms.unwrap_or(now_ms))),
                ..Change::default()
            };
            (agents, change)
        }
    };
    let user = super::user();
    let changed = hosts::change(&storage, agents, &change, (&user, now_ms)).await?;
    print(&changed.iter().map(Expected::sentence).collect::<String>())
}

async fn list(storage: &Storage, agent: &str, json: bool) -> anyhow::Result<ExitCode> {
    let hosts = hosts::list(storage, agent).await?;
    anyhow::ensure!(
        agent.is_empty() || !hosts.is_empty(),
        "agent {agent:?} neither reported nor was added; without --agent all are shown"
    );
    print(&match json {
        true => json_lines(&hosts)?,
        false => hosts::table(&hosts),
    })
}

async fn moment_ms(
    storage: &Storage,
    text: Option<&str>,
    now_ms: i64,
) -> anyhow::Result<Option<i64>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let seconds = moment(storage, text, now_ms.unsigned_abs() / 1000).await?;
    Ok(Some(i64::try_from(seconds)? * 1000))
}

pub(super) async fn availability(
    config: &Config,
    arguments: &AvailabilityArguments,
) -> anyhow::Result<ExitCode> {
    let AvailabilityArguments {
        from,
        to,
        agent,
        service,
        step,
        zone,
        by,
        intervals,
        json,
    } = arguments;
    let storage = super::storage(config)?;
    let now_ms = now_ms();
    let now = now_ms.unsigned_abs() / 1000;
    let asked = Asked {
        from: moment(&storage, from, now).await?,
        to: match to {
            Some(to) => moment(&storage, to, now).await?,
            None => now,
        },
        now_ms,
    };
    anyhow::ensure!(
        asked.from < asked.to.min(now + 1),
        "--from {from:?} is not before --to and now: nothing is known of that time yet"
    );
    let question = show::Question {
        agent: agent.clone(),
        service: service.clone(),
        asked,
        by: *by,
        step: *step,
        zone: zone.clone(),
        shown: Shown {
            intervals: *intervals,
            json: *json,
        },
    };
    let progress = RefCell::new(Progress::new());
    let tell = |done: usize, of: usize, name: &str| {
        if of > 1 {
            progress.borrow_mut().tell(done as u64, of as u64, name);
        }
    };
    let out = |text: &str| {
        progress.borrow_mut().clear();
        print(text).map(|_| ())
    };
    show::answer(&storage, &question, tell, out).await?;
    Ok(ExitCode::SUCCESS)
}
