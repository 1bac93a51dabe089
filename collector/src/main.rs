//! `crmscope-collector`: wiring only; the path of a batch begins in the library's `run`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Parser as _;
use crmscope_collector::cli::{
    Arguments, Command, HostsAction, MaintenanceAction, RulesAction, RunArguments, TopicsAction,
    parse_duration,
};
use crmscope_collector::config::Config;
use crmscope_collector::ingest::auth::Tokens;
use crmscope_collector::kafka::report;
use crmscope_collector::ledger::{self, Question};
use crmscope_collector::logging::{self, FilterHandle};
use crmscope_collector::presence::{self, availability, evidence, maintenance, show};
use crmscope_collector::storage::Storage;
use crmscope_collector::{Options, correlation, reconcile, schema};
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .context("the runtime cannot be started")
        .and_then(|runtime| {
            let outcome = runtime.block_on(start(&arguments));
            // A question to brokers that do not answer is not waited for.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "crmscope-collector: {error:#}");
            ExitCode::from(2)
        }
    }
}

async fn start(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let load = || Config::load(arguments.config.as_deref(), std::env::vars());
    let config = load()?;
    match &arguments.command {
        None => run(config, &arguments.run, load).await,
        Some(Command::Run(options)) => run(config, options, load).await,
        Some(Command::Migrate) => migrate(&config).await,
        Some(Command::Validate) => print("the configuration is valid\n"),
        Some(Command::Hosts { action }) => hosts(&config, action).await,
        Some(Command::Maintenance { action }) => maintenance(&config, action).await,
        Some(Command::Findings { from, open, json }) => findings(&config, from, *open, *json).await,
        Some(Command::Rules { action }) => rules(&config, action),
        Some(Command::Topics { action }) => topics(&config, *action).await,
        Some(Command::Reconcile {
            from,
            to,
            table,
            json,
        }) => reconcile(&config, from, to.as_deref(), table.clone(), *json).await,
        Some(Command::Availability {
            from,
            to,
            agent,
            service,
            step,
            zone,
            by,
            intervals,
            json,
        }) => {
            let ask = |asked| show::Question {
                agent: agent.clone(),
                service: service.clone(),
                asked,
                by: *by,
                step: *step,
                zone: zone.clone(),
                shown: availability::Shown {
                    intervals: *intervals,
                    json: *json,
                },
            };
            show_availability(&config, from, to.as_deref(), ask).await
        }
        Some(Command::Ledger {
            agent,
            lane,
            since,
            by_minute,
            json,
        }) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
            let question = Question {
                agent: agent.clone(),
                lane: lane.map(|lane| lane.name().to_owned()),
                from: since.map_or(0, |since| now.saturating_sub(since).as_secs()),
            };
            show_ledger(&config, &question, *by_minute, *json).await
        }
    }
}

