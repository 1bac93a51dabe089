//! `topics`: Kafka's topics of the lanes.

use std::process::ExitCode;

use clap::Subcommand;

use super::output::{exit_code, json_lines, print};
use crate::config::Config;
use crate::kafka::report;
use crate::logging;

/// What to do with Kafka's topics. Exit code 1: they are not as they should be; 2: an error.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum TopicsAction {
    /// Create the topics that are missing, and bring the settings of the others up to date. Safe to
    /// repeat. Partitions of a topic that exists are never changed.
    Apply {
        /// As JSON, one topic a line.
        #[arg(long)]
        json: bool,
    },
    /// Show the topics, and what differs from the configuration.
    Show {
        /// As JSON, one topic a line.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn topics(config: &Config, action: TopicsAction) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        config.kafka.is_on(),
        "kafka.brokers is empty: without Kafka there are no topics"
    );
    logging::start(&config.log)?;
    let (apply, json) = match action {
        TopicsAction::Apply { json } => (true, json),
        TopicsAction::Show { json } => (false, json),
    };
    let lines = report::topics(&config.kafka, apply).await?;
    print(&match json {
        true => json_lines(&lines)?,
        false => report::table(&lines),
    })?;
    Ok(exit_code(report::is_whole(&lines)))
}
