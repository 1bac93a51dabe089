//! What people and monitors look at: the first page, health, readiness and metrics.
//!
//! Promises: text from agents is data everywhere; nothing is loaded from elsewhere; a page of
//! another site cannot read this one. Leaves what is true to ClickHouse and [`crate::readiness`].

mod config;
mod guard;
mod health;
mod overview;
mod page;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

pub use self::config::{Config, ConfigError};
use self::health::Probe;
use crate::error::{Code, Error};
use crate::readiness::Readiness;
use crate::storage::Storage;

/// OpenMetrics 1.0 as Prometheus asks for it.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages need.
#[derive(Debug)]
struct Shared {
    config: Config,
    storage: Storage,
    probe: Probe,
    registry: Registry,
    /// The command that adds an agent, for the page that has none yet.
    command: String,
    guard: guard::Hosts,
}

/// Where agents find this collector, for the page's command.
#[derive(Clone, Debug)]
pub struct AgentAccess {
    /// Address of ingest, as bound.
    pub endpoint: std::net::SocketAddr,
    /// File with the token.
    pub token_file: std::path::PathBuf,
}

/// Serves the pages until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    storage: Storage,
    readiness: Readiness,
    registry: Registry,
    access: AgentAccess,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let command = page::add_agent_command(&config, &access);
    let shared = Arc::new(Shared {
        guard: guard::Hosts::new(listener.local_addr()?, &config.allowed_hosts),
        probe: Probe::new(storage.clone(), readiness),
        config,
        storage,
        registry,
        command,
    });
    let pages = Router::new()
        .route("/", get(first_page))
        .route("/style.css", get(style))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || (StatusCode::NOT_FOUND, "there is no such page\n"))
        .layer(middleware::from_fn_with_state(
            Arc::clone(&shared),
            guard::check,
        ))
        .with_state(shared);
    axum::serve(listener, pages)
        .with_graceful_shutdown(stop)
        .await
}

async fn first_page(State(shared): State<Arc<Shared>>) -> Response {
    match overview::hosts(&shared.storage, shared.config.window_seconds).await {
        Ok(hosts) => Html(page::hosts(&shared.config, &hosts, &shared.command)).into_response(),
        Err(error) => {
            let text = page::unavailable(&shared.config, &error.message);
            (StatusCode::SERVICE_UNAVAILABLE, Html(text)).into_response()
        }
    }
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE).into_response()
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    match shared.probe.check().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => error.into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &shared.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => Error::new(Code::Internal, format!("metrics: {error}")).into_response(),
    }
}

/// Headers of every answer.
fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
