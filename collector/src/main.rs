//! `crmscope-collector`: wiring only; the path of a batch begins in the library's `run`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use clap::Parser as _;
use crmscope_collector::cli::{
    Arguments, AuthorityAction, BaselinesAction, CertificateAction, Command, HostsAction,
    MaintenanceAction, RulesAction, RunArguments, SettingsAction, TokenAction, TokenArguments,
    TopicsAction, parse_duration,
};
use crmscope_collector::config::Config;
use crmscope_collector::ingest::auth::Tokens;
use crmscope_collector::kafka::{heads, report};
use crmscope_collector::ledger::{self, Question};
use crmscope_collector::logging::{self, FilterHandle};
use crmscope_collector::presence::{self, availability, evidence, maintenance, show};
use crmscope_collector::storage::Storage;
use crmscope_collector::{
    Options, baselines, chain, correlation, delivery, identity, overview, reconcile, schema, top,
};
use crmscope_proto::systemd::Notifier;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};

/// A command waits at least this long for an answer of ClickHouse, whatever the configuration says of
/// questions, ms.
const COMMAND_TIMEOUT_MS: u64 = 120_000;

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
    // Needs no configuration: it makes what configurations name.
    if let Some(Command::Authority { action }) = &arguments.command {
        return authority(action);
    }
    let load = || Config::load(arguments.config.as_deref(), std::env::vars());
    let config = load()?;
    match &arguments.command {
        None => run(config, &arguments.run, load).await,
        Some(Command::Run(options)) => run(config, options, load).await,
        Some(Command::Migrate { print: true }) => print_schema(&config),
        Some(Command::Migrate { print: false }) => migrate(&config).await,
        Some(Command::Validate) => {
            config.try_files()?;
            print("the configuration is valid\n")
        }
        Some(Command::Authority { action }) => authority(action),
        Some(Command::Token { action }) => token(&config, action).await,
        Some(Command::Certificate { action }) => certificate(&config, action).await,
        Some(Command::Top { every, once }) => {
            let options = top::Options {
                every: *every,
                once: *once,
            };
            show_top(&config, options).await
        }
        Some(Command::Hosts { action }) => hosts(&config, action).await,
        Some(Command::Maintenance { action }) => maintenance(&config, action).await,
        Some(Command::Findings { from, open, json }) => findings(&config, from, *open, *json).await,
        Some(Command::Baselines { action }) => known(&config, action).await,
        Some(Command::Rules { action }) => rules(&config, action).await,
        Some(Command::Settings { action }) => settings(&config, action).await,
        Some(Command::Topics { action }) => topics(&config, *action).await,
        Some(Command::Verify {
            agent,
            from,
            to,
            head,
            in_flight,
            json,
        }) => {
            let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
            let question = chain::Question {
                agent: agent.clone(),
                heads: head.clone(),
                in_flight: *in_flight,
                now_ms,
                ..chain::Question::default()
            };
            verify(&config, from.as_deref(), to.as_deref(), question, *json).await
        }
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
    let tokens = if config.roles.ingest && !config.ingest.tls.is_on() {
        Tokens::load(&config.ingest.token_file)?
    } else {
        Tokens::none()
    };
    let notifier = Arc::new(Notifier::from_environment()?);
    let options = Options {
        address_file: options.address_file.clone(),
        notifier: Arc::clone(&notifier),
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
                _ = hangup.recv() => {
                    notifier.reloading();
                    reload(&reloaded, &filter, load());
                    notifier.reloaded();
                }
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

/// ClickHouse, as commands ask it. A person waits, who can break off, and some questions read the whole
/// schema, which takes long on a busy machine.
fn storage(config: &Config) -> anyhow::Result<Storage> {
    let mut clickhouse = config.clickhouse.clone();
    clickhouse.query_timeout_ms = clickhouse.query_timeout_ms.max(COMMAND_TIMEOUT_MS);
    Ok(Storage::new(&clickhouse, &mut Registry::default())?)
}

fn print_schema(config: &Config) -> anyhow::Result<ExitCode> {
    let cluster = config.clickhouse.cluster()?;
    let mut text = String::new();
    for statement in schema::statements(cluster.as_ref())? {
        text.push_str(&format!(
            "-- {}:{}\n{};\n\n",
            statement.file, statement.line, statement.text
        ));
    }
    print(&text)
}

async fn migrate(config: &Config) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
    let (client, cluster) = (storage.client(), storage.cluster());
    let place = || format!("ClickHouse at {}", config.clickhouse.url);
    let report = schema::migrate_on(client, cluster)
        .await
        .with_context(place)?;
    let mut text = String::new();
    for file in &report.applied {
        text.push_str(&format!("applied {file}\n"));
    }
    text.push_str(&format!(
        "{} migrations applied, {} were there already\n",
        report.applied.len(),
        report.already_applied
    ));
    if let Some(over) = config.clickhouse.read_cluster()? {
        let made = schema::cluster::distributed::make(client, cluster, &over)
            .await
            .with_context(place)?;
        text.push_str(&format!(
            "{made} tables of {} made\n",
            schema::cluster::distributed::ALL
        ));
    }
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
    let storage = storage(config)?;
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

fn authority(action: &AuthorityAction) -> anyhow::Result<ExitCode> {
    let mut made = Vec::new();
    match action {
        AuthorityAction::Create {
            directory,
            name,
            days,
            collector_days,
        } => {
            made.extend(identity::create::authority(directory, *days)?);
            made.extend(identity::create::collector(
                directory,
                name,
                *collector_days,
            )?);
        }
        AuthorityAction::Issue {
            directory,
            name,
            days,
        } => made.extend(identity::create::collector(directory, name, *days)?),
    }
    let lines = made.iter().map(|path| format!("{}\n", path.display()));
    print(&lines.collect::<String>())
}

async fn token(config: &Config, action: &TokenAction) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let user = std::env::var("USER").unwrap_or_default();
    match action {
        TokenAction::List { all, json } => {
            print(&identity::show::tokens(&storage, (*all, *json), now_ms).await?)
        }
        TokenAction::Revoke { tokens } => {
            identity::tokens::revoke(&storage, tokens, (&user, now_ms)).await?;
            print(&format!("revoked: {}\n", tokens.join(", ")))
        }
        TokenAction::Create(arguments) => {
            create_token(config, &storage, arguments, (&user, now_ms)).await
        }
    }
}

async fn create_token(
    config: &Config,
    storage: &Storage,
    arguments: &TokenArguments,
    by: (&str, i64),
) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(
        config.ingest.authority.is_on(),
        "ingest.authority.certificate_file is empty: this collector signs no certificates; `crmscope-collector authority create` makes an authority"
    );
    let authority_sha256 = identity::pin(&config.ingest)?;
    let wish = identity::tokens::Wish {
        agent: arguments.agent.clone(),
        role: arguments.role.clone(),
        group: arguments.group.clone(),
        agents_max: arguments.agents,
        lifetime: arguments.expires,
        authority_sha256,
    };
    let token = identity::tokens::create(storage, &wish, by).await?;
    // The token alone is the output, so that it can go into a file.
    let mut told =
        "put it into the agent's identity.token_file; it is not shown again\n".to_owned();
    if authority_sha256.is_none() {
        told.push_str(
            "the collector's certificate comes without the one above it, so agents also need identity.authority_file, or one that their system trusts\n",
        );
    }
    let _ = std::io::stderr().write_all(told.as_bytes());
    print(&format!("{}\n", token.reveal()))
}

