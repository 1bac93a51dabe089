//! `/api/v1`: the documented queries, and what is computed from them, as JSON and CSV.
//!
//! Picture: [`catalog`] knows what may be asked, [`question`] reads what is asked, [`cache`] has it or
//! [`answer`] asks ClickHouse behind the [`gate`]. Promises: what is answered is bounded in rows, bytes
//! and time; nothing that is asked becomes a part of a query's text, and nothing is written. Leaves who
//! may ask to [`super::sign_in`].

mod answer;
mod cache;
mod catalog;
mod csv;
mod fault;
mod gate;
mod header;
mod maintenance;
mod metrics;
mod moment;
mod openapi;
mod overview;
mod parameter;
mod queries;
mod question;
mod reports;
mod session;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, get, post};
use prometheus_client::registry::Registry;

use self::answer::Limits;
use self::cache::Cache;
use self::catalog::Catalog;
pub(super) use self::fault::{Code, Fault};
use self::gate::Gate;
use self::metrics::Metrics;
use super::config::ApiConfig;
use super::{Shared, sign_in};
use crate::storage::Storage;

/// What the API needs.
#[derive(Debug)]
pub(super) struct Api {
    catalog: Catalog,
    /// As whoever may only read.
    storage: Storage,
    limits: Limits,
    cache: Cache,
    gate: Gate,
    /// Of reports, which take longer than queries and must not hold them up.
    reports: Gate,
    newest: overview::Newest,
    metrics: Metrics,
    /// The document of this API.
    openapi: bytes::Bytes,
}

impl Api {
    /// # Errors
    /// When a query's header cannot be read, which a test rules out.
    pub(super) fn new(
        config: &ApiConfig,
        storage: Storage,
        registry: &mut Registry,
    ) -> std::io::Result<Self> {
        let catalog = Catalog::read().map_err(std::io::Error::other)?;
        let openapi = openapi::written(&catalog).to_string().into();
        Ok(Self {
            catalog,
            openapi,
            storage,
            limits: Limits {
                seconds: config.query_seconds_max,
                memory_bytes: config.query_memory_max_bytes,
                answer_bytes: config.answer_max_bytes,
            },
            cache: Cache::new(config.cache_max_bytes),
            gate: Gate::new(config.queries_max, gate::PATIENCE),
            reports: Gate::new((config.queries_max / 4).max(1), gate::PATIENCE),
            newest: overview::Newest::default(),
            metrics: Metrics::register(registry),
        })
    }

    /// Brings the gauges up to date.
    pub(super) async fn measure(&self) {
        let (entries, bytes) = self.cache.size().await;
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.metrics.entries.set(whole(entries));
        self.metrics.bytes.set(whole(bytes));
    }
}

/// The paths below `/api/v1`; [`openapi`] describes each.
pub(super) fn router() -> Router<Arc<Shared>> {
    let change = |handler: MethodRouter<Arc<Shared>>| {
        let changes = handler.route_layer(from_fn(sign_in::same_origin));
        changes.route_layer(from_fn(sign_in::operator))
    };
    let signed = Router::new()
        .route("/queries", get(queries::list))
        .route("/queries/{name}", get(queries::answer))
        .route("/overview", get(overview::show))
        .route("/availability", get(reports::availability))
        .route("/ledger", get(reports::ledger))
        .route("/hosts", get(reports::hosts))
        .route(
            "/maintenance",
            change(post(maintenance::add)).get(maintenance::list),
        )
        .route(
            "/maintenance/{id}/cancel",
            change(post(maintenance::cancel)),
        )
        .route("/openapi.json", get(openapi::document))
        .route_layer(from_fn(sign_in::viewer));
    let session = post(session::begin).delete(session::end);
    let session = session.route_layer(from_fn(sign_in::same_origin));
    Router::new()
        .route("/session", session.get(session::show))
        .merge(signed)
        .fallback(fault::no_such_path)
        .method_not_allowed_fallback(fault::no_such_method)
}
