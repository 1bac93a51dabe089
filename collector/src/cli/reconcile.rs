//! `reconcile`: whether roll-ups are what their rows make.

use std::process::ExitCode;

use clap::Args;

use super::output::{Progress, print};
use super::time::moment;
use crate::clock::now_ms;
use crate::config::Config;
use crate::reconcile::{self, Question};

/// Which roll-ups are compared, and when.
#[derive(Args, Clone, Debug)]
pub struct ReconcileArguments {
    /// Since when: a moment such as "2026-11-28 14:00" (UTC), or how long ago, such as 12h or 7d.
    /// The range is widened to whole days of UTC.
    #[arg(long)]
    pub from: String,
    /// Until when, likewise; now by default.
    #[arg(long)]
    pub to: Option<String>,
    /// Only this roll-up, such as requests_1h.
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// As one JSON document.
    #[arg(long)]
    pub json: bool,
}

pub(super) async fn show(
    config: &Config,
    arguments: &ReconcileArguments,
) -> anyhow::Result<ExitCode> {
    let storage = super::storage(config)?;
    let now = now_ms().unsigned_abs() / 1000;
    let question = Question {
        from: moment(&storage, &arguments.from, now).await?,
        to: match &arguments.to {
            Some(to) => moment(&storage, to, now).await?,
            None => now,
        },
        table: arguments.table.clone(),
        now,
    };
    anyhow::ensure!(question.from < question.to, "--from must lie before --to");
    let mut progress = Progress::new();
    let report = reconcile::reconcile(&storage, &question, |done, steps, table| {
        progress.tell(done as u64, steps as u64, table);
    })
    .await;
    progress.clear();
    let report = report?;
    print(&match arguments.json {
        true => format!("{}\n", serde_json::to_string(&report)?),
        false => reconcile::text(&report),
    })?;
    Ok(ExitCode::from(report.exit_code()))
}
