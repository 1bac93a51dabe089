//! The command line: a file for each command, with its arguments and what it does.
//!
//! Commands ask modules that know nothing of command lines, and print what these say.

mod delivery;
mod identity;
mod ledger;
mod maintenance;
mod output;
mod presence;
mod reconcile;
mod run;
mod schema;
mod security;
mod time;
mod top;
mod topics;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use prometheus_client::registry::Registry;

use self::delivery::{RulesAction, SettingsAction};
use self::identity::{AuthorityAction, CertificateAction, TokenAction};
use self::ledger::LedgerArguments;
use self::output::print;
use self::presence::{AvailabilityArguments, HostsAction};
use self::reconcile::ReconcileArguments;
use self::run::RunArguments;
use self::schema::MigrateArguments;
use self::security::{BaselinesAction, FindingsArguments};
use self::top::TopArguments;
use self::topics::TopicsAction;
use self::verify::VerifyArguments;
use crate::config::Config;
use crate::storage::Storage;

pub use self::maintenance::{AddArguments, MaintenanceAction};
pub use self::time::parse_duration;

/// A command waits at least this long for an answer of ClickHouse, whatever the configuration says of
/// questions, ms.
const COMMAND_TIMEOUT_MS: u64 = 120_000;

/// Takes what crmscope agents send, and stores it exactly in ClickHouse.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Arguments {
    /// Configuration file; the environment (CRMSCOPE_COLLECTOR__SECTION__KEY) goes before it.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do; `run` by default.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Options of `run`, where it is not named.
    #[command(flatten)]
    pub run: RunArguments,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the collector until SIGTERM or SIGINT; SIGHUP reads certificates, tokens and log filter again.
    Run(RunArguments),
    /// Bring the schema in ClickHouse up to date, then leave. Safe to repeat.
    Migrate(MigrateArguments),
    /// Show what became of every batch. Exit code 1: something is missing or counted twice; 2: an error.
    Ledger(LedgerArguments),
    /// Show when servers, networks and agents were up, down or unknown, by all that heartbeats prove now;
    /// or, with --by service, when services answered, by the agents' probes.
    Availability(AvailabilityArguments),
    /// The hosts that are expected.
    Hosts {
        /// What to do with them.
        #[command(subcommand)]
        action: HostsAction,
    },
    /// The authority that signs certificates of agents.
    Authority {
        /// What to do with it.
        #[command(subcommand)]
        action: AuthorityAction,
    },
    /// Enrolment tokens, with which agents get their first certificate.
    Token {
        /// What to do with them.
        #[command(subcommand)]
        action: TokenAction,
    },
    /// Certificates of agents.
    Certificate {
        /// What to do with them.
        #[command(subcommand)]
        action: CertificateAction,
    },
    /// Times in which hosts may be silent and services away.
    Maintenance {
        /// What to do with them.
        #[command(subcommand)]
        action: MaintenanceAction,
    },
    /// Show what security events showed.
    Findings(FindingsArguments),
    /// What is usual of users.
    Baselines {
        /// What to do with it.
        #[command(subcommand)]
        action: BaselinesAction,
    },
    /// Security rules.
    Rules {
        /// What to do with them.
        #[command(subcommand)]
        action: RulesAction,
    },
    /// Settings of agents.
    Settings {
        /// What to do with them.
        #[command(subcommand)]
        action: SettingsAction,
    },
    /// Kafka's topics of the lanes.
    Topics {
        /// What to do with them.
        #[command(subcommand)]
        action: TopicsAction,
    },
    /// Verify the agents' chains of security batches: whether every event is stored as it was sealed, and
    /// none is missing or too many. Exit code 1: something is not; 2: an error.
    Verify(VerifyArguments),
    /// Recompute every roll-up of a range from base rows and compare every cell. Exit code 1: something
    /// differs; 2: an error; 3: nothing is known to differ, and some rows could not be judged, as they
    /// changed all the time or were too many.
    Reconcile(ReconcileArguments),
    /// Show the overview in the terminal: whether all is well, what is wrong, and what to do. q leaves,
    /// ? shows the keys.
    Top(TopArguments),
    /// Check the configuration, then leave.
    Validate,
}

/// Does what the arguments say.
///
/// # Errors
/// With what went wrong, to be shown to whoever gave the command.
pub async fn start(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    // Needs no configuration: it makes what configurations name.
    if let Some(Command::Authority { action }) = &arguments.command {
        return identity::authority(action);
    }
    let load = || Config::load(arguments.config.as_deref(), std::env::vars());
    let config = load()?;
    let Some(command) = &arguments.command else {
        return run::run(config, &arguments.run, load).await;
    };
    match command {
        Command::Run(arguments) => run::run(config, arguments, load).await,
        Command::Migrate(arguments) => schema::migrate(&config, arguments).await,
        Command::Validate => {
            config.try_files()?;
            print("the configuration is valid\n")
        }
        Command::Authority { action } => identity::authority(action),
        Command::Token { action } => identity::token(&config, action).await,
        Command::Certificate { action } => identity::certificate(&config, action).await,
        Command::Hosts { action } => presence::hosts(&config, action).await,
        Command::Availability(arguments) => presence::availability(&config, arguments).await,
        Command::Maintenance { action } => maintenance::maintenance(&config, action).await,
        Command::Findings(arguments) => security::findings(&config, arguments).await,
        Command::Baselines { action } => security::baselines(&config, action).await,
        Command::Rules { action } => delivery::rules(&config, action).await,
        Command::Settings { action } => delivery::settings(&config, action).await,
        Command::Topics { action } => topics::topics(&config, *action).await,
        Command::Verify(arguments) => verify::verify(&config, arguments).await,
        Command::Reconcile(arguments) => reconcile::show(&config, arguments).await,
        Command::Ledger(arguments) => ledger::show(&config, arguments).await,
        Command::Top(arguments) => top::show(&config, arguments).await,
    }
}

/// ClickHouse, as commands ask it. A person waits, who can break off, and some questions read the whole
/// schema, which takes long on a busy machine.
fn storage(config: &Config) -> anyhow::Result<Storage> {
    let mut clickhouse = config.clickhouse.clone();
    clickhouse.query_timeout_ms = clickhouse.query_timeout_ms.max(COMMAND_TIMEOUT_MS);
    Ok(Storage::new(&clickhouse, &mut Registry::default())?)
}

/// Who gives the command, as far as the environment says.
fn user() -> String {
    std::env::var("USER").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_is_what_happens_without_a_command() {
        let arguments =
            Arguments::try_parse_from(["c", "--address-file", "x", "--config", "f"]).unwrap();
        assert!(arguments.command.is_none() && arguments.run.address_file.is_some());
        let arguments = Arguments::try_parse_from(["c", "run", "--config", "f"]).unwrap();
        assert!(arguments.config.is_some());
        assert!(Arguments::try_parse_from(["c", "ledger", "--lane", "x"]).is_err());
    }
}