async fn run<E: std::fmt::Display>(
    config: Config,
    options: &RunArguments,
    load: impl Fn() -> Result<Config, E>,
) -> anyhow::Result<ExitCode> {
    let filter = logging::start(&config.log)?;
    let tokens = if config.roles.ingest {
        Tokens::load(&config.ingest.token_file)?
    } else {
        Tokens::none()
    };
    let options = Options {
        address_file: options.address_file.clone(),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let reloaded = tokens.clone();
    let shutdown = async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                _ = hangup.recv() => reload(&reloaded, &filter, load()),
            }
        }
    };
    crmscope_collector::run(config, options, tokens, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

/// What was in force stays where the new one cannot be used.
fn reload<E: std::fmt::Display>(tokens: &Tokens, filter: &FilterHandle, config: Result<Config, E>) {
    match tokens.reload() {
        Ok(count) => tracing::info!(count, "tokens read again"),
        Err(error) => tracing::error!(%error, "the old tokens stay"),
    }
    let applied = config
        .map_err(|error| error.to_string())
        .and_then(|config| {
            filter
                .set(&config.log.filter)
                .map_err(|error| error.to_string())
        });
    match applied {
        Ok(()) => tracing::info!("log filter read again"),
        Err(error) => tracing::error!(error, "the old log filter stays"),
    }
}

async fn migrate(config: &Config) -> anyhow::Result<ExitCode> {
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let report = schema::migrate(storage.client())
        .await
        .with_context(|| format!("ClickHouse at {}", config.clickhouse.url))?;
    let mut text = String::new();
    for file in &report.applied {
        text.push_str(&format!("applied {file}\n"));
    }
    text.push_str(&format!(
        "{} migrations applied, {} were there already\n",
        report.applied.len(),
        report.already_applied
    ));
    print(&text)
}

async fn topics(config: &Config, action: TopicsAction) -> anyhow::Result<ExitCode> {
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
    let mut text = String::new();
    if json {
        for line in &lines {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        }
    } else {
        text = report::table(&lines);
    }
    print(&text)?;
    Ok(ExitCode::from(u8::from(!report::is_whole(&lines))))
}

async fn hosts(config: &Config, action: &HostsAction) -> anyhow::Result<ExitCode> {
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let now = now_ms.unsigned_abs() / 1000;
    let ms = async |text: &Option<String>| -> anyhow::Result<Option<i64>> {
        match text {
            None => Ok(None),
            Some(text) => Ok(Some(
                i64::try_from(moment(&storage, text, now).await?)? * 1000,
            )),
        }
    };
    let (agents, change) = match action {
        HostsAction::List { agent, json } => {
            let hosts = presence::hosts::list(&storage, agent).await?;
            anyhow::ensure!(
                agent.is_empty() || !hosts.is_empty(),
                "agent {agent:?} neither reported nor was added; without --agent all are shown"
            );
            if !json {
                return print(&presence::hosts::table(&hosts));
            }
            for host in &hosts {
                print(&format!("{}\n", serde_json::to_string(host)?))?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        HostsAction::Add {
            agents,
            role,
            group,
            expected_since,
        } => {
            let change = presence::hosts::Change {
                role: role.clone(),
                host_group: group.clone(),
                expected_since_ms: ms(expected_since).await?,
                retired_at_ms: Some(None),
            };
            (agents, change)
        }
        HostsAction::Retire { agents, at } => {
            let change = presence::hosts::Change {
                retired_at_ms: Some(Some(ms(at).await?.unwrap_or(now_ms))),
                ..presence::hosts::Change::default()
            };
            (agents, change)
        }
    };
    let user = std::env::var("USER").unwrap_or_default();
    let changed = presence::hosts::change(&storage, agents, &change, (&user, now_ms)).await?;
    print(
        &changed
            .iter()
            .map(presence::hosts::Expected::sentence)
            .collect::<String>(),
    )
}

async fn maintenance(config: &Config, action: &MaintenanceAction) -> anyhow::Result<ExitCode> {
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let user = std::env::var("USER").unwrap_or_default();
    print(&maintenance::command::run(&storage, action, (&user, now_ms)).await?)
}

async fn findings(config: &Config, from: &str, open: bool, json: bool) -> anyhow::Result<ExitCode> {
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let from_ms = i64::try_from(moment(&storage, from, now).await?)? * 1000;
    print(&correlation::show::findings(&storage, from_ms, open, json).await?)
}

fn rules(config: &Config, action: &RulesAction) -> anyhow::Result<ExitCode> {
    let (directories, list) = match action {
        RulesAction::Check { directories } => (directories, false),
        RulesAction::List { directories } => (directories, true),
    };
    let directories = match directories.is_empty() {
        true => &config.correlation.directories,
        false => directories,
    };
    anyhow::ensure!(
        !directories.is_empty(),
        "correlation.directories is empty: name a directory"
    );
    let (text, is_good) =
        correlation::show::rules(directories, list).map_err(anyhow::Error::msg)?;
    print(&text)?;
    Ok(ExitCode::from(u8::from(!is_good)))
}

async fn show_ledger(
    config: &Config,
    question: &Question,
    by_minute: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let accounts = ledger::accounts(&storage, question).await?;
    let minutes = match by_minute {
        true => ledger::minutes(&storage, question).await?,
        false => Vec::new(),
    };
    let mut text = String::new();
    if json {
        // Minutes alone: a reader of lines wants one shape. The exit code is that of the accounts.
        let lines: Result<Vec<String>, _> = if by_minute {
            minutes.iter().map(serde_json::to_string).collect()
        } else {
            accounts.iter().map(serde_json::to_string).collect()
        };
        for line in lines? {
            text.push_str(&line);
            text.push('\n');
        }
    } else {
        if by_minute {
            text.push_str(&ledger::minute_table(&minutes));
            text.push('\n');
        }
        text.push_str(&ledger::table(&accounts));
    }
    print(&text)?;
    let whole = accounts.iter().all(ledger::Account::is_whole);
    Ok(if whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

async fn show_availability(
    config: &Config,
    from: &str,
    to: Option<&str>,
    ask: impl FnOnce(evidence::Asked) -> show::Question,
) -> anyhow::Result<ExitCode> {
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let now = now_ms.unsigned_abs() / 1000;
    let asked = evidence::Asked {
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
    let terminal = std::io::stderr().is_terminal();
    let progress = |done: usize, of: usize, agent: &str| {
        if terminal && of > 1 {
            let _ = write!(std::io::stderr(), "\r\x1b[K{}% {agent}", done * 100 / of);
        }
    };
    let out = |text: &str| {
        if terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
        print(text).map(|_| ())
    };
    show::answer(&storage, &ask(asked), progress, out).await?;
    Ok(ExitCode::SUCCESS)
}

async fn reconcile(
    config: &Config,
    from: &str,
    to: Option<&str>,
    table: Option<String>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let mut question = reconcile::Question {
        from: moment(&storage, from, now).await?,
        to: now,
        table,
        now,
    };
    if let Some(to) = to {
        question.to = moment(&storage, to, now).await?;
    }
    anyhow::ensure!(question.from < question.to, "--from must lie before --to");
    let terminal = std::io::stderr().is_terminal();
    let report = reconcile::reconcile(&storage, &question, |done, steps, table| {
        if terminal {
            // One line that is written over; the last call clears it.
            let line = match table {
                "" => String::new(),
                _ => format!("{}% {table}", done * 100 / steps.max(1)),
            };
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
        }
    })
    .await;
    if terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let report = report?;
    if json {
        print(&format!("{}\n", serde_json::to_string(&report)?))?;
    } else {
        print(&reconcile::text(&report))?;
    }
    Ok(ExitCode::from(u8::from(!report.is_exact())))
}

/// A moment, or how long before now.
async fn moment(storage: &Storage, text: &str, now: u64) -> anyhow::Result<u64> {
    match parse_duration(text) {
        Ok(ago) => Ok(now.saturating_sub(ago.as_secs())),
        Err(_) => Ok(reconcile::moment(storage, text).await?),
    }
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}