async fn certificate(config: &Config, action: &CertificateAction) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let user = std::env::var("USER").unwrap_or_default();
    let (agents, is_revoked, note) = match action {
        CertificateAction::List => return print(&identity::show::certificates(&storage).await?),
        CertificateAction::Revoke { agents, note } => (agents, true, note.as_str()),
        CertificateAction::Allow { agents } => (agents, false, ""),
    };
    let change = (is_revoked, note);
    identity::show::change_certificates(&storage, agents, change, (&user, now_ms)).await?;
    let what = match is_revoked {
        true => "are refused from now on",
        false => "are good that are made from now on",
    };
    print(&format!("certificates of {} {what}\n", agents.join(", ")))
}

async fn maintenance(config: &Config, action: &MaintenanceAction) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let user = std::env::var("USER").unwrap_or_default();
    print(&maintenance::command::run(&storage, action, (&user, now_ms)).await?)
}

async fn findings(config: &Config, from: &str, open: bool, json: bool) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let from_ms = i64::try_from(moment(&storage, from, now).await?)? * 1000;
    print(&correlation::show::findings(&storage, from_ms, open, json).await?)
}

async fn known(config: &Config, action: &BaselinesAction) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let BaselinesAction::Show { user } = action;
    let Some(user) = user else {
        return print(&baselines::show::users(&storage).await?);
    };
    match baselines::show::user(&storage, &config.baselines, user, now_ms).await? {
        Some(text) => print(&text),
        None => anyhow::bail!(
            "nothing is known of user {user:?}; `baselines show` lists the users of whom something is"
        ),
    }
}

async fn rules(config: &Config, action: &RulesAction) -> anyhow::Result<ExitCode> {
    let (directories, list) = match action {
        RulesAction::Agents {
            agent,
            behind_for,
            json,
        } => return rules_of_agents(config, agent, *behind_for, *json).await,
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
        let (text, good) = delivery::show::check(&config.agent_rules);
        print(&text)?;
        is_good &= good;
    }
    Ok(ExitCode::from(u8::from(!is_good)))
}

