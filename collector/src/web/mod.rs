//! What people and monitors look at: pages, their API, health, readiness and metrics.
//!
//! Picture: [`guard`] looks at the name that was asked for, [`sign_in`] at who asks, then [`api`]
//! answers; [`assets`] has the pages, which hold no figures, and [`page`] the one without scripts.
//! Promises: text from agents is data everywhere; nothing is loaded from elsewhere; a page of another
//! site can neither read nor change anything here. Leaves what is true to ClickHouse and
//! [`crate::readiness`].

mod api;
mod assets;
mod config;
mod guard;
mod health;
mod listener;
mod page;
mod plain;
mod sign_in;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};

use self::api::Api;
pub use self::config::{ApiConfig, ClickHouseConfig, Config, ConfigError};
use self::health::Probe;
use self::listener::Client;
pub(crate) use self::listener::Listener;
pub use self::sign_in::config::{ProxyConfig, Role, SignInError, TokenConfig};
use self::sign_in::{Doors, Visitor};
use crate::error::{Code, Error};
use crate::overview;
use crate::readiness::Readiness;
use crate::storage::Storage;
use crate::tls::files::Named;
use crate::tls::{Acceptor, Source, TlsError};

/// Largest body of a request: a maintenance window, or a token.
const BODY_MAX_BYTES: usize = 64 << 10;
/// OpenMetrics 1.0 as Prometheus asks for it.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the pages need.
#[derive(Debug)]
struct Shared {
    config: Config,
    storage: Storage,
    probe: Probe,
    registry: Registry,
    /// What the overview depends on; with the command that adds an agent.
    overview: overview::Settings,
    guard: guard::Hosts,
    doors: Doors,
    api: Api,
}

/// Serves the pages until `stop`.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(
    config: Config,
    listener: Listener,
    storage: Storage,
    readiness: Readiness,
    mut registry: Registry,
    overview: overview::Settings,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let listen = axum::serve::Listener::local_addr(&listener)?;
    let doors = Doors::new(&config, listen, &mut registry).map_err(std::io::Error::other)?;
    let reader = match config.clickhouse.user.as_str() {
        "" => storage.clone(),
        user => {
            let password = crate::storage::password(&config.clickhouse.password_file);
            storage.as_user(user, password.map_err(std::io::Error::other)?)
        }
    };
    let shared = Arc::new(Shared {
        guard: guard::Hosts::new(listen, &config.allowed_hosts),
        probe: Probe::new(storage.clone(), readiness),
        doors,
        api: Api::new(&config.api, reader.reading(), &mut registry)?,
        config,
        storage,
        registry,
        overview,
    });
    let pages = router(&shared).into_make_service_with_connect_info::<Client>();
    let served = axum::serve(listener, pages)
        .with_graceful_shutdown(stop)
        .into_future();
    tokio::select! {
        ended = served => ended,
        () = reload(&shared) => Ok(()),
    }
}

/// Reads the certificate of the pages, where they have one.
///
/// # Errors
/// When a file cannot be used.
pub(crate) fn tls(
    config: &Config,
    metrics: crate::tls::Metrics,
) -> Result<Option<Acceptor>, TlsError> {
    if !config.tls.is_on() {
        return Ok(None);
    }
    let source = Source {
        listener: "web",
        certificate: Named::new("web.tls.certificate_file", &config.tls.certificate_file),
        key: Named::new("web.tls.key_file", &config.tls.key_file),
        // Browsers have no certificates of their own; people sign in.
        authorities: Vec::new(),
        protocols: &[b"http/1.1"],
    };
    Acceptor::new(source, metrics).map(Some)
}

/// Every path, and what is looked at before.
fn router(shared: &Arc<Shared>) -> Router {
    let signed = Router::new()
        .route("/plain", get(plain_page))
        .route_layer(from_fn(sign_in::viewer));
    Router::new()
        .merge(assets::router())
        .merge(signed)
        .route("/style.css", get(style))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .nest("/api/v1", api::router())
        .fallback(async || (StatusCode::NOT_FOUND, "there is no such page\n"))
        .layer(from_fn_with_state(Arc::clone(shared), sign_in::identify))
        .layer(from_fn_with_state(Arc::clone(shared), guard::check))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(Arc::clone(shared))
}

/// Reads the tokens again whenever the process is told to; never ends.
async fn reload(shared: &Shared) {
    let mut hangup = match signal(SignalKind::hangup()) {
        Ok(hangup) => hangup,
        Err(error) => {
            tracing::error!(%error, "SIGHUP cannot be heard: web.tokens are those of the start until the next");
            return std::future::pending().await;
        }
    };
    loop {
        if hangup.recv().await.is_none() {
            return std::future::pending().await;
        }
        match shared.doors.tokens.reload() {
            Ok(count) => tracing::info!(count, "web.tokens read again"),
            Err(error) => tracing::error!(%error, "the old web.tokens stay"),
        }
    }
}

async fn plain_page(State(shared): State<Arc<Shared>>) -> Response {
    match plain::hosts(&shared.storage, shared.config.window_seconds).await {
        Ok(hosts) => Html(page::hosts(
            &shared.config,
            &hosts,
            &shared.overview.add_agent_command,
        ))
        .into_response(),
        Err(error) => {
            let text = page::unavailable(&shared.config, &error.message);
            (StatusCode::SERVICE_UNAVAILABLE, Html(text)).into_response()
        }
    }
}

async fn style() -> Response {
    ([(CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE).into_response()
}

/// One word for anybody; the reason is for those who are signed in.
async fn readyz(State(shared): State<Arc<Shared>>, visitor: Visitor) -> Response {
    match shared.probe.check().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) if visitor.identity.is_some() => error.into_response(),
        Err(error) => Error::new(error.code, "unready").into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>, visitor: Visitor) -> Response {
    if visitor.identity.is_none() && !shared.config.open_metrics {
        return match visitor.refused() {
            Some(fault) => fault.into_response(),
            None => {
                let text =
                    "sign in, or set web.open_metrics = true where anybody may read the metrics";
                Error::new(Code::Unauthenticated, text).into_response()
            }
        };
    }
    shared.api.measure().await;
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
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let caching = headers.entry(CACHE_CONTROL);
    caching.or_insert(HeaderValue::from_static("no-store"));
    response
}
