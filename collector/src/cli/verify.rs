//! `verify`: whether agents' chains of security batches are whole.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use crmscope_proto::chain::Digest;

use super::output::{Progress, exit_code, print};
use super::time::{moment, parse_duration};
use crate::chain::{self, AskedHead, Question};
use crate::clock::now_ms;
use crate::config::Config;
use crate::kafka::heads;

/// Which chains are verified, and against what.
#[derive(Args, Clone, Debug)]
pub struct VerifyArguments {
    /// Only this agent.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub agent: String,
    /// Only batches received since then: a moment such as "2026-11-28 14:00" (UTC), or how long ago, such
    /// as 12h or 7d. Everything by default, which alone finds what was deleted at the beginning.
    #[arg(long)]
    pub from: Option<String>,
    /// Only batches received until then, likewise. What was deleted at the end is found without it.
    #[arg(long)]
    pub to: Option<String>,
    /// A link of an agent that was kept elsewhere, which its chain must have. Can be repeated.
    #[arg(long, value_name = "AGENT=LINK", value_parser = parse_head)]
    pub head: Vec<AskedHead>,
    /// How long a batch may be under way, such as 15m.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = parse_duration)]
    pub in_flight: Duration,
    /// As one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// A head such as `crm-web-01=5f3a…`.
fn parse_head(text: &str) -> Result<AskedHead, String> {
    let (agent_id, link) = text
        .rsplit_once('=')
        .ok_or_else(|| "write the agent's id, = and the link".to_owned())?;
    let link = Digest::parse(link).map_err(|error| error.to_string())?;
    Ok(AskedHead {
        agent_id: agent_id.to_owned(),
        link,
    })
}

pub(super) async fn verify(
    config: &Config,
    arguments: &VerifyArguments,
) -> anyhow::Result<ExitCode> {
    let storage = super::storage(config)?;
    let now_ms = now_ms();
    let now = now_ms.unsigned_abs() / 1000;
    let mut question = Question {
        agent: arguments.agent.clone(),
        heads: arguments.head.clone(),
        in_flight: arguments.in_flight,
        now_ms,
        ..Question::default()
    };
    if let Some(from) = &arguments.from {
        question.from = Some(moment(&storage, from, now).await?);
    }
    if let Some(to) = &arguments.to {
        question.to = Some(moment(&storage, to, now).await?);
    }
    anyhow::ensure!(
        question.from.unwrap_or(0) < question.to.unwrap_or(u64::MAX),
        "--from must lie before --to"
    );
    let note = heads_of_kafka(config, &mut question).await?;
    let mut progress = Progress::new();
    let report = chain::verify(&storage, &question, |done, of, agent| {
        progress.tell(done, of, agent);
    })
    .await;
    progress.clear();
    let mut report = report?;
    report.notes.extend(note);
    print(&match arguments.json {
        true => format!("{}\n", serde_json::to_string(&report)?),
        false => chain::text(&report),
    })?;
    Ok(exit_code(report.is_whole()))
}

/// Adds the heads that Kafka keeps, where it is on, and says what could not be compared.
async fn heads_of_kafka(
    config: &Config,
    question: &mut Question,
) -> anyhow::Result<Option<String>> {
    if !config.kafka.is_on() {
        return Ok(None);
    }
    let Some(read) = heads::read(&config.kafka).await? else {
        return Ok(Some(format!(
            "topic {} is not there: run `crmscope-collector topics apply`; nothing was compared with Kafka",
            config.kafka.heads_topic()
        )));
    };
    question.kafka = Some(read.heads);
    Ok((read.unreadable > 0).then(|| {
        format!(
            "{} records of topic {} are no heads",
            read.unreadable,
            config.kafka.heads_topic()
        )
    }))
}