async fn rules_of_agents(
    config: &Config,
    agent: &str,
    behind_for: Duration,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
    let agents = delivery::show::agents(&storage, agent).await?;
    anyhow::ensure!(
        agent.is_empty() || !agents.is_empty(),
        "agent {agent:?} neither reported lately nor is to have rules; without --agent all are shown"
    );
    print(&match json {
        true => json_lines(&agents)?,
        false => delivery::show::table(&agents),
    })?;
    let is_good = agents.iter().all(|agent| agent.is_good(behind_for));
    Ok(ExitCode::from(u8::from(!is_good)))
}

async fn settings(config: &Config, action: &SettingsAction) -> anyhow::Result<ExitCode> {
    use delivery::settings::show;
    let (agent, behind_for, json) = match action {
        SettingsAction::Keys => return print(&show::keys()),
        SettingsAction::Check => {
            anyhow::ensure!(
                config.agent_settings.is_on(),
                "agent_settings.sets is empty: there is nothing to check"
            );
            let (text, is_good) = show::check(&config.agent_settings);
            print(&text)?;
            return Ok(ExitCode::from(u8::from(!is_good)));
        }
        SettingsAction::Agents {
            agent,
            behind_for,
            json,
        } => (agent, *behind_for, *json),
    };
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let agents = show::agents(&storage, agent).await?;
    anyhow::ensure!(
        agent.is_empty() || !agents.is_empty(),
        "agent {agent:?} neither reported lately nor is to have settings; without --agent all are shown"
    );
    print(&match json {
        true => json_lines(&agents)?,
        false => show::table(&agents),
    })?;
    let is_good = agents.iter().all(|agent| agent.is_good(behind_for));
    Ok(ExitCode::from(u8::from(!is_good)))
}

/// One a line.
fn json_lines<T: serde::Serialize>(rows: &[T]) -> anyhow::Result<String> {
    let mut text = String::new();
    for row in rows {
        text.push_str(&serde_json::to_string(row)?);
        text.push('\n');
    }
    Ok(text)
}

async fn show_ledger(
    config: &Config,
    question: &Question,
    by_minute: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
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

async fn show_top(config: &Config, options: top::Options) -> anyhow::Result<ExitCode> {
    let storage = Storage::new(&config.clickhouse, &mut Registry::default())?;
    let settings = overview::Settings::of(config, config.ingest.listen);
    Ok(ExitCode::from(top::run(storage, settings, options).await?))
}

async fn show_availability(
    config: &Config,
    from: &str,
    to: Option<&str>,
    ask: impl FnOnce(evidence::Asked) -> show::Question,
) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
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
    let storage = storage(config)?;
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
    Ok(ExitCode::from(report.exit_code()))
}

async fn verify(
    config: &Config,
    from: Option<&str>,
    to: Option<&str>,
    mut question: chain::Question,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let storage = storage(config)?;
    let now = question.now_ms.unsigned_abs() / 1000;
    if let Some(from) = from {
        question.from = Some(moment(&storage, from, now).await?);
    }
    if let Some(to) = to {
        question.to = Some(moment(&storage, to, now).await?);
    }
    anyhow::ensure!(
        question.from.unwrap_or(0) < question.to.unwrap_or(u64::MAX),
        "--from must lie before --to"
    );
    let mut note = None;
    if config.kafka.is_on() {
        match heads::read(&config.kafka).await? {
            Some(read) => {
                question.kafka = Some(read.heads);
                if read.unreadable > 0 {
                    note = Some(format!(
                        "{} records of topic {} are no heads",
                        read.unreadable,
                        config.kafka.heads_topic()
                    ));
                }
            }
            None => {
                note = Some(format!(
                    "topic {} is not there: run `crmscope-collector topics apply`; nothing was compared with Kafka",
                    config.kafka.heads_topic()
                ));
            }
        }
    }
    let terminal = std::io::stderr().is_terminal();
    let mut shown = None;
    let report = chain::verify(&storage, &question, |done, of, agent| {
        let percent = done * 100 / of.max(1);
        if terminal && shown != Some((percent, of)) {
            // One line that is written over; the last call clears it.
            let line = match agent {
                "" => String::new(),
                _ => format!("{percent}% {}", agent.escape_debug()),
            };
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
            shown = Some((percent, of));
        }
    })
    .await;
    if terminal {
        let _ = write!(std::io::stderr(), "\r\x1b[K");
    }
    let mut report = report?;
    report.notes.extend(note);
    if json {
        print(&format!("{}\n", serde_json::to_string(&report)?))?;
    } else {
        print(&chain::text(&report))?;
    }
    Ok(ExitCode::from(u8::from(!report.is_whole())))
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
