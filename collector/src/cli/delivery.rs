//! `rules` and `settings`: what is looked for, and what agents get from the collector.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{exit_code, json_lines, print};
use super::time::parse_duration;
use crate::config::Config;
use crate::correlation;
use crate::delivery;

/// What to do with security rules: of the configuration, by default, those in `correlation.directories` and
/// the sets for agents (`agent_rules.sets`).
#[derive(Clone, Debug, Subcommand)]
pub enum RulesAction {
    /// Say which cannot be looked for, and why. Exit code 1: there is one; 2: an error.
    Check {
        /// Where they are.
        #[arg(value_name = "DIRECTORY")]
        directories: Vec<PathBuf>,
    },
    /// The same, and show those that are looked for.
    List {
        /// Where they are.
        #[arg(value_name = "DIRECTORY")]
        directories: Vec<PathBuf>,
    },
    /// Show which rules agents have in force and tried last, and what they refused. Exit code 1: one
    /// refused something, or has not had what it is to have for longer than --behind-for; 2: an error.
    Agents(AgentsArguments),
}

/// What to do with settings of agents (`agent_settings`).
#[derive(Clone, Debug, Subcommand)]
pub enum SettingsAction {
    /// Say what is wrong with the files of the sets, with line and reason. Exit code 1: something is; 2: an
    /// error.
    Check,
    /// List what may be set, and what becomes of it beside an agent's own configuration.
    Keys,
    /// Show which settings agents have in force and tried last, and why these are not in force. Exit code 1:
    /// one refused some or took them back, or has not had what it is to have for longer than --behind-for;
    /// 2: an error.
    Agents(AgentsArguments),
}

/// Which agents are shown.
#[derive(Args, Clone, Debug)]
pub struct AgentsArguments {
    /// Only this agent.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub agent: String,
    /// How long an agent may be behind, such as 90s, 30m, 12h or 7d.
    #[arg(long, value_parser = parse_duration, default_value = "5m", value_name = "TIME")]
    pub behind_for: Duration,
    /// As JSON, one agent a line.
    #[arg(long)]
    pub json: bool,
}

pub(super) async fn rules(config: &Config, action: &RulesAction) -> anyhow::Result<ExitCode> {
    let (directories, list) = match action {
        RulesAction::Agents(arguments) => return rules_of_agents(config, arguments).await,
        RulesAction::Check { directories } => (directories, false),
        RulesAction::List { directories } => (directories, true),
    };
    let is_own = directories.is_empty();
    let directories = match is_own {
        true => &config.correlation.directories,
        false => directories,
    };
    let sets = match is_own {
        true => config.agent_rules.sets.as_slice(),
        false => &[],
    };
    anyhow::ensure!(
        !directories.is_empty() || !sets.is_empty(),
        "correlation.directories and agent_rules.sets are empty: name a directory"
    );
    let mut is_good = true;
    if !directories.is_empty() {
        let (text, good) =
            correlation::show::rules(directories, list).map_err(anyhow::Error::msg)?;
        print(&text)?;
        is_good &= good;
    }
    if !sets.is_empty() {
        let (text, good) = delivery::rules::show::check(&config.agent_rules);
        print(&text)?;
        is_good &= good;
    }
    Ok(exit_code(is_good))
}

async fn rules_of_agents(config: &Config, arguments: &AgentsArguments) -> anyhow::Result<ExitCode> {
    use delivery::rules::show;
    let agents = show::agents(&super::storage(config)?, &arguments.agent).await?;
    arguments.print("rules", &agents, show::table, show::AgentRules::is_good)
}

pub(super) async fn settings(config: &Config, action: &SettingsAction) -> anyhow::Result<ExitCode> {
    use delivery::settings::show;
    match action {
        SettingsAction::Keys => print(&show::keys()),
        SettingsAction::Check => {
            anyhow::ensure!(
                config.agent_settings.is_on(),
                "agent_settings.sets is empty: there is nothing to check"
            );
            let (text, is_good) = show::check(&config.agent_settings);
            print(&text)?;
            Ok(exit_code(is_good))
        }
        SettingsAction::Agents(arguments) => {
            let agents = show::agents(&super::storage(config)?, &arguments.agent).await?;
            arguments.print(
                "settings",
                &agents,
                show::table,
                show::AgentSettings::is_good,
            )
        }
    }
}

impl AgentsArguments {
    /// Prints agents; not good where one of them is not.
    fn print<A: Serialize>(
        &self,
        what: &str,
        agents: &[A],
        table: fn(&[A]) -> String,
        is_good: fn(&A, Duration) -> bool,
    ) -> anyhow::Result<ExitCode> {
        anyhow::ensure!(
            self.agent.is_empty() || !agents.is_empty(),
            "agent {:?} neither reported lately nor is to have {what}; without --agent all are shown",
            self.agent
        );
        print(&match self.json {
            true => json_lines(agents)?,
            false => table(agents),
        })?;
        let is_good = agents.iter().all(|agent| is_good(agent, self.behind_for));
        Ok(exit_code(is_good))
    }
}
