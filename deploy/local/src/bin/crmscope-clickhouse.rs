//! `crmscope-clickhouse`: ClickHouse's engine behind ClickHouse's HTTP protocol, on this machine.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use crmscope_local::engine::{self, Engine, EngineConfig};
use crmscope_local::server::{Credentials, Server, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};

/// Serve ClickHouse's HTTP protocol from an embedded engine.
///
/// What is answered with 200 survives the end of this process in any form. To survive the loss of
/// power too, create tables with SETTINGS fsync_after_insert = 1, fsync_part_directory = 1.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Directory of the tables; created when missing, used by one process at a time.
    #[arg(long, env = "CRMSCOPE_CLICKHOUSE_DATA_DIR")]
    data_dir: PathBuf,
    /// Address to listen on; port 0 takes a free one, which the ready line names.
    #[arg(
        long,
        default_value = "127.0.0.1:8123",
        env = "CRMSCOPE_CLICKHOUSE_LISTEN"
    )]
    listen: SocketAddr,
    /// The libchdb.so to load; without it, it is fetched once into the cache.
    #[arg(long)]
    library: Option<PathBuf>,
    /// ClickHouse's configuration (XML or YAML) for what has no option here, such as clusters.
    #[arg(long, value_name = "PATH")]
    config_file: Option<PathBuf>,
    /// Memory all queries and merges may take together, in bytes.
    #[arg(long, default_value_t = 2 << 30)]
    max_server_memory_usage: u64,
    /// Cache of index marks, in bytes.
    #[arg(long, default_value_t = 64 << 20)]
    mark_cache_size: u64,
    /// Statements that run at once; others wait 5 s, then get 503.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512))]
    max_concurrent_queries: u16,
    /// Seconds a query may run unless it sets max_execution_time itself; 0 is for ever.
    #[arg(long, default_value_t = 300)]
    max_execution_time: u64,
    /// Seconds running queries get to end after SIGTERM.
    #[arg(long, default_value_t = 10)]
    drain_seconds: u64,
    /// User every query must name.
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// File that holds the user's password.
    #[arg(long, requires = "user")]
    password_file: Option<PathBuf>,
    /// Allow an address that other machines reach. Any query may read this machine's files.
    #[arg(long)]
    allow_non_loopback: bool,
    /// A further name clients may use for this server in the Host header; may be repeated.
    #[arg(long, value_name = "NAME")]
    allowed_host: Vec<String>,
    /// Stop when standard input ends, so that a server never outlives the program that started it.
    #[arg(long)]
    stop_on_stdin_end: bool,
    /// What to log on stderr, in tracing's syntax.
    #[arg(long, default_value = "info", env = "CRMSCOPE_LOG")]
    log: String,
}

fn main() -> ExitCode {
    match start(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "crmscope-clickhouse: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// True when every query ended in time.
fn start(arguments: Arguments) -> anyhow::Result<bool> {
    let filter = tracing_subscriber::EnvFilter::try_new(&arguments.log)
        .with_context(|| format!("--log {:?}", arguments.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Queries run on these threads, and ClickHouse's parser recurses.
        .thread_stack_size(8 << 20)
        .max_blocking_threads(usize::from(arguments.max_concurrent_queries) + 16)
        .build()
        .context("start the runtime")?;
    let clean = runtime.block_on(serve(arguments))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(clean)
}

async fn serve(arguments: Arguments) -> anyhow::Result<bool> {
    let mut terminate = signal(SignalKind::terminate()).context("handle SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("handle SIGINT")?;
    let credentials = credentials(&arguments)?;
    let engine_config = EngineConfig {
        library: match arguments.library {
            Some(path) => path,
            None => tokio::task::spawn_blocking(engine::ensure).await??,
        },
        data_dir: arguments.data_dir,
        max_server_memory_bytes: arguments.max_server_memory_usage,
        mark_cache_bytes: arguments.mark_cache_size,
        config_file: arguments.config_file,
    };
    let engine = tokio::task::spawn_blocking(move || Engine::open(&engine_config)).await??;
    let engine = Arc::new(engine);
    let config = ServerConfig {
        listen: arguments.listen,
        allow_non_loopback: arguments.allow_non_loopback,
        allowed_hosts: arguments.allowed_host,
        credentials,
        max_concurrent_queries: usize::from(arguments.max_concurrent_queries),
        max_execution_time_s: arguments.max_execution_time,
        drain: Duration::from_secs(arguments.drain_seconds),
    };
    let stdin_ended = stdin_ended(arguments.stop_on_stdin_end);
    let server = Server::bind(Arc::clone(&engine), config).await;
    let clean = match server {
        Ok(server) => {
            // The line programs wait for; stdout carries nothing else.
            writeln!(
                std::io::stdout(),
                "ready: ClickHouse {} on http://{}/",
                engine.version(),
                server.local_addr()
            )?;
            let stop = async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    _ = stdin_ended => {}
                }
                tracing::info!("stopping");
            };
            server.run(stop).await
        }
        Err(error) => {
            engine.close();
            return Err(error.into());
        }
    };
    if clean {
        tokio::task::spawn_blocking(move || engine.close()).await?;
    }
    Ok(clean)
}

fn credentials(arguments: &Arguments) -> anyhow::Result<Option<Credentials>> {
    let (Some(user), Some(path)) = (&arguments.user, &arguments.password_file) else {
        return Ok(None);
    };
    let password = std::fs::read_to_string(path)
        .with_context(|| format!("read --password-file {}", path.display()))?;
    let password = password.trim_end_matches(['\r', '\n']).to_owned();
    anyhow::ensure!(
        !password.is_empty(),
        "--password-file {} is empty",
        path.display()
    );
    Ok(Some(Credentials {
        user: user.clone(),
        password,
    }))
}

/// Ends when standard input does; without the flag, never.
fn stdin_ended(wanted: bool) -> tokio::sync::oneshot::Receiver<()> {
    let (sender, ended) = tokio::sync::oneshot::channel();
    if !wanted {
        std::mem::forget(sender);
        return ended;
    }
    // A plain thread: the runtime would wait for a blocked read of its own at the end.
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut buffer = [0; 256];
        while !matches!(stdin.read(&mut buffer), Ok(0) | Err(_)) {}
        let _ = sender.send(());
    });
    ended
}
