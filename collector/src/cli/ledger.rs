//! `ledger`: what became of every batch.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::output::{exit_code, json_lines, print};
use super::time::parse_duration;
use crate::clock::now_ms;
use crate::config::Config;
use crate::ledger::{self, Account, Question};

/// What is asked of the ledger.
#[derive(Args, Clone, Debug)]
pub struct LedgerArguments {
    /// Only this agent.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub agent: String,
    /// Only this lane.
    #[arg(long)]
    pub lane: Option<LaneName>,
    /// Only sequences from the first one received in this time, such as 90s, 30m, 12h or 7d.
    #[arg(long, value_parser = parse_duration)]
    pub since: Option<Duration>,
    /// Minute by minute of the agents' clocks, before the accounts.
    #[arg(long)]
    pub by_minute: bool,
    /// As JSON, one account (with --by-minute: one minute) a line.
    #[arg(long)]
    pub json: bool,
}

/// A lane by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LaneName {
    /// Series.
    Metrics,
    /// Request counters.
    Requests,
    /// Security events.
    Security,
    /// Heartbeats.
    Presence,
}

impl LaneName {
    /// As the tables have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Requests => "requests",
            Self::Security => "security",
            Self::Presence => "presence",
        }
    }
}

pub(super) async fn show(config: &Config, arguments: &LedgerArguments) -> anyhow::Result<ExitCode> {
    let LedgerArguments {
        agent,
        lane,
        since,
        by_minute,
        json,
    } = arguments;
    let now = now_ms().unsigned_abs() / 1000;
    let question = Question {
        agent: agent.clone(),
        lane: lane.map(|lane| lane.name().to_owned()),
        from: since.map_or(0, |since| now.saturating_sub(since.as_secs())),
    };
    let storage = super::storage(config)?;
    let accounts = ledger::accounts(&storage, &question).await?;
    let minutes = match by_minute {
        true => ledger::minutes(&storage, &question).await?,
        false => Vec::new(),
    };
    // Minutes alone as JSON: a reader of lines wants one shape. The exit code is that of the accounts.
    print(&match (json, by_minute) {
        (true, true) => json_lines(&minutes)?,
        (true, false) => json_lines(&accounts)?,
        (false, true) => format!(
            "{}\n{}",
            ledger::minute_table(&minutes),
            ledger::table(&accounts)
        ),
        (false, false) => ledger::table(&accounts),
    })?;
    Ok(exit_code(accounts.iter().all(Account::is_whole)))
}
