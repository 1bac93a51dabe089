//! `maintenance`: times in which hosts may be silent and services away.

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

use super::output::print;
use super::time::parse_duration;
use crate::clock::now_ms;
use crate::config::Config;
use crate::presence::maintenance::command;
use crate::presence::maintenance::repeat::{Days, TimeOfDay};

/// What to do with maintenance windows. In one, a silent host is no incident, nor is what becomes of a
/// service's objectives, and the time does not count for its availability.
#[derive(Clone, Debug, Subcommand)]
pub enum MaintenanceAction {
    /// Say when hosts may be silent or services away, also afterwards: then it is marked as retroactive.
    Add(AddArguments),
    /// Show the windows that are in force or come.
    List {
        /// As JSON, one window a line.
        #[arg(long)]
        json: bool,
        /// Also those that are over or cancelled.
        #[arg(long)]
        past: bool,
    },
    /// End windows. They stay in force for the time before.
    Cancel {
        /// Their ids, as `list` shows them.
        #[arg(required = true, value_name = "ID")]
        windows: Vec<String>,
        /// From when on: a moment such as "2026-11-28 14:00" (UTC), how long ago, or "in 2h"; now by
        /// default. At its beginning, a window is as if it had never been.
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Show who changed windows, and when, the newest change first.
    Audit {
        /// As JSON, one change a line.
        #[arg(long)]
        json: bool,
        /// The newest so many.
        #[arg(long, value_name = "COUNT", default_value_t = 1000)]
        last: u32,
    },
}

/// A new window for each host, group and service.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("whom").required(true).multiple(true).args(["hosts", "groups", "services", "all"]))]
pub struct AddArguments {
    /// A host, by its agent; may be repeated.
    #[arg(long = "host", value_name = "AGENT")]
    pub hosts: Vec<String>,
    /// The hosts of a group; may be repeated.
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// A service, as probes, logs or objectives name it; may be repeated. Its hosts are not in it.
    #[arg(long = "service", value_name = "NAME")]
    pub services: Vec<String>,
    /// All hosts, and all services.
    #[arg(long, conflicts_with_all = ["hosts", "groups", "services"])]
    pub all: bool,
    /// Since when: a moment such as "2026-11-28 14:00" (UTC), how long ago, such as 12h, or "in 2h"; now
    /// by default. With --repeat, occurrences begin from then on.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Until when, likewise.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["length", "repeat"])]
    pub to: Option<String>,
    /// For how long, such as 90m or 2h; with --repeat, each time, up to 7d.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, required_unless_present = "to")]
    pub length: Option<Duration>,
    /// Again and again: daily, or days such as sat,sun.
    #[arg(long, value_name = "DAYS", value_parser = Days::parse, requires = "at")]
    pub repeat: Option<Days>,
    /// When it begins on these days, such as 02:00.
    #[arg(long, value_name = "HH:MM", value_parser = TimeOfDay::parse, requires = "repeat")]
    pub at: Option<TimeOfDay>,
    /// Whose clocks that is by, such as Europe/Berlin; UTC by default.
    #[arg(long, value_name = "ZONE", requires = "repeat")]
    pub zone: Option<String>,
    /// Until when it repeats, as for --from; for ever by default.
    #[arg(long, value_name = "TIME", requires = "repeat")]
    pub until: Option<String>,
    /// What it is for.
    #[arg(long, value_name = "TEXT")]
    pub note: String,
}

pub(super) async fn maintenance(
    config: &Config,
    action: &MaintenanceAction,
) -> anyhow::Result<ExitCode> {
    let storage = super::storage(config)?;
    print(&command::run(&storage, action, (&super::user(), now_ms())).await?)
}
