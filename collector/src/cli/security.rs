//! `findings` and `baselines`: what security events showed, and what is usual.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::output::print;
use super::time::moment;
use crate::baselines;
use crate::clock::now_ms;
use crate::config::Config;
use crate::correlation;

/// Which findings are asked for.
#[derive(Args, Clone, Debug)]
pub struct FindingsArguments {
    /// Those that were seen since then, besides those that last: a moment such as "2026-11-28 14:00"
    /// (UTC), or how long ago, such as 12h or 7d.
    #[arg(long, default_value = "24h")]
    pub from: String,
    /// Only those that last.
    #[arg(long)]
    pub open: bool,
    /// As JSON, one finding a line.
    #[arg(long)]
    pub json: bool,
}

/// What to do with what is usual of users.
#[derive(Clone, Debug, Subcommand)]
pub enum BaselinesAction {
    /// Show what is known of a user: networks, clients, hours and exports, and the findings that name it. Or,
    /// without one, the users of whom something is known.
    Show {
        /// Which user.
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
}

pub(super) async fn findings(
    config: &Config,
    arguments: &FindingsArguments,
) -> anyhow::Result<ExitCode> {
    let storage = super::storage(config)?;
    let now = now_ms().unsigned_abs() / 1000;
    let from = moment(&storage, &arguments.from, now).await?;
    let from_ms = i64::try_from(from)? * 1000;
    let FindingsArguments { open, json, .. } = *arguments;
    print(&correlation::show::findings(&storage, from_ms, open, json).await?)
}

pub(super) async fn baselines(
    config: &Config,
    action: &BaselinesAction,
) -> anyhow::Result<ExitCode> {
    let storage = super::storage(config)?;
    let BaselinesAction::Show { user } = action;
    let Some(user) = user else {
        return print(&baselines::show::users(&storage).await?);
    };
    match baselines::show::user(&storage, &config.baselines, user, now_ms()).await? {
        Some(text) => print(&text),
        None => anyhow::bail!(
            "nothing is known of user {user:?}; `baselines show` lists the users of whom something is"
        ),
    }
}
